//! Engines of streams. Those in this file run in threads of this process.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use thalweg_tasks::Failure;
use thalweg_tasks::host::{Options, spec};
use thalweg_tasks::parallel::{self, Over, Runner};

use super::remote::{Batching, Foreign, Processes};
use super::step::{Failed, Objects};
use crate::lock::lock;
use crate::tasks::{Engine, Program, Turn, errors};
use crate::{call, gil};

/// The queue shared by all streams of an engine.
#[pyclass(frozen, weakref, module = "thalweg._thalweg.parallel")]
pub(crate) struct Queue(pub(super) Arc<parallel::Queue<Objects>>);

#[pymethods]
impl Queue {
    /// For the embedded engine's threads.
    #[staticmethod]
    fn of_threads(engine: Bound<'_, Engine>) -> Self {
        Self(parallel::Queue::new(Threads(engine.unbind())))
    }

    /// For an executor that runs calls in this number of threads of this process: `submit(call)` submits one.
    #[staticmethod]
    fn of_executor(submit: Bound<'_, PyAny>, width: usize) -> Self {
        Self(parallel::Queue::new(Executor {
            submit: submit.unbind(),
            width,
            refusal: Mutex::default(),
        }))
    }

    /// For the embedded engine's worker processes.
    #[staticmethod]
    fn of_processes(engine: Bound<'_, Engine>) -> Self {
        Self(parallel::Queue::batched(Batching::new(Processes::new(
            engine,
        ))))
    }

    /// For anything else: `transport.send(call, done, limit)` runs `run(call)` somewhere and calls `done(result,
    /// error)`; `transport.width` is the number of concurrent calls.
    #[staticmethod]
    fn of_transport(transport: Bound<'_, PyAny>) -> Self {
        Self(parallel::Queue::batched(Batching::new(Foreign(
            transport.unbind(),
        ))))
    }

    /// How many elements a node that waits for their values takes.
    fn places(&self, is_buffered: bool) -> usize {
        self.0.places(is_buffered)
    }

    /// Whether no work is pending.
    fn is_idle(&self) -> bool {
        self.0.is_idle()
    }
}

/// The embedded engine's threads.
struct Threads(Py<Engine>);

impl parallel::Engine<Objects> for Threads {
    fn width(&self) -> usize {
        self.0.get().threads_at_a_time()
    }

    fn start(&self, runner: Runner<Objects>, limit: Option<(Duration, Over<Objects>)>) {
        let task_engine = &self.0.get().task_engine;
        let (limit, over) = limit.unzip();
        let options = limit.map(|limit| {
            Arc::new(Options {
                time_limit: Some(limit),
                ..Options::default()
            })
        });
        let run = move |py: Python<'_>, turn: &mut Turn| runner.run(|| turn.yield_if_over(py));
        let slot = task_engine.submit(spec(Program::stream(run), Vec::new(), options));
        task_engine.keep(&slot);
        if let Some(over) = over {
            let task = slot.clone();
            slot.notify(move || match task.failure().as_deref() {
                None => {}
                Some(Failure::TimedOut(_)) => over(None),
                Some(_) => over(Some(lost())),
            });
        }
    }

    fn lost(&self) -> Arc<Failed> {
        lost()
    }
}

pub(super) fn lost() -> Arc<Failed> {
    Failed::new(gil::attach(errors::closed), None, None)
}

/// An executor of `concurrent.futures`.
struct Executor {
    submit: Py<PyAny>,
    width: usize,
    /// The exception with which it refused a call.
    refusal: Mutex<Option<PyErr>>,
}

impl parallel::Engine<Objects> for Executor {
    fn width(&self) -> usize {
        self.width
    }

    fn start(&self, runner: Runner<Objects>, _: Option<(Duration, Over<Objects>)>) {
        let refused = gil::attach(|py| {
            let work = match Bound::new(py, Work(Mutex::new(Some(runner)))) {
                Ok(work) => work,
                Err(error) => {
                    *lock(&self.refusal) = Some(error);
                    return None;
                }
            };
            let refusal = call::one(self.submit.bind(py), work.as_any()).err()?;
            // The exception keeps references to the submitted objects.
            let refused = lock(&work.get().0).take();
            *lock(&self.refusal) = Some(refusal);
            refused
        });
        drop(refused);
    }

    fn lost(&self) -> Arc<Failed> {
        let error = gil::attach(|py| {
            let refusal = lock(&self.refusal);
            match &*refusal {
                Some(error) => error.clone_ref(py),
                None => PyRuntimeError::new_err(
                    "the executor was shut down before the element was done",
                ),
            }
        });
        Failed::new(error, None, None)
    }
}

/// Callable for an executor.
#[pyclass(frozen, module = "thalweg._thalweg.parallel")]
pub(crate) struct Work(Mutex<Option<Runner<Objects>>>);

#[pymethods]
impl Work {
    fn __call__(&self, py: Python<'_>) {
        let runner = lock(&self.0).take();
        if let Some(runner) = runner {
            let mut turn = Turn::begin();
            gil::unawaited(|| runner.run(|| turn.yield_if_over(py)));
        }
    }
}
