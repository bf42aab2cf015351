use std::ops::Bound as Edge;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use thalweg::ops::Slice;

use crate::blueprint::{Blueprint, Made, Passage};
use crate::node::Placement;
use crate::value::Value;

/// `slice`: passes on elements by position.
#[pyfunction]
pub(super) fn slice(
    placement: Placement<'_>,
    start: Option<isize>,
    end: Option<isize>,
    step: Option<isize>,
) -> PyResult<()> {
    let positive = |number: Option<isize>| {
        number
            .map(usize::try_from)
            .transpose()
            .map_err(|_| PyValueError::new_err("Negative indices not supported by slice"))
    };
    let (start, end, step) = (positive(start)?, positive(end)?, positive(step)?);
    // As in streamz, an end or a step of 0 counts as not given, and an end before the start passes nothing.
    let given = |number: &usize| *number > 0;
    let (end, step) = (end.filter(given), step.filter(given).unwrap_or(1));
    let to = end.map_or(Edge::Unbounded, Edge::Excluded);
    let start = start.unwrap_or(0);
    let from = Edge::Included(end.map_or(start, |end| start.min(end)));
    let slice = move || Slice::<Value>::new((from, to), step);
    slice().map_err(|error| PyValueError::new_err(error.to_string()))?;
    let blueprint = Blueprint::new(move |context| {
        let stream = match slice() {
            Ok(slice) => context.upstream.transform(slice),
            Err(_) => context.upstream.clone(),
        };
        Made::finished(stream, context.current, |_, x| Ok(x))
    });
    let blueprint = blueprint.renewing::<Slice<Value>, Value>(slice);
    placement.apply(blueprint.passage(Passage::NoFunctions))
}
