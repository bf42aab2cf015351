//! The pipelines and engines that a dashboard shows.

use std::any::Any;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use thalweg::view::GraphView;
use thalweg::{BoxError, Element, Failure, Stream, WeakStream};

use crate::control::{self, Action};
use crate::failures::Cause;

/// Pipelines and engines that a dashboard shows. Its methods are called while somebody looks, on a thread that may wait a
/// little.
pub trait Observe: Send + Sync + 'static {
    /// The pipelines there are.
    fn pipelines(&self) -> Vec<Pipeline> {
        Vec::new()
    }

    /// The engines there are, and what they do.
    fn engines(&self) -> Vec<Engine> {
        Vec::new()
    }

    /// Description of a failure, if not the text of its error. Called where the function failed.
    fn describe(&self, failure: &Failure) -> Option<Cause> {
        let _ = failure;
        None
    }

    /// The last elements that came to a node of a pipeline, oldest first, for a dashboard that
    /// [shows](crate::Builder::show_elements) them; `None` if the pipeline is unknown here or busy. Called on a thread of its
    /// own.
    fn elements(&self, pipeline: u64, node: u64) -> Option<Vec<Box<dyn Any + Send>>> {
        let _ = (pipeline, node);
        None
    }

    /// Controls the pipeline with an [id](Pipeline::id), and returns a line that says what was done; `None` if the pipeline
    /// is unknown here. Called on a thread of its own, and may block.
    ///
    /// # Errors
    /// It could not be done.
    fn control(&self, pipeline: u64, action: Action) -> Option<Result<String, BoxError>> {
        let _ = (pipeline, action);
        None
    }
}

/// A pipeline at the moment.
#[derive(Clone, Debug)]
pub struct Pipeline {
    /// A number that no other pipeline has.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Its nodes with their counters; `None` if somebody was at work in it for as long as one could wait.
    pub graph: Option<GraphView>,
}

/// An engine at the moment: threads, processes or a cluster.
#[derive(Clone, Debug, Default)]
pub struct Engine {
    /// Its name.
    pub name: String,
    /// What its workers are: `"threads"`, `"processes"`.
    pub kind: String,
    /// Number of tasks that wait, for a worker or for other tasks.
    pub waiting: u64,
    /// Number of tasks that run, or are with a worker.
    pub running: u64,
    /// Its workers.
    pub workers: Vec<Worker>,
    /// Number of tasks that exceeded their time limits, if known.
    pub time_limits: Option<u64>,
    /// Number of workers that died, by cause.
    pub deaths: Vec<(String, u64)>,
    /// URL of a page with more about it.
    pub link: Option<String>,
}

/// A worker of an [`Engine`].
#[derive(Clone, Debug, Default)]
pub struct Worker {
    /// Its name. A worker that replaces it has the same name.
    pub name: String,
    /// Its process id, if it is a process.
    pub process: Option<u32>,
    /// Tasks that it runs or holds.
    pub tasks: Vec<Task>,
    /// Its resident memory in bytes, if it is a process.
    pub memory: Option<u64>,
    /// How often it was replaced because it died or was killed, if known.
    pub restarts: Option<u64>,
    /// Tasks that it ran in the last minute, if known.
    pub runs: Vec<Run>,
}

/// A task that ran, or several of the same name in close succession.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// Name of what ran, such as a function.
    pub name: String,
    /// Thread of the worker, from 0, if known.
    pub lane: usize,
    /// How long ago it began.
    pub began: Duration,
    /// Its duration, until its end or until now.
    pub took: Duration,
    /// Number of tasks.
    pub tasks: u64,
    /// How it ended.
    pub outcome: Outcome,
}

/// How a [`Run`] ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outcome {
    /// It has not ended.
    Running,
    /// It returned.
    #[default]
    Done,
    /// It failed.
    Failed,
    /// Its worker died while it ran.
    Killed,
}

impl Outcome {
    /// One word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Killed => "killed",
        }
    }
}

/// A task that runs.
#[derive(Clone, Debug, Default)]
pub struct Task {
    /// Its name.
    pub name: String,
    /// How long it has run, if known.
    pub ran_for: Option<Duration>,
}

/// How long to wait for busy pipelines.
const PATIENCE: Duration = Duration::from_millis(200);

/// How long latency is measured after a look: longer than the interval at which Prometheus looks.
pub const LATENCY_FOR: Duration = Duration::from_secs(300);

/// A pipeline whose answer is awaited.
struct Asked {
    id: u64,
    name: String,
    answer: Receiver<GraphView>,
}

/// A pipeline that a dashboard was told to show.
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
                // It fails only for a time that is no length.
                let _ = weak.measure_latency(LATENCY_FOR);
                if kept > 0 {
                    weak.keep_elements(kept);
                }
                let (tells, answer) = sync_channel(1);
                let is_there = weak.send_graph_view(move |view| {
                    // Nobody may be waiting for it any more.
                    let _ = tells.try_send(view);
                });
                is_there.then_some(answer)
            }),
            act: Arc::new(move |action| {
                let stream = acting.upgrade()?;
                Some(control::act(&stream, action))
            }),
            elements: Arc::new(move |node| {
                let (tells, answer) = sync_channel(1);
                keeping.send_kept_elements(node, move |kept| {
                    // Nobody may be waiting for it any more.
                    let _ = tells.try_send(kept);
                });
                answer
            }),
        }
    }

    /// Asks for the pipeline's state; `None` if it is gone.
    fn ask(&self) -> Option<Asked> {
        let answer = (self.ask)()?;
        Some(Asked {
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
    /// How many elements nodes keep to be shown.
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

    /// The last elements that came to a node. May wait a little.
    pub(crate) fn kept_elements(&self, pipeline: u64, node: u64) -> Option<Kept> {
        let watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        let ask = watched.iter().find(|watched| watched.id == pipeline);
        let ask = ask.map(|watched| watched.elements.clone());
        drop(watched);
        match ask {
            Some(ask) => ask(node).recv_timeout(PATIENCE).ok(),
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

    /// The current state of all. May wait a little.
    pub(crate) fn look(&self) -> (Vec<Pipeline>, Vec<Engine>) {
        let mut asked = Vec::new();
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        watched.retain(|watched| match watched.ask() {
            Some(one) => {
                asked.push(one);
                true
            }
            None => false,
        });
        drop(watched);
        let mut pipelines = answers(asked);
        let mut engines = Vec::new();
        for other in &self.others {
            pipelines.extend(other.pipelines());
            engines.extend(other.engines());
        }
        (pipelines, engines)
    }
}

/// The answers of pipelines. All of them were asked before the first answer is awaited.
fn answers(asked: Vec<Asked>) -> Vec<Pipeline> {
    let end = Instant::now() + PATIENCE;
    asked
        .into_iter()
        .map(|Asked { id, name, answer }| {
            let left = end.saturating_duration_since(Instant::now());
            let graph = answer.recv_timeout(left).ok();
            Pipeline { id, name, graph }
        })
        .collect()
}
