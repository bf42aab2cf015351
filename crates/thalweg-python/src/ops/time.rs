//! Operators that keep a distance in time. All intervals are in seconds.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use thalweg::ops::{Debounce, DelayOptions, RateLimit, Sample, ShiftOptions, Throttle};
use thalweg::{BuildError, Operator, Reconfigure};

use crate::blueprint::Blueprint;
use crate::interval;
use crate::value::Value;

fn timed<O>(operator: Result<O, BuildError>) -> PyResult<Blueprint>
where
    O: Operator<In = Value, Out = Value> + Reconfigure,
{
    let operator = operator.map_err(|error| PyValueError::new_err(error.to_string()))?;
    Ok(Blueprint::passing(operator).on_loop())
}

/// `rate_limit`: lets one element pass per interval; emitters wait.
#[pyfunction]
pub(super) fn rate_limit(interval: f64) -> PyResult<Blueprint> {
    timed(RateLimit::new(interval::seconds(interval)?))
}

/// `delay`: lets one element pass per interval; emitters go on.
#[pyfunction]
pub(super) fn delay(interval: f64) -> PyResult<Blueprint> {
    let delay = DelayOptions::<Value>::by(interval::seconds(interval)?).in_next_round();
    Ok(Blueprint::passing(delay).on_loop())
}

/// `shift`: every element passes one interval later.
#[pyfunction]
pub(super) fn shift(interval: f64) -> PyResult<Blueprint> {
    let shift = ShiftOptions::<Value>::by(interval::seconds(interval)?);
    Ok(Blueprint::passing(shift).on_loop())
}

/// `debounce`: an element passes when none has followed it for an interval.
#[pyfunction]
pub(super) fn debounce(interval: f64) -> PyResult<Blueprint> {
    timed(Debounce::new(interval::seconds(interval)?))
}

/// `throttle`: after an element has passed, those that come within an interval are dropped.
#[pyfunction]
pub(super) fn throttle(interval: f64) -> PyResult<Blueprint> {
    timed(Throttle::new(interval::seconds(interval)?))
}

/// `sample`: sends the last element that has come, every interval.
#[pyfunction]
pub(super) fn sample(interval: f64) -> PyResult<Blueprint> {
    timed(Sample::new(interval::seconds(interval)?))
}
