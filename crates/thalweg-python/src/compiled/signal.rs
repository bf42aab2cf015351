use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyTuple;

/// What the engine and a compiled chain tell each other besides elements.
#[pyclass(frozen, module = "thalweg._thalweg")]
pub(crate) struct Signal(&'static str);

#[pymethods]
impl Signal {
    fn __repr__(&self) -> String {
        format!("<{}>", self.0)
    }
}

/// All signals.
pub(crate) struct Signals {
    /// The element has been everywhere; the next may come.
    pub(crate) done: Py<Signal>,
    /// A batch comes next.
    pub(crate) many: Py<Signal>,
    /// A function has failed: its exception and the elements come next.
    pub(crate) failed: Py<Signal>,
    /// A sink's function has returned something: what comes next.
    pub(crate) ended: Py<Signal>,
    /// Elements have come to nodes that were at work: the nodes come next.
    pub(crate) left: Py<Signal>,
}

impl Signals {
    /// # Errors
    /// There is no memory for them.
    pub(crate) fn get(py: Python<'_>) -> PyResult<&'static Self> {
        static SIGNALS: PyOnceLock<Signals> = PyOnceLock::new();
        SIGNALS.get_or_try_init(py, || {
            Ok(Self {
                done: Py::new(py, Signal("done"))?,
                many: Py::new(py, Signal("many"))?,
                failed: Py::new(py, Signal("failed"))?,
                ended: Py::new(py, Signal("ended"))?,
                left: Py::new(py, Signal("left"))?,
            })
        })
    }

    /// The signals in the order in which chains take them.
    ///
    /// # Errors
    /// As for [`get`](Self::get).
    pub(crate) fn all(py: Python<'_>) -> PyResult<Bound<'_, PyTuple>> {
        let signals = Self::get(py)?;
        let all = [
            &signals.done,
            &signals.many,
            &signals.failed,
            &signals.ended,
            &signals.left,
        ];
        PyTuple::new(py, all)
    }
}
