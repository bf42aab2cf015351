//! Conversion of the engine's failures and errors to Python exceptions, and back.

use std::io;

use pyo3::exceptions::{
    PyBaseException, PyRuntimeError, PyStopIteration, PyTimeoutError, PyValueError,
};
use pyo3::intern;
use pyo3::prelude::*;
use thalweg::{Arrival, Error, Failure, Stream};
use thalweg_io::FileError;

use crate::gil;
use crate::node::stop_at_end;
use crate::upcalls;
use crate::value::Value;

/// Writes a failure to the log.
#[cold]
pub(crate) fn log(py: Python<'_>, failure: &Failure) {
    let error = exception(py, failure);
    let logged = upcalls::STREAMS.call(py, "log_failure", (value_of(py, &error), failure.node()));
    if let Err(error) = logged {
        error.write_unraisable(py, None);
    }
}

/// Logs failures that reach no emitter, for pipelines under the name of a package that does so.
pub(crate) fn log_if_peer(py: Python<'_>, stream: &Stream<Value>) -> PyResult<()> {
    if upcalls::STREAMS.call(py, "logs_at_once", ())?.is_truthy()? {
        stream.on_unhandled(|failure| gil::attach(|py| log(py, &failure)));
    }
    Ok(())
}

/// An exception as an object with its traceback attached: before Python 3.12 the two are separate.
pub(crate) fn value_of<'py>(py: Python<'py>, error: &PyErr) -> Bound<'py, PyBaseException> {
    let value = error.value(py).clone();
    if let Some(traceback) = error.traceback(py) {
        // Exceptions take any traceback.
        let _ = set_traceback(&value, &traceback);
    }
    value
}

/// Sets the traceback of an exception, past `__setattr__` of its class: that of a frozen data class refuses everything.
pub(crate) fn set_traceback(
    error: &Bound<'_, PyAny>,
    traceback: &Bound<'_, PyAny>,
) -> PyResult<()> {
    let base = error.py().get_type::<PyBaseException>();
    base.call_method1(intern!(error.py(), "with_traceback"), (error, traceback))?;
    Ok(())
}

/// An exception as an object that futures of event loops take: they refuse `StopIteration`, and would never be done.
pub(crate) fn value_for_future<'py>(py: Python<'py>, error: &PyErr) -> Bound<'py, PyBaseException> {
    let value = value_of(py, error);
    if !error.is_instance_of::<PyStopIteration>(py) {
        return value;
    }
    let shown = value.repr().map(|shown| shown.to_string());
    let shown = shown.unwrap_or_else(|_| "StopIteration".to_owned());
    let raised = PyRuntimeError::new_err(format!("a function raised {shown}"));
    raised.set_cause(py, Some(PyErr::from_value(value.into_any())));
    value_of(py, &raised)
}

/// The exception of a user's function, with a note that names the node and the element.
pub(crate) fn exception(py: Python<'_>, failure: &Failure) -> PyErr {
    let cause = failure.cause();
    let raised = match cause.downcast_ref::<PyErr>() {
        Some(error) => Some(error.clone_ref(py)),
        None => cause.downcast_ref().and_then(|error| of_file(py, error)),
    };
    let Some(error) = raised else {
        let message = failure.to_string();
        return raise_ours(py, "PipelineError", (message,));
    };
    let value = value_of(py, &error);
    let (node, ordinal) = (failure.node(), failure.ordinal());
    let noted = match element_of(failure) {
        Some(x) => upcalls::STREAMS.call(py, "add_note", (value, node, ordinal, x.bind(py))),
        // A panic took it along.
        None => upcalls::STREAMS.call(py, "add_note", (value, node, ordinal)),
    };
    if let Err(problem) = noted {
        problem.write_unraisable(py, None);
    }
    error
}

/// The exception for an error of a file sink: an `OSError` for a system error, the original exception of an element
/// that cannot be written, or a `ValueError`.
fn of_file(py: Python<'_>, error: &FileError) -> Option<PyErr> {
    match error {
        FileError::Io { source, .. } => {
            Some(io::Error::new(source.kind(), error.to_string()).into())
        }
        FileError::Element { problem, .. } => Some(match problem.downcast_ref::<PyErr>() {
            Some(raised) => raised.clone_ref(py),
            None => PyValueError::new_err(error.to_string()),
        }),
        FileError::Invalid { .. } => Some(PyValueError::new_err(error.to_string())),
        _ => None,
    }
}

fn element_of(failure: &Failure) -> Option<Value> {
    failure
        .element::<Value>()
        .or_else(|| match failure.element()? {
            Arrival::Element(_, x) => Some(x),
            _ => None,
        })
}

/// A failure as an element of an error stream.
pub(crate) fn to_value(py: Python<'_>, failure: &Failure) -> PyResult<Value> {
    let (element, exception) = (element_of(failure), exception(py, failure));
    let arguments = (
        failure.node(),
        failure.ordinal(),
        element.as_ref().map(|element| element.bind(py)),
        value_of(py, &exception),
        failure.attempts(),
    );
    upcalls::STREAMS
        .call(py, "Failure", arguments)
        .map(Value::from)
}

/// An exception of one of thalweg's classes.
fn raise_ours<'py>(
    py: Python<'py>,
    class: &str,
    arguments: impl pyo3::call::PyCallArgs<'py>,
) -> PyErr {
    match upcalls::STREAMS.call(py, class, arguments) {
        Ok(exception) => PyErr::from_value(exception),
        Err(error) => error,
    }
}

/// A pipeline error without a more specific class.
pub(crate) fn pipeline_error(py: Python<'_>, message: String) -> PyErr {
    raise_ours(py, "PipelineError", (message,))
}

/// The exception for elements emitted after the end.
pub(crate) fn closed(py: Python<'_>) -> PyErr {
    stop_at_end(py);
    let message = "the program is ending, and the pipeline was drained: it takes no more elements";
    raise_ours(py, "ClosedError", (message,))
}

/// The Python exception for an error of the engine.
#[cold]
pub(crate) fn raise(py: Python<'_>, error: &Error) -> PyErr {
    if error.is_closed() {
        // Before the exception is made, which takes code in Python.
        stop_at_end(py);
    }
    let exceptions: Vec<_> = error
        .failures()
        .iter()
        .map(|failure| exception(py, failure))
        .collect();
    if !error.undelivered().is_empty() {
        let held: Vec<_> = error
            .undelivered()
            .iter()
            .map(|held| (held.node.clone(), held.elements))
            .collect();
        let values: Vec<_> = exceptions.iter().map(|error| value_of(py, error)).collect();
        return raise_ours(py, "UndeliveredError", (error.to_string(), held, values));
    }
    match exceptions.len() {
        0 if error.is_timed_out() => PyTimeoutError::new_err(error.to_string()),
        0 if error.is_closed() => raise_ours(py, "ClosedError", (error.to_string(),)),
        0 if error.is_build() => raise_ours(py, "BuildError", (error.to_string(),)),
        0 if error.is_different_runtimes() => {
            PyValueError::new_err("Two different event loops active")
        }
        0 => raise_ours(py, "PipelineError", (error.to_string(),)),
        1 => exceptions.into_iter().next().expect("there is one"),
        _ => {
            let values: Vec<_> = exceptions.iter().map(|error| value_of(py, error)).collect();
            raise_ours(py, "combined", (values,))
        }
    }
}
