//! The Python face of thalweg: translates between Python and the engine, and nothing more.

/// The engine of the package `thalweg`.
#[pyo3::pymodule]
mod _thalweg {
    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
