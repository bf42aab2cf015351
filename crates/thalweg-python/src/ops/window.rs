use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use thalweg::ops::{SlidingWindow, TimedWindowOptions, TimedWindowUniqueOptions};

use super::parts::{By, keep, list, tuple};
use crate::blueprint::{Blueprint, Passage};
use crate::interval;
use crate::node::Placement;
use crate::value::Value;

/// `sliding_window`: sends the last `n` elements as a tuple, for every element.
#[pyfunction]
pub(super) fn sliding_window(
    placement: Placement<'_>,
    n: usize,
    return_partial: bool,
) -> PyResult<()> {
    let window = if return_partial {
        SlidingWindow::<Value>::partial(n)
    } else {
        SlidingWindow::full(n)
    };
    let window = window.map_err(|error| PyValueError::new_err(error.to_string()))?;
    placement.apply(Blueprint::finished(window, tuple).passage(Passage::NoFunctions))
}

/// `timed_window`: sends the elements of each `interval` seconds as a list.
#[pyfunction]
pub(super) fn timed_window(placement: Placement<'_>, interval: f64) -> PyResult<()> {
    let window = TimedWindowOptions::<Value>::every(interval::seconds(interval)?).at_once();
    let blueprint = Blueprint::finished(window, list).on_loop();
    placement.apply(blueprint.passage(Passage::Ends))
}

/// `timed_window_unique`: the same with distinct keys, as a tuple.
#[pyfunction]
pub(super) fn timed_window_unique(
    placement: Placement<'_>,
    interval: f64,
    key: Option<&Bound<'_, PyAny>>,
    keep_which: &str,
) -> PyResult<()> {
    let by = By::new(key);
    let function = by.function();
    let window = TimedWindowUniqueOptions::<Value>::every(interval::seconds(interval)?)
        .at_once()
        .try_key(move |x| by.key(x))
        .keep(keep(keep_which)?);
    placement.apply(
        Blueprint::finished(window, tuple)
            .on_loop()
            .calling(function),
    )
}
