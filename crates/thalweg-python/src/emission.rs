//! The awaitable that `emit` returns where nothing may block.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use thalweg::{Emit, Error};

use crate::event_loop::{self, EventLoop};
use crate::lock::lock;
use crate::run_on_loop::CrossThread;
use crate::{calls, failure, gil, interrupt};

/// A completion in the engine.
pub(crate) type Completion = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

/// Completion of an `emit` or a `drain` on an event loop: await it.
///
/// The element is already in flight. If nothing downstream had to wait, this is done from the start.
#[pyclass(frozen, module = "thalweg._thalweg")]
pub(crate) struct Emission(Mutex<State>);

enum State {
    Done,
    /// With its event loop, if there is one.
    Waiting(Waiting, Option<EventLoop>),
    /// The asyncio future it became when it was first awaited.
    Future(Py<PyAny>),
}

pub(crate) enum Waiting {
    Emit(Emit),
    /// Several emissions, or one with a time limit.
    Batch(Completion),
    Other(Completion),
    /// Begun on another thread.
    CrossThread(CrossThread),
}

impl Emission {
    /// The completion of an emission on `event_loop`, or without a loop.
    ///
    /// # Errors
    /// The emission has failed.
    #[inline]
    pub(crate) fn of(
        py: Python<'_>,
        emit: Emit,
        event_loop: Option<&EventLoop>,
    ) -> PyResult<Py<PyAny>> {
        if emit.is_ready() {
            finished(py, emit)?;
            return Self::done(py, event_loop);
        }
        Self::waiting(py, Waiting::Emit(emit), event_loop)
    }

    /// The completion of something else, such as a drain.
    ///
    /// # Errors
    /// It has failed.
    pub(crate) fn of_completion(
        py: Python<'_>,
        mut completion: Completion,
        waiting: fn(Completion) -> Waiting,
        event_loop: Option<&EventLoop>,
    ) -> PyResult<Py<PyAny>> {
        let mut cx = Context::from_waker(Waker::noop());
        match completion.as_mut().poll(&mut cx) {
            Poll::Ready(result) => {
                interrupt::check()?;
                result.map_err(|error| failure::raise(py, &error))?;
                Self::done(py, event_loop)
            }
            Poll::Pending => Self::waiting(py, waiting(completion), event_loop),
        }
    }

    /// The completion of an emission begun on another thread.
    pub(crate) fn cross_thread(py: Python<'_>, emission: CrossThread) -> PyResult<Py<PyAny>> {
        Self::waiting(py, Waiting::CrossThread(emission), None)
    }

    /// A finished completion.
    pub(crate) fn done(py: Python<'_>, event_loop: Option<&EventLoop>) -> PyResult<Py<PyAny>> {
        match event_loop {
            Some(event_loop) if !event_loop.is_guess() => Ok(event_loop.done(py)),
            _ => Self::create(py, State::Done),
        }
    }

    fn waiting(
        py: Python<'_>,
        waiting: Waiting,
        event_loop: Option<&EventLoop>,
    ) -> PyResult<Py<PyAny>> {
        interrupt::check()?;
        Self::create(py, State::Waiting(waiting, event_loop.cloned()))
    }

    fn create(py: Python<'_>, state: State) -> PyResult<Py<PyAny>> {
        Ok(Bound::new(py, Self(Mutex::new(state)))?.into_any().unbind())
    }

    /// Makes the element that the running function is working on wait for this one, unless this one was awaited in
    /// another way; returns whether it does.
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
        let event_loop = match &*lock(&self.0) {
            State::Done => return Ok(None),
            State::Future(future) => return Ok(Some(future.clone_ref(py))),
            State::Waiting(_, event_loop) => event_loop.clone(),
        };
        // Not under the lock: Python may switch threads here, and another thread may ask for the future too.
        let event_loop = Self::waits_on(py, event_loop.as_ref())?;
        let future = event_loop
            .object(py)
            .bind(py)
            .call_method0("create_future")?
            .unbind();
        let Some(waiting) = self.become_future(py, &future) else {
            return self.future(py);
        };
        let target = future.clone_ref(py);
        let given_up = GivenUp::default();
        future.call_method1(py, "add_done_callback", (given_up.clone(),))?;
        let wait = async move {
            let raised = |error| gil::attach(|py| failure::raise(py, &error));
            let result = match waiting {
                Waiting::Emit(emit) => given_up.or(emit).await.map(|r| r.map_err(raised)),
                Waiting::Batch(all) => given_up.or(all).await.map(|r| r.map_err(raised)),
                Waiting::Other(completion) => Some(completion.await.map_err(raised)),
                Waiting::CrossThread(emission) => given_up.or(emission).await,
            };
            let Some(result) = result else {
                return;
            };
            gil::attach(|py| resolve(target.bind(py), result));
        };
        match calls::current(py)? {
            Some(call) => event_loop.run(call.scope(wait)),
            None => event_loop.run(wait),
        }
        Ok(Some(future))
    }

    /// Turns a waiting emission into one with a future, and returns its completion; `None` if it is not waiting.
    fn become_future(&self, py: Python<'_>, future: &Py<PyAny>) -> Option<Waiting> {
        let mut state = lock(&self.0);
        match std::mem::replace(&mut *state, State::Done) {
            State::Waiting(waiting, _) => {
                *state = State::Future(future.clone_ref(py));
                Some(waiting)
            }
            other => {
                *state = other;
                None
            }
        }
    }

    /// The loop to await on: the one that runs on this thread, or else the emission's own.
    fn waits_on(py: Python<'_>, event_loop: Option<&EventLoop>) -> PyResult<EventLoop> {
        let running = event_loop::running(py)?;
        match (running, event_loop) {
            (Some(running), Some(event_loop)) if event_loop.is(&running) => Ok(event_loop.clone()),
            (Some(running), _) => EventLoop::of(&running),
            (None, Some(event_loop)) => Ok(event_loop.clone()),
            (None, None) => Err(PyRuntimeError::new_err(
                "there is no running event loop to await this on",
            )),
        }
    }
}

/// Called by asyncio when the future is done: withdraws the element if the future was cancelled.
#[pyclass(frozen)]
#[derive(Clone, Default)]
pub(crate) struct GivenUp(Arc<Mutex<Cancelled>>);

#[derive(Default)]
struct Cancelled {
    is_cancelled: bool,
    waker: Option<Waker>,
    /// Drops the completion, unless it is being polled.
    withdraw: Option<Box<dyn FnOnce() + Send>>,
}

impl GivenUp {
    /// Waits for an emission until it is given up. Dropping the emission withdraws its elements.
    pub(crate) async fn or<R>(
        self,
        emit: impl Future<Output = R> + Unpin + Send + 'static,
    ) -> Option<R> {
        let emit = Arc::new(Mutex::new(Some(emit)));
        let withdrawn = emit.clone();
        lock(&self.0).withdraw = Some(Box::new(move || {
            let taken = withdrawn.try_lock().map(|mut emit| emit.take());
            drop(taken);
        }));
        std::future::poll_fn(|cx| {
            let mut cancelled = lock(&self.0);
            if cancelled.is_cancelled {
                return Poll::Ready(None);
            }
            cancelled.waker = Some(cx.waker().clone());
            drop(cancelled);
            match lock(&emit).as_mut() {
                Some(emit) => Pin::new(emit).poll(cx).map(Some),
                None => Poll::Ready(None),
            }
        })
        .await
    }

    /// Wakes the task that polls the emission, which then drops it.
    pub(crate) fn give_up(&self) {
        let mut cancelled = lock(&self.0);
        cancelled.is_cancelled = true;
        let waker = cancelled.waker.take();
        drop(cancelled);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

#[pymethods]
impl GivenUp {
    /// On the loop's thread, a withdrawn element is dropped before the caller goes on.
    fn __call__(&self, future: &Bound<'_, PyAny>) -> PyResult<()> {
        let withdraw = lock(&self.0).withdraw.take();
        if future.call_method0("cancelled")?.is_truthy()? {
            if let Some(withdraw) = withdraw {
                withdraw();
            }
            self.give_up();
        }
        Ok(())
    }
}

/// Resolves an asyncio future, unless it was cancelled.
fn resolve(future: &Bound<'_, PyAny>, result: PyResult<()>) {
    let py = future.py();
    let resolved = (|| {
        if future.call_method0("done")?.is_truthy()? {
            return result;
        }
        match &result {
            Ok(()) => future.call_method1("set_result", (py.None(),))?,
            Err(error) => {
                future.call_method1("set_exception", (failure::value_for_future(py, error),))?
            }
        };
        Ok::<_, PyErr>(())
    })();
    if let Err(error) = resolved {
        error.write_unraisable(py, Some(future));
    }
}

/// Result of a finished emission.
///
/// # Errors
/// The failures of the elements.
#[inline(always)]
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
    #[pyo3(name = "done")]
    fn is_done(&self, py: Python<'_>) -> PyResult<bool> {
        let future = match &*lock(&self.0) {
            State::Done => return Ok(true),
            State::Waiting(Waiting::Emit(emit), _) => return Ok(emit.is_ready()),
            State::Waiting(Waiting::CrossThread(emission), _) => return Ok(emission.is_ready()),
            State::Waiting(Waiting::Batch(_) | Waiting::Other(_), _) => return Ok(false),
            State::Future(future) => future.clone_ref(py),
        };
        future.bind(py).call_method0("done")?.is_truthy()
    }

    /// Calls `callback` with this object when it is done.
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
        Ok(if self.is_done(py)? {
            "<Emission: done>"
        } else {
            "<Emission: waiting>"
        })
    }
}

/// If it was not awaited, the current element of a running function waits for it: a function that emits and returns
/// nothing expects that.
impl Drop for Emission {
    fn drop(&mut self) {
        self.wait_within();
    }
}
