//! Operators: each takes Python's arguments, and makes the engine's operator at its placement.
//!
//! `cargo xtask stubs` writes this file: it lists the functions in the modules.

pub(crate) mod accumulate;
pub(crate) mod collect;
pub(crate) mod custom;
pub(crate) mod filter;
pub(crate) mod flatten;
pub(crate) mod join;
pub(crate) mod map;
pub(crate) mod map_async;
pub(crate) mod partition;
pub(crate) mod parts;
pub(crate) mod pluck;
pub(crate) mod queue;
pub(crate) mod sink;
pub(crate) mod slice;
pub(crate) mod stream;
pub(crate) mod time;
pub(crate) mod unique;
pub(crate) mod window;

use pyo3::prelude::*;

/// Adds the operators to their module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(accumulate::accumulate, module)?)?;
    module.add_function(wrap_pyfunction!(queue::buffer, module)?)?;
    module.add_function(wrap_pyfunction!(collect::collect, module)?)?;
    module.add_function(wrap_pyfunction!(join::combine_latest, module)?)?;
    module.add_function(wrap_pyfunction!(custom::custom, module)?)?;
    module.add_function(wrap_pyfunction!(time::debounce, module)?)?;
    module.add_function(wrap_pyfunction!(time::delay, module)?)?;
    module.add_function(wrap_pyfunction!(filter::filter, module)?)?;
    module.add_function(wrap_pyfunction!(flatten::flatten, module)?)?;
    module.add_function(wrap_pyfunction!(queue::latest, module)?)?;
    module.add_function(wrap_pyfunction!(map::map, module)?)?;
    module.add_function(wrap_pyfunction!(map_async::map_async, module)?)?;
    module.add_function(wrap_pyfunction!(partition::partition, module)?)?;
    module.add_function(wrap_pyfunction!(partition::partition_unique, module)?)?;
    module.add_function(wrap_pyfunction!(pluck::pluck, module)?)?;
    module.add_function(wrap_pyfunction!(time::rate_limit, module)?)?;
    module.add_function(wrap_pyfunction!(time::sample, module)?)?;
    module.add_function(wrap_pyfunction!(time::shift, module)?)?;
    module.add_function(wrap_pyfunction!(sink::sink, module)?)?;
    module.add_function(wrap_pyfunction!(sink::sink_batches, module)?)?;
    module.add_function(wrap_pyfunction!(slice::slice, module)?)?;
    module.add_function(wrap_pyfunction!(window::sliding_window, module)?)?;
    module.add_function(wrap_pyfunction!(stream::stream, module)?)?;
    module.add_function(wrap_pyfunction!(time::throttle, module)?)?;
    module.add_function(wrap_pyfunction!(window::timed_window, module)?)?;
    module.add_function(wrap_pyfunction!(window::timed_window_unique, module)?)?;
    module.add_function(wrap_pyfunction!(unique::unique, module)?)?;
    module.add_function(wrap_pyfunction!(join::zip, module)?)?;
    module.add_function(wrap_pyfunction!(join::zip_latest, module)?)?;
    Ok(())
}
