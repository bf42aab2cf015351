use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use pyo3::exceptions::PyRuntimeError;
use pyo3::exceptions::asyncio::CancelledError;
use pyo3::prelude::*;

use super::CallContext;
use super::pending::{self, Registered};
use crate::calls;
use crate::gil;
use crate::lock::lock;
use crate::upcalls;

/// A Python awaitable as a future of the engine. The first poll starts it, and has to be on the loop's thread.
pub(crate) struct Awaited {
    /// Until it has been started.
    awaitable: Option<Py<PyAny>>,
    /// That of the function which returned it.
    context: Option<CallContext>,
    /// The asyncio future it became, to cancel it when this is dropped.
    future: Option<Py<PyAny>>,
    outcome: Arc<Mutex<Outcome>>,
    registered: Option<Registered>,
}

/// Outcome of an awaitable.
#[derive(Default)]
pub(super) struct Outcome {
    result: Option<PyResult<Py<PyAny>>>,
    waker: Option<Waker>,
}

impl Outcome {
    pub(super) fn give(this: &Mutex<Self>, result: PyResult<Py<PyAny>>) {
        let mut outcome = lock(this);
        outcome.result.get_or_insert(result);
        let waker = outcome.waker.take();
        drop(outcome);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Awaited {
    pub(crate) fn new(awaitable: Bound<'_, PyAny>) -> Self {
        Self {
            context: CallContext::current(awaitable.py()).ok(),
            awaitable: Some(awaitable.unbind()),
            future: None,
            outcome: Arc::default(),
            registered: None,
        }
    }

    /// The awaitable, if it has not been started.
    pub(crate) fn into_awaitable(mut self) -> Option<Py<PyAny>> {
        self.awaitable.take()
    }

    fn start(&mut self, py: Python<'_>, awaitable: &Bound<'_, PyAny>) -> PyResult<()> {
        let begin = upcalls::STREAMS.get(py, "begin_call")?;
        let context = match self.context.take() {
            Some(context) => context,
            None => CallContext::current(py)?,
        };
        calls::enter_in(py, &context)?;
        let future = context.call(&begin, awaitable)?;
        self.registered = Some(pending::register(py, Arc::downgrade(&self.outcome))?);
        let done = Done(self.outcome.clone());
        future.call_method1("add_done_callback", (done,))?;
        self.future = Some(future.unbind());
        Ok(())
    }
}

impl Future for Awaited {
    type Output = PyResult<Py<PyAny>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(awaitable) = self.awaitable.take() {
            let started = gil::attach(|py| self.start(py, awaitable.bind(py)));
            if let Err(error) = started {
                return Poll::Ready(Err(error));
            }
        }
        let mut outcome = lock(&self.outcome);
        match outcome.result.take() {
            Some(result) => Poll::Ready(result),
            None => {
                outcome.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        if let Some(future) = self.future.take()
            && lock(&self.outcome).waker.take().is_some()
        {
            gil::attach(|py| {
                if let Err(error) = future.bind(py).call_method0("cancel") {
                    error.write_unraisable(py, None);
                }
            });
        }
    }
}

/// Called by asyncio when the future is done.
#[pyclass(frozen)]
struct Done(Arc<Mutex<Outcome>>);

#[pymethods]
impl Done {
    fn __call__(&self, future: &Bound<'_, PyAny>) {
        let py = future.py();
        let result = match future.call_method0("result") {
            Err(error) if error.is_instance_of::<CancelledError>(py) => Err(cancelled(py, error)),
            result => result.map(Bound::unbind),
        };
        Outcome::give(&self.0, result);
    }
}

/// A cancelled call fails its element; it does not cancel whoever waits for the element.
fn cancelled(py: Python<'_>, error: PyErr) -> PyErr {
    let failure = PyRuntimeError::new_err("the call was cancelled");
    failure.set_cause(py, Some(error));
    failure
}
