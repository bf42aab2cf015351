use pyo3::prelude::*;
use thalweg::ops::Inspect;

use crate::blueprint::{Blueprint, Passage};
use crate::gil;
use crate::node::Placement;
use crate::value::Value;

/// A node that passes elements on unchanged: an entry point, or a union.
#[pyfunction]
#[pyo3(signature = (placement, *, is_sink=false))]
pub(super) fn stream(placement: Placement<'_>, is_sink: bool) -> PyResult<()> {
    let blueprint = Blueprint::transform(|current| {
        Inspect::new(move |x: &Value| gil::held(|py| current.set(py, x.object())))
    });
    let blueprint = blueprint.passage(Passage::NoFunctions);
    placement.apply(if is_sink { blueprint.sink() } else { blueprint })
}
