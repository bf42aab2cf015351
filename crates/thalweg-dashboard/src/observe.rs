//! Sources of a dashboard's data: pipelines and engines.

use std::any::Any;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use thalweg::view::GraphView;
use thalweg::{BoxError, Element, Failure, Stream, WeakStream};

use crate::control::{self, Action};
use crate::failures::Cause;

/// Supplies a dashboard with pipelines and engines. Methods are called only while someone views the dashboard, on a
/// thread that may block for a fraction of a second.
pub trait Observe: Send + Sync + 'static {
    /// All pipelines.
    fn pipelines(&self) -> Vec<Pipeline> {
        Vec::new()
    }

    /// All engines.
    fn engines(&self) -> Vec<Engine> {
        Vec::new()
    }

    /// Describes a failure; `None` leaves it to the error's own text. Called on the thread on which the function
    /// failed.
    fn describe(&self, failure: &Failure) -> Option<Cause> {
        let _ = failure;
        None
    }

    /// The last elements received by a node, oldest first, for a dashboard that [shows](crate::Builder::show_elements)
    /// them; `None` if the pipeline is unknown or busy. Called on a separate thread.
    fn elements(&self, pipeline: u64, node: u64) -> Option<Vec<Box<dyn Any + Send>>> {
        let _ = (pipeline, node);
        None
    }

    /// Applies an action to the pipeline with this [id](Pipeline::id) and returns a one-line result; `None` if the
    /// pipeline is unknown. Called on a separate thread, where it may block.
    ///
    /// # Errors
    /// The action failed.
    fn control(&self, pipeline: u64, action: Action) -> Option<Result<String, BoxError>> {
        let _ = (pipeline, action);
        None
    }
}

/// Snapshot of a pipeline.
#[derive(Clone, Debug)]
pub struct Pipeline {
    /// Unique id.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Its nodes with their counters; `None` if the pipeline was busy until the time limit.
    pub graph: Option<GraphView>,
}

/// Snapshot of an engine: threads, processes or a cluster.
#[derive(Clone, Debug, Default)]
pub struct Engine {
    /// Its name.
    pub name: String,
    /// Kind of its workers: `"threads"`, `"processes"`.
    pub kind: String,
    /// Number of tasks waiting for a worker or for other tasks.
    pub waiting: u64,
    /// Number of tasks sent to a worker and not finished.
    pub running: u64,
    /// Its workers.
    pub workers: Vec<Worker>,
    /// Number of tasks that exceeded their time limits, if known.
    pub time_limits: Option<u64>,
    /// Number of dead workers, by cause.
    pub deaths: Vec<(String, u64)>,
    /// URL of the engine's own dashboard.
    pub link: Option<String>,
}

/// A worker of an [`Engine`].
#[derive(Clone, Debug, Default)]
pub struct Worker {
    /// Its name, which its replacement inherits.
    pub name: String,
    /// Its process id, if it is a process.
    pub process: Option<u32>,
    /// Tasks that it runs or has queued.
    pub tasks: Vec<Task>,
    /// Its resident memory in bytes, if it is a process.
    pub memory: Option<u64>,
    /// Number of times it was replaced after its death, if known.
    pub restarts: Option<u64>,
    /// Tasks of the last minute, if known.
    pub runs: Vec<Run>,
}

/// One task, or several of the same name in close succession.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// Name of the function.
    pub name: String,
    /// Thread of the worker, from 0; 0 if unknown.
    pub lane: usize,
    /// Time since its start.
    pub began: Duration,
    /// Its duration, until its end or until now.
    pub took: Duration,
    /// Number of tasks.
    pub tasks: u64,
    /// How it ended.
    pub outcome: Outcome,
}

/// Outcome of a [`Run`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outcome {
    /// Not finished.
    Running,
    /// Returned a result.
    #[default]
    Done,
    /// Failed.
    Failed,
    /// Its worker died.
    Killed,
}

impl Outcome {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Killed => "killed",
        }
    }
}

/// A running task.
#[derive(Clone, Debug, Default)]
pub struct Task {
    /// Its name.
    pub name: String,
    /// Time since its start, if known.
    pub ran_for: Option<Duration>,
}

/// Time limit for answers of busy pipelines.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(200);

/// How long latency is measured after each snapshot: longer than the scrape interval of Prometheus.
pub const LATENCY_FOR: Duration = Duration::from_secs(300);

/// A pipeline whose answer is awaited.
struct Pending {
    id: u64,
    name: String,
    answer: Receiver<GraphView>,
}

/// A pipeline passed to `watch`.
struct Watched {
    id: u64,
    name: String,
    ask: Box<dyn Fn() -> Option<Receiver<GraphView>> + Send + Sync>,
    act: Act,
    elements: AskElements,
}

type Kept = Vec<Box<dyn Any + Send>>;

type AskElements = Arc<dyn Fn(u64) -> Receiver<Kept> + Send + Sync>;

type Act = Arc<dyn Fn(Action) -> Option<Result<String, BoxError>> + Send + Sync>;

impl Watched {
    fn new<T: Element>(name: String, stream: &Stream<T>, kept: usize) -> Self {
        let weak: WeakStream<T> = stream.downgrade();
        let (acting, keeping) = (stream.downgrade(), stream.downgrade());
        Self {
            id: stream.node_id(),
            name,
            ask: Box::new(move || {
                // Fails only for an invalid interval.
                let _ = weak.measure_latency(LATENCY_FOR);
                if kept > 0 {
                    weak.keep_elements(kept);
                }
                let (tells, answer) = sync_channel(1);
                let is_there = weak.send_graph_view(move |view| {
                    // The receiver may have given up.
                    let _ = tells.try_send(view);
                });
                is_there.then_some(answer)
            }),
            act: Arc::new(move |action| {
                let stream = acting.upgrade()?;
                Some(control::apply(&stream, action))
            }),
            elements: Arc::new(move |node| {
                let (tells, answer) = sync_channel(1);
                keeping.send_kept_elements(node, move |kept| {
                    // The receiver may have given up.
                    let _ = tells.try_send(kept);
                });
                answer
            }),
        }
    }

    /// Requests the pipeline's state; `None` if the pipeline is gone.
    fn ask(&self) -> Option<Pending> {
        let answer = (self.ask)()?;
        Some(Pending {
            id: self.id,
            name: self.name.clone(),
            answer,
        })
    }
}

/// All pipelines and engines that a dashboard shows.
#[derive(Default)]
pub(crate) struct Observed {
    watched: Mutex<Vec<Watched>>,
    others: Vec<Arc<dyn Observe>>,
    /// Number of elements that each node keeps for display.
    kept: usize,
}

impl Observed {
    pub(crate) fn new(others: Vec<Arc<dyn Observe>>, kept: usize) -> Self {
        Self {
            watched: Mutex::default(),
            kept,
            others,
        }
    }

    /// Adds a stream's pipeline, for as long as it lives.
    pub(crate) fn watch<T: Element>(&self, name: String, stream: &Stream<T>) {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        watched.push(Watched::new(name, stream, self.kept));
    }

    /// The last elements received by a node. Blocks for up to [`ANSWER_TIMEOUT`].
    pub(crate) fn kept_elements(&self, pipeline: u64, node: u64) -> Option<Kept> {
        let watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        let ask = watched.iter().find(|watched| watched.id == pipeline);
        let ask = ask.map(|watched| watched.elements.clone());
        drop(watched);
        match ask {
            Some(ask) => ask(node).recv_timeout(ANSWER_TIMEOUT).ok(),
            None => {
                let mut others = self.others.iter();
                others.find_map(|other| other.elements(pipeline, node))
            }
        }
    }

    /// Controls a pipeline; `None` if it is unknown.
    pub(crate) fn control(
        &self,
        pipeline: u64,
        action: Action,
    ) -> Option<Result<String, BoxError>> {
        let watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        let act = watched.iter().find(|watched| watched.id == pipeline);
        let act = act.map(|watched| watched.act.clone());
        drop(watched);
        match act {
            Some(act) => act(action),
            None => self
                .others
                .iter()
                .find_map(|other| other.control(pipeline, action)),
        }
    }

    /// The current state of everything. Blocks for up to [`ANSWER_TIMEOUT`], plus what `Observe` takes.
    pub(crate) fn snapshot(&self) -> (Vec<Pipeline>, Vec<Engine>) {
        let mut pending = Vec::new();
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        watched.retain(|watched| match watched.ask() {
            Some(one) => {
                pending.push(one);
                true
            }
            None => false,
        });
        drop(watched);
        let mut pipelines = answers(pending);
        let mut engines = Vec::new();
        for other in &self.others {
            pipelines.extend(other.pipelines());
            engines.extend(other.engines());
        }
        (pipelines, engines)
    }
}

/// Collects the answers. All pipelines were asked before the first answer is awaited.
fn answers(pending: Vec<Pending>) -> Vec<Pipeline> {
    let end = Instant::now() + ANSWER_TIMEOUT;
    pending
        .into_iter()
        .map(|Pending { id, name, answer }| {
            let left = end.saturating_duration_since(Instant::now());
            let graph = answer.recv_timeout(left).ok();
            Pipeline { id, name, graph }
        })
        .collect()
}
