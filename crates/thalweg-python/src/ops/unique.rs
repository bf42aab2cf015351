use pyo3::prelude::*;
use thalweg::ops::UniqueOptions;

use super::parts::{By, Key};
use crate::blueprint::Blueprint;
use crate::gil;
use crate::value::Value;

/// `unique`: drops elements whose key is among the last `maxsize` ones; without hashable keys, by
/// comparing with each.
#[pyfunction]
pub(super) fn unique(
    maxsize: Option<usize>,
    key: Option<&Bound<'_, PyAny>>,
    hashable: bool,
) -> Blueprint {
    let by = By::new(key);
    let function = by.function();
    let unique = UniqueOptions::<Value>::new().try_key(move |x| {
        if hashable {
            return by.key(x);
        }
        gil::held(|py| by.of(py, x).map(|key| Key::compared(&key)))
    });
    // As in streamz, 0 is no limit.
    let blueprint = match maxsize.filter(|size| *size > 0) {
        Some(size) => Blueprint::passing(unique.history(size)),
        None => Blueprint::passing(unique),
    };
    blueprint.calling(function)
}
