//! The Python binding of thalweg: translates between Python and the engine, and nothing more.

mod awaiting;
mod blueprint;
mod call;
mod calls;
mod compiled;
mod contention;
mod dashboard;
mod emission;
mod event_loop;
mod failure;
mod function;
mod gil;
mod inlet;
mod interpreter;
mod interrupt;
mod interval;
mod iterable;
mod last_value;
mod lock;
mod metadata;
mod node;
mod ops;
mod overridden;
mod parallel;
mod pipeline;
mod policy;
mod run_on_loop;
mod scalars;
mod sources;
mod sql;
mod tasks;
mod tracing;
mod upcalls;
mod value;

/// The engine of the package `thalweg`.
#[pyo3::pymodule]
mod _thalweg {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::compiled::Signal;
    #[pymodule_export]
    use crate::dashboard::{Dashboard, Metrics};
    #[pymodule_export]
    use crate::emission::Emission;
    #[pymodule_export]
    use crate::event_loop::Pump;
    #[pymodule_export]
    use crate::iterable::{Batch, Flag};
    #[pymodule_export]
    use crate::node::Node;
    #[pymodule_export]
    use crate::ops::accumulate::Reset;
    #[pymodule_export]
    use crate::pipeline::Pipeline;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        crate::interpreter::check_is_main(module.py())?;
        crate::interpreter::find();
        crate::node::fast_emit::install(&module.py().get_type::<crate::node::Node>())?;
        crate::call::find();
        thalweg::block_around(crate::gil::without);
        thalweg::ask_waiting(crate::contention::has_patience);
        thalweg::exempt_from_policies(crate::interrupt::is_interrupt);
        thalweg_io::file_events::on_fallback(crate::sources::warn);
        thalweg_io::retries::on_retry(crate::sources::warn);
        thalweg_io::sql::on_other_copy(crate::sources::warn);
        let ops = PyModule::new(module.py(), "thalweg._thalweg.ops")?;
        crate::ops::register(&ops)?;
        // Makes submodules importable by name, as if they were files.
        let modules = module.py().import("sys")?.getattr("modules")?;
        modules.set_item(ops.name()?, &ops)?;
        module.add("ops", ops)?;
        module.add("signals", crate::compiled::Signals::all(module.py())?)?;
        let sources = PyModule::new(module.py(), "thalweg._thalweg.sources")?;
        crate::sources::register(&sources)?;
        modules.set_item(sources.name()?, &sources)?;
        module.add("sources", sources)?;
        let sql = PyModule::new(module.py(), "thalweg._thalweg.sql")?;
        crate::sql::register(&sql)?;
        modules.set_item(sql.name()?, &sql)?;
        module.add("sql", sql)?;
        let tasks = PyModule::new(module.py(), "thalweg._thalweg.tasks")?;
        crate::tasks::register(&tasks)?;
        modules.set_item(tasks.name()?, &tasks)?;
        module.add("tasks", tasks)?;
        let parallel = PyModule::new(module.py(), "thalweg._thalweg.parallel")?;
        crate::parallel::register(&parallel)?;
        modules.set_item(parallel.name()?, &parallel)?;
        module.add("parallel", parallel)?;
        module.add_function(wrap_pyfunction!(crate::interval::parse_interval, module)?)?;
        module.add_function(wrap_pyfunction!(crate::interpreter::note_ending, module)?)?;
        module.add_function(wrap_pyfunction!(crate::gil::await_visitors, module)?)?;
        module.add_function(wrap_pyfunction!(crate::gil::note_fork, module)?)?;
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
