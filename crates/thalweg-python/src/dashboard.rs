//! The dashboard of this process.

use std::any::Any;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use pyo3::exceptions::{PyOSError, PyRuntimeError};
use pyo3::prelude::*;
use thalweg::view::GraphView;
use thalweg::{BoxError, Failure};
use thalweg_dashboard::{
    Action, Builder, Cause, Engine, LATENCY_FOR, Observe, Outcome, Pipeline, Run, Task, Worker,
};

use crate::failure;
use crate::gil;
use crate::lock::lock;
use crate::node::Node;
use crate::node::picture::visible;
use crate::node::traverse::objects_in;
use crate::upcalls::VIEW;

/// Time limit for answers of busy pipelines.
const PATIENCE: Duration = Duration::from_millis(200);

/// A running dashboard.
#[pyclass(frozen, module = "thalweg._thalweg")]
pub(crate) struct Dashboard(Mutex<Option<thalweg_dashboard::Dashboard>>);

#[pymethods]
impl Dashboard {
    /// Serves a dashboard at a port, or at the next free one.
    #[new]
    fn new(
        py: Python<'_>,
        host: &str,
        port: u16,
        hosts: Vec<String>,
        allow_control: bool,
        show_elements: usize,
    ) -> PyResult<Self> {
        let process = Process {
            kept: show_elements,
        };
        let mut builder = Builder::new()
            .observe(process)
            .show_elements(show_elements, describe_element);
        if allow_control {
            builder = builder.allow_control();
        }
        for name in hosts {
            builder = builder.host(name);
        }
        let served = gil::detach(py, || builder.serve((host, port)));
        match served {
            Ok(dashboard) => Ok(Self(Mutex::new(Some(dashboard)))),
            Err(error) => Err(PyOSError::new_err(error.to_string())),
        }
    }

    /// Its port; `None` once it is closed.
    #[getter]
    fn port(&self) -> Option<u16> {
        let dashboard = lock(&self.0);
        dashboard.as_ref().map(|dashboard| dashboard.addr().port())
    }

    /// URL to open in a browser; `None` once it is closed.
    #[getter]
    fn link(&self) -> Option<String> {
        lock(&self.0).as_ref().map(|dashboard| dashboard.link())
    }

    /// Token that authorizes control; `None` without control, or once it is closed.
    #[getter]
    fn token(&self) -> Option<String> {
        let dashboard = lock(&self.0);
        dashboard.as_ref()?.token().map(str::to_string)
    }

    /// URL to open in a browser, with the token.
    #[getter]
    fn control_link(&self) -> Option<String> {
        lock(&self.0).as_ref()?.control_link()
    }

    /// Stops the dashboard.
    fn close(&self, py: Python<'_>) {
        let dashboard = lock(&self.0).take();
        gil::detach(py, || drop(dashboard));
    }
}

/// Metrics of this process, for a program with its own endpoint.
#[pyclass(frozen, module = "thalweg._thalweg")]
pub(crate) struct Metrics(thalweg_dashboard::Metrics);

#[pymethods]
impl Metrics {
    #[new]
    fn new() -> Self {
        Self(thalweg_dashboard::Metrics::new(Process::default()))
    }

    /// All metrics in the OpenMetrics format.
    fn text(&self, py: Python<'_>) -> PyResult<String> {
        let text = gil::detach(py, || self.0.text());
        text.map_err(unwritten)
    }

    /// Names and descriptions of all metrics, without values.
    #[staticmethod]
    fn descriptions() -> PyResult<String> {
        thalweg_dashboard::Metrics::descriptions().map_err(unwritten)
    }
}

fn unwritten(error: std::fmt::Error) -> PyErr {
    PyRuntimeError::new_err(format!("the metrics could not be written: {error}"))
}

/// Pipelines and engines of this process.
#[derive(Default)]
struct Process {
    /// Number of elements that each node keeps for display.
    kept: usize,
}

/// A pipeline whose answer is awaited.
struct Asked {
    name: String,
    id: u64,
    made: Vec<(u64, bool)>,
    answer: Receiver<GraphView>,
}

impl Observe for Process {
    fn pipelines(&self) -> Vec<Pipeline> {
        let asked = gil::attach(|py| ask(py, self.kept).unwrap_or_else(|error| told(py, error)));
        // Without the GIL: threads inside the pipelines may need it.
        let end = Instant::now() + PATIENCE;
        let answered = asked.into_iter().map(|asked| {
            let left = end.saturating_duration_since(Instant::now());
            let graph = asked.answer.recv_timeout(left).ok();
            Pipeline {
                id: asked.id,
                name: asked.name,
                graph: graph.map(|graph| visible(graph, &asked.made)),
            }
        });
        answered.collect()
    }

    fn engines(&self) -> Vec<Engine> {
        gil::attach(|py| engines(py).unwrap_or_else(|error| told(py, error)))
    }

    fn elements(&self, pipeline: u64, node: u64) -> Option<Vec<Box<dyn Any + Send>>> {
        // Copying references to objects needs the GIL.
        let answer = gil::attach(|py| {
            let found = find(py, pipeline).unwrap_or_else(|error| told(py, error))?;
            let (tells, answer) = sync_channel(1);
            found
                .get()
                .parts()
                .ok()?
                .out
                .send_kept_elements(node, move |kept| {
                    // The receiver may have given up.
                    let _ = tells.try_send(kept);
                });
            Some(answer)
        });
        answer?.recv_timeout(PATIENCE).ok()
    }

    fn control(&self, pipeline: u64, action: Action) -> Option<Result<String, BoxError>> {
        gil::attach(|py| {
            let node = match find(py, pipeline) {
                Ok(node) => node?,
                Err(error) => return Some(Err(error.into())),
            };
            let done = VIEW.call(py, "control", (node, action.as_str()));
            Some(done.and_then(|done| done.extract()).map_err(BoxError::from))
        })
    }

    fn describe(&self, failure: &Failure) -> Option<Cause> {
        let error = failure.cause().downcast_ref::<PyErr>()?;
        gil::attach(|py| {
            let error = failure::value_of(py, error);
            let texts = VIEW.call(py, "describe_failure", (error,));
            let texts = texts.and_then(|texts| texts.extract::<(String, String, String)>());
            let (kind, summary, details) = texts.unwrap_or_else(|error| told(py, error));
            Some(Cause {
                kind,
                summary,
                details,
            })
        })
    }
}

/// Reports an exception raised in Python while taking a snapshot, and returns nothing.
fn told<T: Default>(py: Python<'_>, error: PyErr) -> T {
    error.write_unraisable(py, None);
    T::default()
}

/// Text of an element, by its own `__repr__`. Called on a thread that nothing waits for.
fn describe_element(element: &dyn Any) -> Option<String> {
    gil::attach(|py| {
        let mut objects = Vec::new();
        objects_in(element, &mut |object| objects.push(object.clone_ref(py)));
        let told = match &objects[..] {
            [] => return None,
            [object] => VIEW.call(py, "describe_element", (object,)),
            several => VIEW.call(
                py,
                "describe_element",
                (several
                    .iter()
                    .map(|object| object.clone_ref(py))
                    .collect::<Vec<_>>(),),
            ),
        };
        let told = told.and_then(|told| told.extract());
        Some(told.unwrap_or_else(|error| self::told(py, error)))
    })
}

/// A node of the pipeline with this id.
fn find(py: Python<'_>, pipeline: u64) -> PyResult<Option<Py<Node>>> {
    let found: Vec<(String, Py<Node>)> = VIEW.call(py, "pipelines", ())?.extract()?;
    let mut nodes = found.into_iter().map(|(_, node)| node);
    let is_it = |node: &Py<Node>| {
        let parts = node.get().parts();
        parts.is_ok_and(|parts| parts.inlet.id() == pipeline)
    };
    Ok(nodes.find(is_it))
}

/// Sends requests to all pipelines. Waits for none: a thread inside a pipeline answers when it leaves.
fn ask(py: Python<'_>, kept: usize) -> PyResult<Vec<Asked>> {
    let found: Vec<(String, Py<Node>)> = VIEW.call(py, "pipelines", ())?.extract()?;
    let mut asked = Vec::with_capacity(found.len());
    for (name, node) in found {
        let Ok(parts) = node.get().parts() else {
            continue;
        };
        // Fails only for an invalid interval.
        let _ = parts.out.measure_latency(LATENCY_FOR);
        if kept > 0 {
            parts.out.keep_elements(kept);
        }
        let (tells, answer) = sync_channel(1);
        parts.out.send_graph_view(move |view| {
            // The receiver may have given up.
            let _ = tells.try_send(view);
        });
        asked.push(Asked {
            name,
            id: parts.inlet.id(),
            made: parts.pipeline().ids(),
            answer,
        });
    }
    Ok(asked)
}

/// An engine as described by Python.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct Told {
    name: String,
    kind: String,
    waiting: u64,
    running: u64,
    workers: Vec<ToldWorker>,
    time_limits: u64,
    deaths: Vec<(String, u64)>,
    link: Option<String>,
}

#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct ToldWorker {
    name: String,
    process: Option<u32>,
    tasks: Vec<(String, Option<f64>)>,
    memory: Option<u64>,
    restarts: Option<u64>,
    runs: Vec<ToldRun>,
}

/// Thread number, name, seconds since the start, duration in seconds, number of tasks, and outcome.
type ToldRun = (usize, String, f64, f64, u64, String);

fn engines(py: Python<'_>) -> PyResult<Vec<Engine>> {
    let told: Vec<Told> = VIEW.call(py, "engines", ())?.extract()?;
    let engines = told.into_iter().map(|engine| Engine {
        name: engine.name,
        kind: engine.kind,
        waiting: engine.waiting,
        running: engine.running,
        workers: engine.workers.into_iter().map(worker).collect(),
        time_limits: Some(engine.time_limits),
        deaths: engine.deaths,
        link: engine.link,
    });
    Ok(engines.collect())
}

fn run((lane, name, began, took, tasks, outcome): ToldRun) -> Run {
    let seconds = |time| Duration::try_from_secs_f64(time).unwrap_or_default();
    Run {
        name,
        lane,
        began: seconds(began),
        took: seconds(took),
        tasks,
        outcome: match &*outcome {
            "running" => Outcome::Running,
            "failed" => Outcome::Failed,
            "killed" => Outcome::Killed,
            _ => Outcome::Done,
        },
    }
}

fn worker(told: ToldWorker) -> Worker {
    let tasks = told.tasks.into_iter().map(|(name, time)| Task {
        name,
        ran_for: time.and_then(|time| Duration::try_from_secs_f64(time).ok()),
    });
    Worker {
        name: told.name,
        process: told.process,
        tasks: tasks.collect(),
        runs: told.runs.into_iter().map(run).collect(),
        memory: told.memory,
        restarts: told.restarts,
    }
}
