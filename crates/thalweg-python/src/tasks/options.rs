//! Options of tasks.

use std::sync::Arc;
use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use thalweg_tasks::host::Options;

/// Amounts of resources that tasks take from their workers while they run.
pub(crate) fn resources(given: Option<&Bound<'_, PyDict>>) -> PyResult<Vec<(Box<str>, f64)>> {
    let mut resources = Vec::new();
    for (name, amount) in given.into_iter().flatten() {
        let (name, amount) = (name.extract::<String>()?, amount.extract::<f64>()?);
        if amount.is_nan() || amount < 0.0 {
            let message =
                format!("resources: the amount of {name:?} is to be 0 or more, not {amount}");
            return Err(PyValueError::new_err(message));
        }
        resources.push((name.into(), amount));
    }
    Ok(resources)
}

/// A time limit in seconds.
pub(crate) fn limit(name: &str, seconds: Option<f64>) -> PyResult<Option<Duration>> {
    let Some(seconds) = seconds else {
        return Ok(None);
    };
    if seconds.is_infinite() && seconds > 0.0 {
        return Ok(None);
    }
    match Duration::try_from_secs_f64(seconds) {
        Ok(limit) => Ok(Some(limit)),
        Err(_) => {
            let message =
                format!("{name}: a number of seconds, 0 or more, is needed, not {seconds}");
            Err(PyValueError::new_err(message))
        }
    }
}

/// The options of a task; `None` if all are defaults.
pub(crate) fn options(
    key: Option<String>,
    priority: f64,
    retries: i64,
    taken: Option<&Bound<'_, PyDict>>,
    time_limit: Option<f64>,
) -> PyResult<Option<Arc<Options>>> {
    if priority.is_nan() {
        return Err(PyValueError::new_err(
            "priority: a number is needed, not nan",
        ));
    }
    let retries = u32::try_from(retries).map_err(|_| {
        PyValueError::new_err(format!("retries: 0 or more are needed, not {retries}"))
    })?;
    let options = Options {
        priority,
        retries,
        time_limit: limit("time_limit", time_limit)?,
        resources: resources(taken)?,
        key: key.map(Into::into),
    };
    Ok((options != Options::default()).then(|| Arc::new(options)))
}
