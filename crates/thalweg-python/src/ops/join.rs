use std::collections::BTreeSet;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use thalweg::ops::{CombineLatest, OpenLanes, Zip, ZipLatest};
use thalweg::{Arrival, BuildError, Element, OpenJoin, Operator, Reconfigure, Stream};

use super::parts::tuple;
use crate::blueprint::{Blueprint, Made, Passage, UpstreamRefs};
use crate::node::Placement;
use crate::value::Value;

type Lanes = OpenLanes<Value>;

/// The waiting elements at each inlet of a join with distinct inlets; none for a literal.
pub(crate) fn lanes<U: Element>(join: &Stream<U>) -> Option<Vec<Option<Vec<Value>>>> {
    let zip = join.with_operator(|zip: &mut Zip<Lanes>| elements(zip.lanes()));
    let combine = || join.with_operator(|op: &mut CombineLatest<Lanes>| elements(op.lanes()));
    let latest = || join.with_operator(|op: &mut ZipLatest<Lanes>| elements(op.lanes()));
    zip.or_else(combine).or_else(latest)
}

fn elements(lanes: &Lanes) -> Vec<Option<Vec<Value>>> {
    let all = lanes.elements().zip(lanes.literals());
    all.map(|(lane, is_literal)| (!is_literal).then(|| lane.into_iter().cloned().collect()))
        .collect()
}

/// A node that joins several inlets, with the operator of `make`.
fn joining<O>(
    placement: Placement<'_>,
    make: impl Fn() -> Result<O, BuildError> + Send + 'static,
) -> PyResult<()>
where
    O: Operator<In = Arrival<Value>, Out = Vec<Value>> + Reconfigure,
{
    let operator = make().map_err(|error| PyValueError::new_err(error.to_string()))?;
    let blueprint = Blueprint::new(move |context| {
        let join = OpenJoin::new(operator, &context.upstream);
        let Made { out, .. } = Made::finished(join.stream().clone(), context.current, tuple);
        Made {
            inlet: Box::new(join),
            between: None,
            out,
        }
    });
    let blueprint = blueprint.renewing::<O, Vec<Value>>(make);
    let blueprint = blueprint.joining(UpstreamRefs::default()).repeating();
    placement.apply(blueprint.passage(Passage::NoFunctions))
}

/// `zip`: sends tuples of the first elements of all upstreams, then of the second ones, and so on.
#[pyfunction]
pub(super) fn zip(placement: Placement<'_>, maxsize: usize) -> PyResult<()> {
    joining(placement, move || Zip::new(Lanes::new(), maxsize))
}

/// `combine_latest`: sends tuples of the latest elements when an element arrives from an upstream in `emit_on`, by
/// index; by default from any upstream.
#[pyfunction]
pub(super) fn combine_latest(
    placement: Placement<'_>,
    emit_on: Option<Vec<usize>>,
) -> PyResult<()> {
    let emit_on = emit_on.map(BTreeSet::from_iter);
    joining(placement, move || {
        CombineLatest::new(Lanes::new(), emit_on.clone())
    })
}

/// `zip_latest`: sends every element of the first upstream with the latest ones of the others.
#[pyfunction]
pub(super) fn zip_latest(placement: Placement<'_>) -> PyResult<()> {
    joining(placement, || Ok(ZipLatest::new(Lanes::new())))
}
