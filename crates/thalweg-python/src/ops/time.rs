//! Operators that space elements in time. All intervals are in seconds.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use thalweg::ops::{Debounce, DelayOptions, RateLimit, Sample, ShiftOptions, Throttle};
use thalweg::{BuildError, Operator, Reconfigure};

use crate::blueprint::{Blueprint, Passage};
use crate::interval;
use crate::node::Placement;
use crate::value::Value;

fn timed<O>(
    placement: Placement<'_>,
    operator: Result<O, BuildError>,
    passage: Passage,
) -> PyResult<()>
where
    O: Operator<In = Value, Out = Value> + Reconfigure,
{
    let operator = operator.map_err(|error| PyValueError::new_err(error.to_string()))?;
    placement.apply(Blueprint::passing(operator).on_loop().passage(passage))
}

/// `rate_limit`: passes one element per interval; emitters wait.
#[pyfunction]
pub(super) fn rate_limit(placement: Placement<'_>, interval: f64) -> PyResult<()> {
    timed(
        placement,
        RateLimit::new(interval::seconds(interval)?),
        Passage::NoFunctions,
    )
}

/// `delay`: passes one element per interval; emitters do not wait.
#[pyfunction]
pub(super) fn delay(placement: Placement<'_>, interval: f64) -> PyResult<()> {
    let delay = DelayOptions::<Value>::by(interval::seconds(interval)?).in_next_round();
    placement.apply(Blueprint::passing(delay).on_loop().passage(Passage::Ends))
}

/// `shift`: passes every element one interval later.
#[pyfunction]
pub(super) fn shift(placement: Placement<'_>, interval: f64) -> PyResult<()> {
    let shift = ShiftOptions::<Value>::by(interval::seconds(interval)?);
    placement.apply(Blueprint::passing(shift).on_loop().passage(Passage::Ends))
}

/// `debounce`: passes an element that no other has followed for an interval.
#[pyfunction]
pub(super) fn debounce(placement: Placement<'_>, interval: f64) -> PyResult<()> {
    // Its interval may be set to zero later: then elements pass at once.
    timed(
        placement,
        Debounce::new(interval::seconds(interval)?),
        Passage::NoFunctions,
    )
}

/// `throttle`: drops elements within an interval after one that passed.
#[pyfunction]
pub(super) fn throttle(placement: Placement<'_>, interval: f64) -> PyResult<()> {
    timed(
        placement,
        Throttle::new(interval::seconds(interval)?),
        Passage::NoFunctions,
    )
}

/// `sample`: sends the newest element once per interval.
#[pyfunction]
pub(super) fn sample(placement: Placement<'_>, interval: f64) -> PyResult<()> {
    timed(
        placement,
        Sample::new(interval::seconds(interval)?),
        Passage::Ends,
    )
}
