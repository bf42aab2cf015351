//! What `emit` returns where nothing may block: an awaitable.

use std::future::Future;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

use pyo3::prelude::*;
use pyo3::types::PyTuple;
use thalweg::{Emit, Error};

use crate::event_loop::EventLoop;
use crate::lock::lock;
use crate::{failure, interrupt};

/// Something of the engine's to wait for.
pub(crate) type Completion = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

/// The completion of an `emit`, or of a `drain`, on an event loop: await it.
///
/// The element is on its way already. If nothing downstream had to wait, it is done from the start.
#[pyclass(frozen, module = "thalweg._thalweg")]
pub(crate) struct Emission(Mutex<State>);

enum State {
    Done,
    Waiting(Waiting, EventLoop),
    /// The asyncio future it became when somebody asked for it.
    Future(Py<PyAny>),
}

enum Waiting {
    Emit(Emit),
    Other(Completion),
}

impl Emission {
    /// The completion of an emission on `event_loop`.
    ///
    /// # Errors
    /// It has failed already.
    #[inline]
    pub(crate) fn of(py: Python<'_>, emit: Emit, event_loop: &EventLoop) -> PyResult<Py<PyAny>> {
        if emit.is_ready() {
            finished(py, emit)?;
            return Ok(event_loop.done(py));
        }
        Self::waiting(py, Waiting::Emit(emit), event_loop)
    }

    /// Something else to wait for, a drain say.
    ///
    /// # Errors
    /// It has failed already.
    pub(crate) fn of_completion(
        py: Python<'_>,
        mut completion: Completion,
        event_loop: &EventLoop,
    ) -> PyResult<Py<PyAny>> {
        let mut cx = Context::from_waker(Waker::noop());
        match completion.as_mut().poll(&mut cx) {
            Poll::Ready(result) => {
                result.map_err(|error| failure::raise(py, &error))?;
                Ok(event_loop.done(py))
            }
            Poll::Pending => Self::waiting(py, Waiting::Other(completion), event_loop),
        }
    }

    fn waiting(py: Python<'_>, waiting: Waiting, event_loop: &EventLoop) -> PyResult<Py<PyAny>> {
        let state = State::Waiting(waiting, event_loop.clone());
        Ok(Bound::new(py, Self(Mutex::new(state)))?.into_any().unbind())
    }

    /// Makes the element that a function is working on wait for this one, if nobody has asked for
    /// it in another way; whether it does.
    pub(crate) fn wait_within(&self) -> bool {
        let mut state = lock(&self.0);
        match std::mem::replace(&mut *state, State::Done) {
            State::Done => true,
            State::Waiting(Waiting::Emit(emit), event_loop) => match emit.wait_within() {
                Ok(()) => true,
                Err(emit) => {
                    *state = State::Waiting(Waiting::Emit(emit), event_loop);
                    false
                }
            },
            other => {
                *state = other;
                false
            }
        }
    }

    /// The asyncio future to wait for; `None` if it is done.
    fn future(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        let mut state = lock(&self.0);
        match std::mem::replace(&mut *state, State::Done) {
            State::Done => Ok(None),
            State::Future(future) => {
                *state = State::Future(future.clone_ref(py));
                Ok(Some(future))
            }
            State::Waiting(waiting, event_loop) => {
                let future = event_loop
                    .object(py)
                    .bind(py)
                    .call_method0("create_future")?
                    .unbind();
                *state = State::Future(future.clone_ref(py));
                drop(state);
                let target = future.clone_ref(py);
                event_loop.run(async move {
                    let result = match waiting {
                        Waiting::Emit(emit) => emit.await,
                        Waiting::Other(completion) => completion.await,
                    };
                    Python::attach(|py| resolve(target.bind(py), result));
                });
                Ok(Some(future))
            }
        }
    }
}

/// Ends an asyncio future, unless whoever waited has cancelled it.
fn resolve(future: &Bound<'_, PyAny>, result: Result<(), Error>) {
    let py = future.py();
    let resolved = (|| {
        if future.call_method0("done")?.is_truthy()? {
            return match result {
                Ok(()) => Ok(()),
                Err(error) => Err(failure::raise(py, &error)),
            };
        }
        match result {
            Ok(()) => future.call_method1("set_result", (py.None(),))?,
            Err(error) => {
                let error = failure::raise(py, &error);
                future.call_method1("set_exception", (failure::value_of(py, &error),))?
            }
        };
        Ok::<_, PyErr>(())
    })();
    if let Err(error) = resolved {
        error.write_unraisable(py, Some(future));
    }
}

/// The result of an emission that is done.
///
/// # Errors
/// What failed.
#[inline]
pub(crate) fn finished(py: Python<'_>, emit: Emit) -> PyResult<()> {
    let result = emit.wait();
    interrupt::check()?;
    result.map_err(|error| failure::raise(py, &error))
}

#[pymethods]
impl Emission {
    fn __await__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self.future(py)? {
            None => Ok(PyTuple::empty(py).try_iter()?.into_any()),
            Some(future) => future.bind(py).call_method0("__await__"),
        }
    }

    /// The same, for coroutines in Tornado's style.
    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.__await__(py)
    }

    /// Whether waiting would return at once.
    fn done(&self, py: Python<'_>) -> PyResult<bool> {
        match &*lock(&self.0) {
            State::Done => Ok(true),
            State::Waiting(Waiting::Emit(emit), _) => Ok(emit.is_ready()),
            State::Waiting(..) => Ok(false),
            State::Future(future) => future.bind(py).call_method0("done")?.is_truthy(),
        }
    }

    /// Has `callback` called with this once it is done.
    fn add_done_callback(slf: &Bound<'_, Self>, callback: &Bound<'_, PyAny>) -> PyResult<()> {
        match slf.get().future(slf.py())? {
            Some(future) => {
                future
                    .bind(slf.py())
                    .call_method1("add_done_callback", (callback,))?;
            }
            None => {
                callback.call1((slf,))?;
            }
        }
        Ok(())
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<&'static str> {
        Ok(if self.done(py)? {
            "<Emission: done>"
        } else {
            "<Emission: waiting>"
        })
    }
}

/// Nobody has asked for it: inside a function, the element being worked on waits for it, which is what
/// a function that emits and returns nothing means.
impl Drop for Emission {
    fn drop(&mut self) {
        self.wait_within();
    }
}
