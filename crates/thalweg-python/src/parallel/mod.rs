//! Streams on an engine: elements that are promises of objects, their steps, and the nodes between `scatter` and
//! `gather`.

mod element;
mod engines;
mod fold;
mod nodes;
mod program;
mod remote;
mod step;

use pyo3::prelude::*;

pub(crate) use self::nodes::UNWRAP;
pub(crate) use self::program::Program;

/// Adds the module's contents.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<element::Element>()?;
    module.add_class::<engines::Queue>()?;
    module.add_class::<engines::Work>()?;
    module.add_class::<step::Step>()?;
    module.add_class::<fold::Accumulation>()?;
    module.add_class::<program::Program>()?;
    module.add_class::<remote::Arrival>()?;
    module.add_function(wrap_pyfunction!(nodes::scatter, module)?)?;
    module.add_function(wrap_pyfunction!(nodes::through, module)?)?;
    module.add_function(wrap_pyfunction!(nodes::launch, module)?)?;
    module.add_function(wrap_pyfunction!(nodes::accumulate, module)?)?;
    module.add_function(wrap_pyfunction!(nodes::settle, module)?)?;
    module.add_function(wrap_pyfunction!(nodes::untag, module)?)?;
    module.add_function(wrap_pyfunction!(nodes::buffer, module)?)?;
    module.add_function(wrap_pyfunction!(nodes::passage, module)?)
}
