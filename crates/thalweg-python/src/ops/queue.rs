use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use thalweg::ops::{Buffer, Latest};

use crate::blueprint::{Blueprint, Passage};
use crate::node::Placement;
use crate::value::Value;

/// `buffer`: lets up to `n` elements wait for the downstream nodes.
#[pyfunction]
pub(super) fn buffer(placement: Placement<'_>, n: usize) -> PyResult<()> {
    let buffer =
        Buffer::<Value>::new(n).map_err(|error| PyValueError::new_err(error.to_string()))?;
    let blueprint = Blueprint::passing(buffer.in_next_round()).on_loop();
    placement.apply(blueprint.passage(Passage::Ends))
}

/// `latest`: keeps only the newest element while downstream is busy.
#[pyfunction]
pub(super) fn latest(placement: Placement<'_>) -> PyResult<()> {
    let blueprint = Blueprint::passing(Latest::<Value>::new().in_next_round()).on_loop();
    placement.apply(blueprint.passage(Passage::Ends))
}
