//! Calls from this crate into the package's Python code: all go through `thalweg._upcalls`.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyModule;

/// A module of `thalweg._upcalls`, imported when it is first asked for.
pub(crate) struct Upcalls {
    module: PyOnceLock<Py<PyModule>>,
    name: &'static str,
}

/// Names that streams use.
pub(crate) static STREAMS: Upcalls = Upcalls::new("thalweg._upcalls");
/// Names that streams on engines use.
pub(crate) static PARALLEL: Upcalls = Upcalls::new("thalweg._upcalls.parallel");
/// Names that tasks use.
pub(crate) static TASKS: Upcalls = Upcalls::new("thalweg._upcalls.tasks");
/// Names that the dashboard uses.
pub(crate) static VIEW: Upcalls = Upcalls::new("thalweg._upcalls.view");
/// Names that futures of tasks use.
pub(crate) static FUTURES: Upcalls = Upcalls::new("thalweg._upcalls.futures");

impl Upcalls {
    const fn new(name: &'static str) -> Self {
        Self {
            module: PyOnceLock::new(),
            name,
        }
    }

    /// The object of that name.
    ///
    /// # Errors
    /// When the module can't be imported, or has none.
    pub(crate) fn get<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        let import = || py.import(self.name).map(Bound::unbind);
        let module = self.module.get_or_try_init(py, import)?;
        module.bind(py).getattr(name)
    }

    /// Calls the function of that name.
    ///
    /// # Errors
    /// As for [`get`](Self::get), and what the function raises.
    pub(crate) fn call<'py>(
        &self,
        py: Python<'py>,
        name: &str,
        arguments: impl pyo3::call::PyCallArgs<'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.get(py, name)?.call1(arguments)
    }
}
