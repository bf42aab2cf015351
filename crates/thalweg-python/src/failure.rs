//! Failures and errors of the engine as Python's exceptions, and the other way round.

use pyo3::exceptions::PyTimeoutError;
use pyo3::prelude::*;
use thalweg::{Arrival, Error, Failure};

use crate::value::Value;

/// Writes an error to the log.
#[cold]
pub(crate) fn log(py: Python<'_>, error: &PyErr) {
    let logged = py
        .import("thalweg.errors")
        .and_then(|errors| errors.call_method1("log_failure", (error.value(py),)));
    if let Err(error) = logged {
        error.write_unraisable(py, None);
    }
}

/// The exception a user's function raised, with a note that names the node and the element.
pub(crate) fn exception(py: Python<'_>, failure: &Failure) -> PyErr {
    let Some(error) = failure.cause().downcast_ref::<PyErr>() else {
        let message = failure.to_string();
        return raise_ours(py, "PipelineError", (message,));
    };
    let error = error.clone_ref(py);
    let element = element_of(failure);
    let arguments = (
        error.value(py),
        failure.node(),
        failure.ordinal(),
        element.as_ref().map(|element| element.bind(py)),
    );
    let noted = py
        .import("thalweg.errors")
        .and_then(|errors| errors.call_method1("add_note", arguments));
    if let Err(problem) = noted {
        problem.write_unraisable(py, None);
    }
    error
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
        exception.value(py),
    );
    let failure = py
        .import("thalweg.errors")?
        .call_method1("Failure", arguments)?;
    Ok(Value::from(failure))
}

/// An exception of a class of ours.
fn raise_ours<'py>(
    py: Python<'py>,
    class: &str,
    arguments: impl pyo3::call::PyCallArgs<'py>,
) -> PyErr {
    let made = py
        .import("thalweg.errors")
        .and_then(|errors| errors.getattr(class))
        .and_then(|class| class.call1(arguments));
    match made {
        Ok(exception) => PyErr::from_value(exception),
        Err(error) => error,
    }
}

/// What is raised for elements that come after the end.
pub(crate) fn closed(py: Python<'_>) -> PyErr {
    let message = "the program is ending, and the pipeline was drained: it takes no more elements";
    raise_ours(py, "ClosedError", (message,))
}

/// The exception an error of the engine is for Python.
#[cold]
pub(crate) fn raise(py: Python<'_>, error: &Error) -> PyErr {
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
        let values: Vec<_> = exceptions
            .iter()
            .map(|error| error.value(py).clone())
            .collect();
        return raise_ours(py, "UndeliveredError", (error.to_string(), held, values));
    }
    match exceptions.len() {
        0 if error.is_timed_out() => PyTimeoutError::new_err(error.to_string()),
        0 if error.is_closed() => raise_ours(py, "ClosedError", (error.to_string(),)),
        0 if error.is_build() => raise_ours(py, "BuildError", (error.to_string(),)),
        0 if error.is_different_runtimes() => {
            pyo3::exceptions::PyValueError::new_err("Two different event loops active")
        }
        0 => raise_ours(py, "PipelineError", (error.to_string(),)),
        1 => exceptions.into_iter().next().expect("there is one"),
        _ => {
            let values: Vec<_> = exceptions
                .iter()
                .map(|error| error.value(py).clone())
                .collect();
            raise_ours(py, "together", (values,))
        }
    }
}
