use std::collections::BTreeSet;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use thalweg::ops::{CombineLatest, OpenLanes, Zip, ZipLatest};
use thalweg::{Arrival, BuildError, OpenJoin, Operator};

use super::parts::tuple;
use crate::blueprint::{Blueprint, Made, UpstreamRefs};
use crate::value::Value;

type Lanes = OpenLanes<Value>;

fn joining<O>(operator: Result<O, BuildError>) -> PyResult<Blueprint>
where
    O: Operator<In = Arrival<Value>, Out = Vec<Value>>,
{
    let operator = operator.map_err(|error| PyValueError::new_err(error.to_string()))?;
    let blueprint = Blueprint::new(move |site| {
        let join = OpenJoin::new(operator, &site.upstream);
        let Made { out, .. } = Made::finished(join.stream().clone(), site.current, tuple);
        Made {
            inlet: Box::new(join),
            between: None,
            out,
        }
    });
    Ok(blueprint.joining(UpstreamRefs::default()).repeating())
}

/// `zip`: sends the first elements of all upstreams, then the second ones, and so on.
#[pyfunction]
pub(super) fn zip(maxsize: usize) -> PyResult<Blueprint> {
    joining(Zip::new(Lanes::new(), maxsize))
}

/// `combine_latest`: sends the latest element of every upstream when one of those numbered in
/// `emit_on` sends another; when any does, if that is not given.
#[pyfunction]
pub(super) fn combine_latest(emit_on: Option<Vec<usize>>) -> PyResult<Blueprint> {
    let emit_on = emit_on.map(BTreeSet::from_iter);
    joining(CombineLatest::new(Lanes::new(), emit_on))
}

/// `zip_latest`: sends every element of the first upstream with the latest of the others.
#[pyfunction]
pub(super) fn zip_latest() -> PyResult<Blueprint> {
    joining(Ok(ZipLatest::new(Lanes::new())))
}
