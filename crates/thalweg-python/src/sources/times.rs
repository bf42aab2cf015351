use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use thalweg_io::schedule::Timestamp;
use thalweg_io::{Missed, Schedule};

use super::bridge::{RustSource, Sourced};
use crate::value::Value;

/// `from_schedule`: the times of a schedule. `start` is the instant of the clock's zero, and `to_datetime` converts an
/// instant, both in microseconds since 1970.
///
/// # Errors
/// The schedule, the zone, the policy or the instant is invalid.
#[pyfunction]
pub(super) fn schedule(
    schedule: &str,
    tz: &str,
    missed: &str,
    start: Option<i64>,
    to_datetime: Py<PyAny>,
) -> PyResult<RustSource> {
    let policy = match missed {
        "skip" => Missed::Skip,
        "once" => Missed::Once,
        "all" => Missed::All,
        other => {
            return Err(PyValueError::new_err(format!(
                "from_schedule: `missed` is \"skip\", \"once\" or \"all\", not {other:?}"
            )));
        }
    };
    let mut times = Schedule::new(schedule).zone(tz).missed(policy);
    if let Some(start) = start {
        times = times.start(Timestamp::from_microsecond(start).map_err(wrong)?);
    }
    times.check().map_err(wrong)?;
    Ok(RustSource::new(times, move |py, time| {
        let microseconds = time.timestamp().as_microsecond();
        let datetime = to_datetime.bind(py).call1((microseconds,))?;
        Ok(Some(Value::from(datetime)))
    }))
}

fn wrong(error: impl std::fmt::Display) -> PyErr {
    PyValueError::new_err(format!("from_schedule: {error}"))
}

impl Sourced for Schedule {}
