//! Tasks: calls of Python functions on threads and processes.

mod arguments;
mod batches;
mod containers;
mod engine;
pub(crate) mod errors;
mod future;
mod graph;
mod info;
mod names;
mod options;
mod processes;
mod rows;
mod stack;
mod tally;
mod task_types;
mod threads;
mod token;

use pyo3::prelude::*;

pub(crate) use self::batches::Batches;
pub(crate) use self::engine::Engine;
pub(crate) use self::task_types::Program;
pub(crate) use self::threads::Turn;

/// Puts all of it into its module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    thalweg_tasks::host::on_shortage(threads::warn_of_shortage);
    module.add_class::<engine::Engine>()?;
    module.add_class::<future::Future>()?;
    module.add_class::<future::Interest>()?;
    module.add_class::<tally::Tally>()?;
    module.add_class::<processes::sending::Placeholder>()?;
    module.add_class::<token::Token>()?;
    module.add_function(wrap_pyfunction!(containers::search, module)?)?;
    module.add_function(wrap_pyfunction!(containers::replace, module)?)?;
    module.add_function(wrap_pyfunction!(token::current_token, module)?)?;
    module.add_function(wrap_pyfunction!(processes::serving::serve, module)?)?;
    module.add_function(wrap_pyfunction!(processes::serving::ask, module)?)?;
    module.add_function(wrap_pyfunction!(processes::serving::is_worker, module)?)?;
    module.add_function(wrap_pyfunction!(threads::current_engine, module)?)?;
    module.add_function(wrap_pyfunction!(threads::wait_for_threads, module)?)?;
    module.add_class::<threads::OutOfTheWay>()?;
    module.add_function(wrap_pyfunction!(threads::secede, module)?)?;
    module.add_function(wrap_pyfunction!(threads::rejoin, module)?)
}
