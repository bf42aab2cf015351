//! Intervals passed from Python.

use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use thalweg::IntoInterval;

/// A number of seconds.
///
/// # Errors
/// It is negative, not a number, or too large.
pub(crate) fn seconds(seconds: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(seconds)
        .map_err(|_| PyValueError::new_err(format!("not a length of time in seconds: {seconds}")))
}

/// The seconds in a length of time such as `"500ms"` or `"1h30min"`.
#[pyfunction]
pub(crate) fn parse_interval(text: &str) -> PyResult<f64> {
    match text.into_interval() {
        Ok(interval) => Ok(interval.as_secs_f64()),
        Err(error) if error.is_zero() => Ok(0.0),
        Err(error) => Err(PyValueError::new_err(error.to_string())),
    }
}
