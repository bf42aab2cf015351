use pyo3::prelude::*;
use thalweg::ops::UniqueOptions;

use super::parts::{By, Key};
use crate::blueprint::Blueprint;
use crate::gil;
use crate::node::Placement;
use crate::value::Value;

/// `unique`: drops elements whose key is among the last `maxsize` ones. Unhashable keys are compared one by one; with
/// `None` for `hashable`, each key is tested.
#[pyfunction]
pub(super) fn unique(
    placement: Placement<'_>,
    maxsize: Option<usize>,
    key: Option<&Bound<'_, PyAny>>,
    hashable: Option<bool>,
    fifo: bool,
) -> PyResult<()> {
    let by = By::new(key);
    let function = by.function();
    let unique = UniqueOptions::<Value>::new().try_key(move |x| {
        if hashable == Some(true) {
            return by.key(x);
        }
        gil::held(|py| {
            let key = by.of(py, x)?;
            match hashable {
                None => Key::hashed_or_compared(&key),
                Some(_) => Ok(Key::compared(&key)),
            }
        })
    });
    let unique = if fifo { unique.fifo() } else { unique };
    // As in streamz, 0 is no limit.
    let blueprint = match maxsize.filter(|size| *size > 0) {
        Some(size) => Blueprint::passing(unique.history(size)),
        None => Blueprint::passing(unique),
    };
    placement.apply(blueprint.calling(function))
}
