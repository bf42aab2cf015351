use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use thalweg::ops::{Buffer, Latest};

use crate::blueprint::Blueprint;
use crate::value::Value;

/// `buffer`: lets up to `n` elements wait for the nodes behind it.
#[pyfunction]
pub(super) fn buffer(n: usize) -> PyResult<Blueprint> {
    let buffer =
        Buffer::<Value>::new(n).map_err(|error| PyValueError::new_err(error.to_string()))?;
    Ok(Blueprint::passing(buffer.in_next_round()).on_loop())
}

/// `latest`: drops elements that the nodes behind are too slow for, but for the last.
#[pyfunction]
pub(super) fn latest() -> Blueprint {
    Blueprint::passing(Latest::<Value>::new().in_next_round()).on_loop()
}
