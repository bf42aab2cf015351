//! Calls from this crate into the package's Python code, all through `thalweg._upcalls`.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyModule;

/// A module of `thalweg._upcalls`, imported on first use.
pub(crate) struct Upcalls {
    module: PyOnceLock<Py<PyModule>>,
    name: &'static str,
}

/// Names used by streams.
pub(crate) static STREAMS: Upcalls = Upcalls::new("thalweg._upcalls");
/// Names used by streams on engines.
pub(crate) static PARALLEL: Upcalls = Upcalls::new("thalweg._upcalls.parallel");
/// Names used by tasks.
pub(crate) static TASKS: Upcalls = Upcalls::new("thalweg._upcalls.tasks");
/// Names used by the dashboard.
pub(crate) static VIEW: Upcalls = Upcalls::new("thalweg._upcalls.view");
/// Names used by futures of tasks.
pub(crate) static FUTURES: Upcalls = Upcalls::new("thalweg._upcalls.futures");

impl Upcalls {
    const fn new(name: &'static str) -> Self {
        Self {
            module: PyOnceLock::new(),
            name,
        }
    }

    /// The object with a name.
    ///
    /// # Errors
    /// The module cannot be imported, or has no such name.
    pub(crate) fn get<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        let import = || py.import(self.name).map(Bound::unbind);
        let module = self.module.get_or_try_init(py, import)?;
        module.bind(py).getattr(name)
    }

    /// Calls the function with a name.
    ///
    /// # Errors
    /// The same as for [`get`](Self::get), and what the function raises.
    pub(crate) fn call<'py>(
        &self,
        py: Python<'py>,
        name: &str,
        arguments: impl pyo3::call::PyCallArgs<'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.get(py, name)?.call1(arguments)
    }
}
