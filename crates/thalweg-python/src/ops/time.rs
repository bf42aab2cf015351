//! Operators that space elements in time. All intervals are in seconds.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use thalweg::ops::{Debounce, DelayOptions, RateLimit, Sample, ShiftOptions, Throttle};
use thalweg::{BuildError, Operator, Reconfigure};

use crate::blueprint::{Blueprint, Passage};
use crate::interval;
use crate::value::Value;

fn timed<O>(operator: Result<O, BuildError>, passage: Passage) -> PyResult<Blueprint>
where
    O: Operator<In = Value, Out = Value> + Reconfigure,
{
    let operator = operator.map_err(|error| PyValueError::new_err(error.to_string()))?;
    Ok(Blueprint::passing(operator).on_loop().passage(passage))
}

/// `rate_limit`: passes one element per interval; emitters wait.
#[pyfunction]
pub(super) fn rate_limit(interval: f64) -> PyResult<Blueprint> {
    timed(
        RateLimit::new(interval::seconds(interval)?),
        Passage::NoFunctions,
    )
}

/// `delay`: passes one element per interval; emitters do not wait.
#[pyfunction]
pub(super) fn delay(interval: f64) -> PyResult<Blueprint> {
    let delay = DelayOptions::<Value>::by(interval::seconds(interval)?).in_next_round();
    Ok(Blueprint::passing(delay).on_loop().passage(Passage::Ends))
}

/// `shift`: passes every element one interval later.
#[pyfunction]
pub(super) fn shift(interval: f64) -> PyResult<Blueprint> {
    let shift = ShiftOptions::<Value>::by(interval::seconds(interval)?);
    Ok(Blueprint::passing(shift).on_loop().passage(Passage::Ends))
}

/// `debounce`: passes an element that no other has followed for an interval.
#[pyfunction]
pub(super) fn debounce(interval: f64) -> PyResult<Blueprint> {
    // Its interval may be set to zero later: then elements pass at once.
    timed(
        Debounce::new(interval::seconds(interval)?),
        Passage::NoFunctions,
    )
}

/// `throttle`: drops elements within an interval after one that passed.
#[pyfunction]
pub(super) fn throttle(interval: f64) -> PyResult<Blueprint> {
    timed(
        Throttle::new(interval::seconds(interval)?),
        Passage::NoFunctions,
    )
}

/// `sample`: sends the newest element once per interval.
#[pyfunction]
pub(super) fn sample(interval: f64) -> PyResult<Blueprint> {
    timed(Sample::new(interval::seconds(interval)?), Passage::Ends)
}
