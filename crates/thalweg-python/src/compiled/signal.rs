use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyTuple;

/// Objects that the engine and a compiled chain send to each other besides elements.
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
    /// The element is done; the next one may come.
    pub(crate) done: Py<Signal>,
    /// A batch follows.
    pub(crate) many: Py<Signal>,
    /// A function failed: its exception and the elements follow.
    pub(crate) failed: Py<Signal>,
    /// A sink's function returned something, which follows.
    pub(crate) ended: Py<Signal>,
    /// Elements arrived at busy nodes, which follow.
    pub(crate) left: Py<Signal>,
    /// An element goes to a join of the engine: the exit and the element follow.
    pub(crate) joined: Py<Signal>,
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
                joined: Py::new(py, Signal("joined"))?,
            })
        })
    }

    /// All signals, in the order in which chains expect them.
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
            &signals.joined,
        ];
        PyTuple::new(py, all)
    }
}
