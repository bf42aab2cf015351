use std::time::Duration;

use pyo3::prelude::*;
use thalweg::ops::{PartitionOptions, PartitionUniqueOptions};

use super::parts::{By, keep, tuple};
use crate::blueprint::{Blueprint, Passage};
use crate::interval;
use crate::node::Placement;
use crate::value::Value;

/// `partition`: sends tuples of `n` elements; with `timeout`, in seconds, also smaller ones; with
/// `key`, each of elements with the same key.
#[pyfunction]
pub(super) fn partition(
    placement: Placement<'_>,
    n: usize,
    timeout: Option<f64>,
    key: Option<&Bound<'_, PyAny>>,
) -> PyResult<()> {
    let timeout: Option<Duration> = timeout.map(interval::seconds).transpose()?;
    let all = PartitionOptions::<Value>::of(n);
    let by = key.map(|key| By::new(Some(key)));
    let function = by.as_ref().and_then(By::function);
    let blueprint = match (by, timeout) {
        (None, None) => Blueprint::finished(all, tuple).passage(Passage::NoFunctions),
        (None, Some(timeout)) => {
            let blueprint = Blueprint::finished(all.timeout(timeout), tuple).on_loop();
            blueprint.passage(Passage::NoFunctions)
        }
        (Some(by), None) => Blueprint::finished(all.try_key(move |x| by.key(x)), tuple),
        (Some(by), Some(timeout)) => {
            let keyed = all.try_key(move |x| by.key(x)).timeout(timeout);
            Blueprint::finished(keyed, tuple).on_loop()
        }
    };
    placement.apply(blueprint.calling(function))
}

/// `partition_unique`: sends tuples of `n` elements whose keys differ.
#[pyfunction]
pub(super) fn partition_unique(
    placement: Placement<'_>,
    n: usize,
    key: Option<&Bound<'_, PyAny>>,
    keep_which: &str,
) -> PyResult<()> {
    let by = By::new(key);
    let function = by.function();
    let unique = PartitionUniqueOptions::<Value>::of(n)
        .try_key(move |x| by.key(x))
        .keep(keep(keep_which)?);
    placement.apply(Blueprint::finished(unique, tuple).calling(function))
}
