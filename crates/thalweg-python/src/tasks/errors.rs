//! Failures of tasks as exceptions.

use crate::upcalls;
use pyo3::exceptions::PyNotImplementedError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;
use std::io;
use thalweg_tasks::Failure;

use super::task_types::PyTaskError;

static CANCELLED: PyOnceLock<Py<PyType>> = PyOnceLock::new();
static TIMED_OUT: PyOnceLock<Py<PyType>> = PyOnceLock::new();
static KILLED: PyOnceLock<Py<PyType>> = PyOnceLock::new();
static CLOSED: PyOnceLock<Py<PyType>> = PyOnceLock::new();
static NOT_STOPPED: PyOnceLock<Py<PyType>> = PyOnceLock::new();

fn from_errors<'py>(
    py: Python<'py>,
    place: &'static PyOnceLock<Py<PyType>>,
    name: &str,
) -> PyResult<&'py Bound<'py, PyType>> {
    place.import(py, "thalweg._upcalls.tasks", name)
}

/// The exception for worker processes that could not be started.
pub(crate) fn not_started(error: io::Error) -> PyErr {
    if error.kind() == io::ErrorKind::Unsupported {
        return PyNotImplementedError::new_err(error.to_string());
    }
    error.into()
}

/// The exception for a failure of the task `key`.
pub(crate) fn exception(py: Python<'_>, failure: &Failure<PyTaskError>, key: &str) -> PyErr {
    make(py, failure, key).unwrap_or_else(|error| error)
}

fn make(py: Python<'_>, failure: &Failure<PyTaskError>, key: &str) -> PyResult<PyErr> {
    let object = match failure {
        Failure::Raised(PyTaskError::Error(error)) => return Ok(error.to_error(py)),
        Failure::Raised(PyTaskError::Unsent(error)) => {
            let message = format!("what belongs to the task {key:?} could not be sent: {error}");
            return Err(pyo3::exceptions::PyOSError::new_err(message));
        }
        Failure::Raised(PyTaskError::Payload(payload)) if payload.is_empty() => {
            let message = format!("the task {key:?} failed, and how could not be sent back");
            return Err(pyo3::exceptions::PyRuntimeError::new_err(message));
        }
        Failure::Raised(PyTaskError::Payload(payload)) => {
            let error = super::processes::pickle::load(py, payload);
            let error = error.map_err(|error| unreadable(py, "exception", key, error))?;
            // A worker does not know the names of its tasks.
            upcalls::TASKS.call(py, "of_task", (error, key))?
        }
        Failure::Cancelled => from_errors(py, &CANCELLED, "CancelledError")?.call1((key,))?,
        Failure::TimedOut(limit) => {
            from_errors(py, &TIMED_OUT, "TaskTimeout")?.call1((key, limit.as_secs_f64()))?
        }
        Failure::KilledWorker { reason, deaths } => {
            from_errors(py, &KILLED, "KilledWorker")?.call1((key, reason, *deaths))?
        }
        Failure::Closed => return Ok(closed(py)),
        Failure::Forked { owner } => return Ok(forked(*owner)),
        Failure::OtherClient => {
            return Err(pyo3::exceptions::PyValueError::new_err(
                "an argument is a future of another client, with workers of its own: pass its result",
            ));
        }
        Failure::NoResources { wanted } => {
            return Err(pyo3::exceptions::PyValueError::new_err(format!(
                "resources: no worker has {wanted}"
            )));
        }
        other => {
            return Err(pyo3::exceptions::PyRuntimeError::new_err(format!(
                "{other:?}"
            )));
        }
    };
    Ok(PyErr::from_value(object))
}

/// The exception for a result of the task `key` that cannot be unpickled in this process.
pub(crate) fn unreadable(py: Python<'_>, what: &str, key: &str, error: PyErr) -> PyErr {
    let arguments = (what, key, error.clone_ref(py));
    let explained = upcalls::TASKS.call(py, "unreadable", arguments);
    explained.map_or_else(|error| error, PyErr::from_value)
}

/// The exception for a cancelled task `key`.
pub(crate) fn cancelled(py: Python<'_>, key: &str) -> PyErr {
    let class = from_errors(py, &CANCELLED, "CancelledError");
    let object = class.and_then(|class| class.call1((key,)));
    object.map_or_else(|error| error, PyErr::from_value)
}

/// The exception for a call of a stream that exceeded its time limit.
pub(crate) fn timed_out(py: Python<'_>, limit: std::time::Duration) -> PyErr {
    let object = from_errors(py, &TIMED_OUT, "TaskTimeout")
        .and_then(|class| class.call1(("a call on a stream", limit.as_secs_f64())));
    object.map_or_else(|error| error, PyErr::from_value)
}

/// The exception for calls of a closed client.
pub(crate) fn closed(py: Python<'_>) -> PyErr {
    let message =
        "the client is closed: it takes no more tasks, and those that were not done are not run";
    let class = from_errors(py, &CLOSED, "ClosedClientError");
    let object = class.and_then(|class| class.call1((message,)));
    object.map_or_else(|error| error, PyErr::from_value)
}

/// The exception for calls of a client in a forked process.
pub(crate) fn forked(owner: u32) -> PyErr {
    let here = std::process::id();
    pyo3::exceptions::PyRuntimeError::new_err(format!(
        "the client belongs to process {owner}, which has forked this one, {here}: make a client in this process"
    ))
}

/// The exception for killing a thread.
pub(crate) fn not_stopped(py: Python<'_>, message: String) -> PyErr {
    let class = from_errors(py, &NOT_STOPPED, "CannotStopError");
    let object = class.and_then(|class| class.call1((message,)));
    object.map_or_else(|error| error, PyErr::from_value)
}
