//! Errors of sources as Python's exceptions.

use std::error::Error;
use std::io;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use thalweg_io::LineError;
use thalweg_io::files::RecordError;

use crate::failure;

/// Converts an error of a source to a Python exception: `ValueError` for a line or a record, the matching `OSError` for
/// refusals of the operating system, otherwise `PipelineError`.
pub(super) fn to_exception(py: Python<'_>, error: &(dyn Error + 'static)) -> PyErr {
    let mut cause = Some(error);
    while let Some(one) = cause {
        if let Some(raised) = one.downcast_ref::<PyErr>() {
            return raised.clone_ref(py);
        }
        if one.is::<LineError>() || one.is::<RecordError>() {
            return PyValueError::new_err(error.to_string());
        }
        if let Some(refused) = one.downcast_ref::<io::Error>() {
            return io::Error::new(refused.kind(), error.to_string()).into();
        }
        cause = one.source();
    }
    failure::pipeline_error(py, error.to_string())
}
