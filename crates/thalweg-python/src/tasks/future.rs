//! Result of a task that may not have finished.

use std::cell::RefCell;
use std::slice;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use pyo3::exceptions::{PyRuntimeError, PyTimeoutError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyAny, PyType, PyWeakrefMethods, PyWeakrefReference};
use pyo3::{PyTraverseError, PyVisit};
use thalweg_tasks::host::{self, Held, Latch, Slot};
use thalweg_tasks::{Failure, Status};

use super::engine::Engine;
use super::errors;
use super::names::{self, name};
use super::task_types::{Calls, Program, PyTaskError, Value, values};
use crate::gil;
use crate::lock::lock;
use crate::upcalls;

/// Interval at which a waiting thread checks for signals.
const LOOK: Duration = Duration::from_millis(50);
const HOUR: Duration = Duration::from_secs(60 * 60);

/// Result of a task that may not have finished.
#[pyclass(module = "thalweg._thalweg.tasks", frozen, weakref, generic)]
pub(crate) struct Future {
    slot: Mutex<Option<Arc<Slot<Calls>>>>,
    engine: Py<Engine>,
}

thread_local! {
    /// Futures pickled in this thread while an object is pickled.
    static LENT: RefCell<Option<Vec<Py<PyAny>>>> = const { RefCell::new(None) };
}

/// Runs `pickle`, and returns the futures that it has pickled: they have to be kept as long as the pickle.
pub(crate) fn lending<R>(pickle: impl FnOnce() -> R) -> (R, Vec<Py<PyAny>>) {
    let before = LENT.replace(Some(Vec::new()));
    let pickled = pickle();
    let lent = LENT.replace(before).unwrap_or_default();
    (pickled, lent)
}

/// Extracts the requested part of a task's outcome.
type What<'py> = fn(Python<'py>, &Arc<Slot<Calls>>) -> PyResult<Bound<'py, PyAny>>;

impl Future {
    pub(crate) fn new<'py>(
        engine: &Bound<'py, Engine>,
        slot: Arc<Slot<Calls>>,
    ) -> PyResult<Bound<'py, Self>> {
        let slot = Mutex::new(Some(slot));
        Bound::new(
            engine.py(),
            Self {
                slot,
                engine: engine.clone().unbind(),
            },
        )
    }

    pub(crate) fn slot(&self) -> PyResult<Arc<Slot<Calls>>> {
        lock(&self.slot).clone().ok_or_else(|| {
            PyRuntimeError::new_err("the future has been released: its result is not kept any more")
        })
    }

    fn outcome<'py>(
        slf: &Bound<'py, Self>,
        timeout: Option<Bound<'py, PyAny>>,
        what: What<'py>,
        helper: &str,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let slot = slf.get().slot()?;
        let timeout = timeout.map(|timeout| seconds(&timeout)).transpose()?;
        if slf.get().engine.get().is_awaited_here(py)? {
            return upcalls::FUTURES.call(py, helper, (slf, timeout));
        }
        let limit = super::options::limit("timeout", timeout)?;
        let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
        if !slot.is_done() && !wait(py, slice::from_ref(&slot), deadline)? {
            let seconds = timeout.unwrap_or_default();
            let message = format!("the result was not there within {seconds} s; the task goes on");
            return Err(PyTimeoutError::new_err(message));
        }
        what(py, &slot)
    }
}

impl Future {
    /// An available result, wrapped to be awaited for asynchronous clients.
    fn done_here<'py>(&self, value: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = value.py();
        if self.engine.get().is_awaited_here(py)? {
            return upcalls::FUTURES.call(py, "Done", (value,));
        }
        Ok(value)
    }
}

#[pymethods]
impl Future {
    /// Only what no other future and no task can ask for is visited. An exception refers to the functions that it was
    /// raised in, and these to their futures.
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        let Ok(slot) = self.slot.try_lock() else {
            return Ok(());
        };
        slot.as_ref().map_or(Ok(()), |slot| {
            slot.traverse(|held| match held {
                Held::Value(Value::Object(value)) => visit.call(value),
                Held::Error(PyTaskError::Error(error)) => error.traverse(&visit),
                Held::Program(Program::Here(call)) => call.traverse(&visit),
                Held::Value(_) | Held::Error(_) | Held::Program(_) => Ok(()),
            })
        })
    }

    /// Another future of the live task with a key.
    #[new]
    #[pyo3(signature = (key, client = None))]
    fn named(
        py: Python<'_>,
        key: &Bound<'_, PyAny>,
        client: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let found = upcalls::FUTURES.call(py, "named", (key, client))?;
        let found = found.cast::<Self>()?.get();
        Ok(Self {
            slot: Mutex::new(Some(found.slot()?)),
            engine: found.engine.clone_ref(py),
        })
    }

    /// The task's name.
    #[getter]
    fn key<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        names::key(py, &*self.slot()?)
    }

    /// Its client.
    #[getter]
    fn client<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        upcalls::FUTURES.call(slf.py(), "client", (slf,))
    }

    /// The type of its result, once there is one.
    #[getter]
    fn r#type<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        upcalls::FUTURES.call(slf.py(), "type_of", (slf,))
    }

    #[getter]
    fn status(&self) -> PyResult<&'static str> {
        Ok(match self.slot()?.status() {
            Status::Pending => "pending",
            Status::Finished => "finished",
            Status::Error => "error",
            Status::Cancelled => "cancelled",
        })
    }

    #[getter]
    fn engine(&self, py: Python<'_>) -> Py<Engine> {
        self.engine.clone_ref(py)
    }

    /// Whether it is finished, in whatever way.
    fn done(&self) -> PyResult<bool> {
        Ok(self.slot()?.is_done())
    }

    fn cancelled(&self) -> PyResult<bool> {
        Ok(self.slot()?.status() == Status::Cancelled)
    }

    /// Whether its task is running.
    fn running(&self) -> PyResult<bool> {
        self.engine.get().check_here()?;
        Ok(self.engine.get().task_engine.is_running(&*self.slot()?))
    }

    /// Cancels the task if it has not begun. Returns whether it was cancelled.
    fn _cancel_before_it_begins(&self, py: Python<'_>) -> PyResult<bool> {
        let slot = self.slot()?;
        self.engine.get().check_here()?;
        let task_engine = &self.engine.get().task_engine;
        Ok(gil::detach(py, || {
            task_engine.cancel_before_it_begins(&slot)
        }))
    }

    /// Sets the task's cancellation token. The result counts all the same.
    fn _ask_to_stop(&self) -> PyResult<()> {
        self.slot()?.ask_to_stop();
        Ok(())
    }

    /// Stops the task if it has no futures: its submitter has died.
    fn _orphan(&self) {
        let slot = lock(&self.slot).clone();
        if let Some(slot) = slot {
            slot.orphan();
        }
    }

    /// Whether its task runs in this thread.
    fn _runs_here(&self) -> PyResult<bool> {
        Ok(self.slot()?.runs_here())
    }

    /// The call of a failed task: function, arguments and keywords, with results in place of futures.
    fn _failed_call<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let slot = self.slot()?;
        let task_engine = &self.engine.get().task_engine;
        let Some((Some(call), dependencies)) = task_engine
            .look_at_failed(&slot, |program, dependencies| {
                (program.recreate(py), dependencies.clone())
            })
        else {
            return Ok(None);
        };
        wait_or_fail(py, &dependencies)?;
        bring(py, &dependencies)?;
        call.filled(py, values(py, &dependencies)?).map(Some)
    }

    /// The tasks that a failed task needs.
    fn _needs<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, Self>>> {
        let slot = self.slot()?;
        let dependencies = self
            .engine
            .get()
            .task_engine
            .look_at_failed(&slot, |_, dependencies| dependencies.clone());
        let futures = dependencies.unwrap_or_default().into_iter();
        futures
            .map(|slot| Self::new(self.engine.bind(py), slot))
            .collect()
    }

    /// Waits for the result, for `timeout` seconds at most.
    #[pyo3(signature = (timeout = None))]
    fn result<'py>(
        slf: &Bound<'py, Self>,
        timeout: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        Self::outcome(slf, timeout, result, "result")
    }

    /// The result or failure of a finished task: also where `result` has to be awaited.
    fn _result_here<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        result(py, &self.slot()?)
    }

    /// Waits for this number of seconds at most. Returns whether it is finished.
    fn _wait(&self, py: Python<'_>, seconds: f64) -> PyResult<bool> {
        let slot = self.slot()?;
        let limit = super::options::limit("seconds", Some(seconds))?;
        let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
        Ok(slot.is_done() || wait(py, slice::from_ref(&slot), deadline)?)
    }

    /// Waits, and returns the exception; `None` if there is a result.
    #[pyo3(signature = (timeout = None))]
    fn exception<'py>(
        slf: &Bound<'py, Self>,
        timeout: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        Self::outcome(slf, timeout, exception, "exception")
    }

    /// Waits, and returns the traceback of the exception; `None` if there is a result.
    #[pyo3(signature = (timeout = None))]
    fn traceback<'py>(
        slf: &Bound<'py, Self>,
        timeout: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        Self::outcome(slf, timeout, traceback, "traceback")
    }

    /// Cancels it, and the tasks that depend on it. Returns whether it was unfinished.
    #[pyo3(signature = (reason = None, msg = None, force = false))]
    fn cancel<'py>(
        &self,
        py: Python<'py>,
        reason: Option<&str>,
        msg: Option<&str>,
        force: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let _ = (reason, msg);
        let slot = self.slot()?;
        self.engine.get().check_here()?;
        let task_engine = &self.engine.get().task_engine;
        let cancelled = gil::detach(py, || task_engine.cancel(&slot, force));
        let cancelled = cancelled.map_err(|error| errors::not_stopped(py, error.to_string()))?;
        self.done_here(cancelled.into_pyobject(py)?.to_owned().into_any())
    }

    /// Runs a failed or cancelled task again; others are left alone.
    fn retry<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let slot = self.slot()?;
        let engine = self.engine.get();
        engine.check_here()?;
        let is_retried = engine.task_engine.retry(&slot);
        if !is_retried && matches!(slot.status(), Status::Error | Status::Cancelled) {
            let key = name(&slot);
            return Err(PyRuntimeError::new_err(format!(
                "retry: what {key} was made of is not there any more"
            )));
        }
        self.done_here(py.None().into_bound(py))
    }

    /// Releases the result, as if the future had been dropped.
    fn release(&self) {
        let slot = lock(&self.slot).take();
        drop(slot);
    }

    /// Lets the task finish even if it has no futures any more.
    fn keep(&self) -> PyResult<()> {
        self.engine.get().check_here()?;
        self.engine.get().task_engine.keep(&self.slot()?);
        Ok(())
    }

    /// The same, and closing the engine waits for it; until then the engine is not freed.
    fn detach(&self, py: Python<'_>) -> PyResult<()> {
        let (engine, slot) = (self.engine.clone_ref(py), self.slot()?);
        engine.get().check_here()?;
        engine.get().task_engine.detach(&slot);
        slot.notify(move || gil::attach(|_| drop(engine)));
        Ok(())
    }

    /// Calls `callback(future)` when it is finished: at once, if it is, and otherwise on a thread of the engine that
    /// runs nothing else.
    fn add_done_callback(slf: &Bound<'_, Self>, callback: Bound<'_, PyAny>) -> PyResult<()> {
        slf.get().slot()?.when_done(call(slf, callback));
        Ok(())
    }

    /// Calls `callback(future)` when it is finished, on the thread that completes it: it must not block.
    fn _notify(slf: &Bound<'_, Self>, callback: Bound<'_, PyAny>) -> PyResult<()> {
        slf.get().slot()?.notify(call(slf, callback));
        Ok(())
    }

    /// The same while this future and the interest exist: waiting for a task is no reason to keep it after the waiter
    /// has left.
    fn _notify_holder(
        slf: &Bound<'_, Self>,
        callback: Bound<'_, PyAny>,
        interest: &Interest,
    ) -> PyResult<()> {
        let future = PyWeakrefReference::new(slf.as_any())?.unbind();
        let callback = callback.unbind();
        slf.get().slot()?.notify_while(&interest.0, move || {
            gil::attach(|py| {
                if let Some(future) = future.bind(py).upgrade() {
                    crate::call::reporting(callback.bind(py), (future,));
                }
                drop((future, callback));
            });
        });
        Ok(())
    }

    /// The same as `add_done_callback`, after the result has been fetched to this process.
    fn _when_here(slf: &Bound<'_, Self>, callback: Bound<'_, PyAny>) -> PyResult<()> {
        let slot = slf.get().slot()?;
        let callback = call(slf, callback);
        gil::detach(slf.py(), || slot.when_here(callback));
        Ok(())
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        LENT.with_borrow_mut(|lent| {
            if let Some(lent) = lent {
                lent.push(slf.clone().into_any().unbind());
            }
        });
        upcalls::FUTURES.call(slf.py(), "reduce", (slf,))
    }

    fn __dask_tokenize__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let tokenized = ("thalweg-future", self.key(py)?);
        Ok(tokenized.into_pyobject(py)?.into_any())
    }

    fn __await__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let coroutine = upcalls::FUTURES.call(slf.py(), "outcome", (slf,))?;
        coroutine.call_method0("__await__")
    }

    fn __repr__(&self) -> PyResult<String> {
        Ok(match &*lock(&self.slot) {
            None => "<Future: released>".to_owned(),
            Some(slot) => {
                let status = match slot.status() {
                    Status::Pending => "pending",
                    Status::Finished => "finished",
                    Status::Error => "error",
                    Status::Cancelled => "cancelled",
                };
                format!("<Future: {status}, key: {}>", name(slot))
            }
        })
    }
}

/// Calls `callback(future)`, and reports its exception, since nobody waits for it.
fn call(
    future: &Bound<'_, Future>,
    callback: Bound<'_, PyAny>,
) -> impl FnOnce() + Send + use<> + 'static {
    let (future, callback) = (future.clone().unbind(), callback.unbind());
    move || {
        gil::attach(|py| {
            crate::call::reporting(callback.bind(py), (&future,));
            // Here, with the GIL, and not where the closure is dropped.
            drop((future, callback));
        });
    }
}

/// Interest in the ends of tasks: callbacks registered with it are not called any more once it is gone.
#[pyclass(frozen, weakref, module = "thalweg._thalweg.tasks")]
#[derive(Default)]
pub(crate) struct Interest(host::Interest);

#[pymethods]
impl Interest {
    #[new]
    fn new() -> Self {
        Self::default()
    }
}

/// A duration, as a number or as text.
fn seconds(timeout: &Bound<'_, PyAny>) -> PyResult<f64> {
    if let Ok(seconds) = timeout.extract::<f64>() {
        return Ok(seconds);
    }
    upcalls::STREAMS
        .call(timeout.py(), "convert_interval", (timeout,))?
        .extract()
}

/// Waits for all futures, without the GIL. Returns whether they are finished.
pub(crate) fn wait(
    py: Python<'_>,
    slots: &[Arc<Slot<Calls>>],
    deadline: Option<Instant>,
) -> PyResult<bool> {
    check_here(slots, Slot::is_done)?;
    wait_at(py, &Latch::over(slots), deadline)
}

/// Waits for all futures, without the GIL, and raises the first failure as soon as it occurs.
pub(crate) fn wait_or_fail(py: Python<'_>, slots: &[Arc<Slot<Calls>>]) -> PyResult<()> {
    check_here(slots, Slot::is_done)?;
    wait_at(py, &Latch::until_failure(slots), None)?;
    let failed = slots.iter().find_map(|slot| error(py, slot));
    failed.map_or(Ok(()), Err)
}

/// Fails in a process that was forked from the engine's, unless there is nothing to wait for.
fn check_here(slots: &[Arc<Slot<Calls>>], is_there: impl Fn(&Slot<Calls>) -> bool) -> PyResult<()> {
    let owner = slots
        .first()
        .and_then(|slot| slot.engine().owner_elsewhere());
    match owner {
        Some(owner) if !slots.iter().all(|slot| is_there(slot)) => Err(errors::forked(owner)),
        _ => Ok(()),
    }
}

fn wait_at(py: Python<'_>, latch: &Latch, deadline: Option<Instant>) -> PyResult<bool> {
    if latch.is_open() {
        return Ok(true);
    }
    look_again_and_again(py, deadline, |until| latch.wait(Some(until)))
}

/// Calls `wait` without the GIL until it returns true or the deadline has passed, and handles signals in between.
/// Returns whether it did within the deadline. In a task, another one runs in its place after a moment: otherwise tasks
/// that wait for tasks could occupy all threads, and wait for ever.
pub(super) fn look_again_and_again(
    py: Python<'_>,
    deadline: Option<Instant>,
    mut wait: impl FnMut(Instant) -> bool + Send,
) -> PyResult<bool> {
    let (mut look, mut _aside) = (host::MOMENT, None);
    loop {
        let next = Instant::now() + look;
        let until = deadline.map_or(next, |deadline| deadline.min(next));
        if gil::detach_to_wait(py, || wait(until)) {
            return Ok(true);
        }
        py.check_signals()?;
        if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            return Ok(gil::detach(py, || wait(until)));
        }
        if look < HOUR {
            _aside = host::aside();
            look = match host::runs_task() {
                // The system has no thread for another task now; it may have one later.
                true if !host::is_given() => LOOK,
                true => HOUR,
                // Signals arrive on the main thread, where no task runs.
                false => LOOK,
            };
        }
    }
}

/// The result of a finished task.
pub(crate) fn result<'py>(py: Python<'py>, slot: &Arc<Slot<Calls>>) -> PyResult<Bound<'py, PyAny>> {
    loop {
        let outcome = slot.look(|outcome| match outcome {
            Ok(value) => Ok(value.copy(py)),
            Err(_) => Err(()),
        });
        match outcome {
            Some(Ok(value)) => {
                let object = value.into_object(py);
                return object
                    .map_err(|error| errors::unreadable(py, "result", &name(slot), error));
            }
            Some(Err(())) => {
                // A task that is retried meanwhile is waited for.
                if let Some(error) = error(py, slot) {
                    return Err(error);
                }
                wait(py, slice::from_ref(slot), None)?;
            }
            // It is at a worker. If it is lost there, it is computed again.
            None => {
                wait(py, slice::from_ref(slot), None)?;
                bring(py, slice::from_ref(slot))?;
            }
        }
    }
}

/// Fetches values from workers, and waits for them.
pub(crate) fn bring(py: Python<'_>, slots: &[Arc<Slot<Calls>>]) -> PyResult<()> {
    let Some(first) = slots.first() else {
        return Ok(());
    };
    check_here(slots, |slot| slot.look(|_| ()).is_some())?;
    let latch = gil::detach(py, || first.engine().bring(slots));
    wait_at(py, &latch, None).map(drop)
}

/// A failure of the task's own: the collector sees only what slots do not share.
pub(super) fn failure(py: Python<'_>, slot: &Slot<Calls>) -> Option<Arc<Failure<PyTaskError>>> {
    slot.own_failure(|failure| match failure {
        Failure::Raised(PyTaskError::Error(error)) => {
            Some(Failure::Raised(PyTaskError::Error(error.clone_ref(py))))
        }
        _ => None,
    });
    slot.failure()
}

fn error(py: Python<'_>, slot: &Arc<Slot<Calls>>) -> Option<PyErr> {
    failure(py, slot).map(|failure| errors::exception(py, &failure, &name(slot)))
}

fn exception<'py>(py: Python<'py>, slot: &Arc<Slot<Calls>>) -> PyResult<Bound<'py, PyAny>> {
    Ok(match error(py, slot) {
        None => py.None().into_bound(py),
        Some(error) if is_cancelled(py, &error) => return Err(error),
        Some(error) => error.into_value(py).into_bound(py).into_any(),
    })
}

fn traceback<'py>(py: Python<'py>, slot: &Arc<Slot<Calls>>) -> PyResult<Bound<'py, PyAny>> {
    Ok(match error(py, slot) {
        None => py.None().into_bound(py),
        Some(error) if is_cancelled(py, &error) => return Err(error),
        Some(error) => upcalls::TASKS.call(py, "traceback_of", (error.into_value(py),))?,
    })
}

/// As in `concurrent.futures`, the exception of a cancelled task is raised, not returned.
fn is_cancelled(py: Python<'_>, error: &PyErr) -> bool {
    static CANCELLED: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let class = CANCELLED.import(py, "thalweg._upcalls.tasks", "CancelledError");
    class.is_ok_and(|class| error.is_instance(py, class))
}
