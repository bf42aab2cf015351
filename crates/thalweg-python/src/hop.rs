//! Doing something on an event loop's thread, and waiting for it on another.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use crate::emission::{self, Completion};
use crate::event_loop::{EventLoop, is_parallel};
use crate::failure;
use crate::lock::lock;

/// How often a waiting thread looks whether it has been interrupted.
const LOOK: Duration = Duration::from_millis(50);

/// What was begun on the loop.
pub(crate) enum Begun {
    Emit(thalweg::Emit),
    Other(Completion),
}

/// Begins something on the loop's thread, and blocks this one, without the GIL, until it is done.
///
/// # Errors
/// What failed; a signal handler raised, Ctrl-C say; or the loop has ended.
pub(crate) fn wait(
    py: Python<'_>,
    event_loop: &EventLoop,
    begin: impl FnOnce() -> Begun + Send + 'static,
) -> PyResult<()> {
    let answer = Arc::new(Answer::default());
    let promise = Promise(Some(answer.clone()));
    let runs = event_loop.clone();
    event_loop.call(Box::new(move |py| {
        runs.is_awaited();
        let completion = match begin() {
            Begun::Emit(emit) if emit.is_ready() => {
                promise.keep(emission::finished(py, emit));
                return Ok(());
            }
            Begun::Emit(emit) => Box::pin(emit) as Completion,
            Begun::Other(completion) => completion,
        };
        runs.run(async move {
            let result = completion.await;
            promise.keep(Python::attach(|py| {
                result.map_err(|error| failure::raise(py, &error))
            }));
        });
        Ok(())
    }));
    if event_loop.is_driven() {
        return event_loop.drive(py, || answer.take());
    }
    let mut is_first = true;
    loop {
        let look = std::mem::take(&mut is_first);
        let found = py.detach(|| {
            if look {
                answer.look();
            }
            answer.wait()
        });
        if let Some(result) = found {
            return result;
        }
        py.check_signals()?;
        event_loop.check_open(py)?;
    }
}

/// How long a thread looks for its answer before it sleeps: where nothing has to wait, it comes sooner
/// than a thread that sleeps can be woken.
const SPIN: Duration = Duration::from_micros(60);

/// What the waiting thread waits for.
#[derive(Default)]
struct Answer {
    result: Mutex<Option<PyResult<()>>>,
    is_there: AtomicBool,
    arrived: Condvar,
}

impl Answer {
    fn take(&self) -> Option<PyResult<()>> {
        lock(&self.result).take()
    }

    /// Looks for the answer without sleeping, for as long as it would take to be woken.
    fn look(&self) {
        if !is_parallel() {
            return;
        }
        let begin = Instant::now();
        while !self.is_there.load(Ordering::Acquire) && begin.elapsed() < SPIN {
            std::hint::spin_loop();
        }
    }

    /// Waits for a moment.
    fn wait(&self) -> Option<PyResult<()>> {
        let result = lock(&self.result);
        let (mut result, _) = self
            .arrived
            .wait_timeout_while(result, LOOK, |result| result.is_none())
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        result.take()
    }

    fn give(&self, result: PyResult<()>) {
        *lock(&self.result) = Some(result);
        self.is_there.store(true, Ordering::Release);
        self.arrived.notify_one();
    }
}

/// The other end: it gives an answer whatever happens.
struct Promise(Option<Arc<Answer>>);

impl Promise {
    fn keep(mut self, result: PyResult<()>) {
        if let Some(answer) = self.0.take() {
            answer.give(result);
        }
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        if let Some(answer) = self.0.take() {
            answer.give(Err(PyRuntimeError::new_err(
                "the event loop ended before the element had been taken everywhere",
            )));
        }
    }
}
