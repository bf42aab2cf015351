//! Cancellation tokens of tasks.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;

/// Tells a running task whether it is still wanted.
#[pyclass(module = "thalweg._thalweg.tasks", frozen)]
pub(crate) struct Token(thalweg_tasks::Token);

#[pymethods]
impl Token {
    /// Whether the task was cancelled, has exceeded its time limit, or has no futures any more.
    #[getter]
    fn cancelled(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Raises `CancelledError` if the task is no longer wanted.
    fn check(&self, py: Python<'_>) -> PyResult<()> {
        static CANCELLED: PyOnceLock<Py<PyType>> = PyOnceLock::new();
        if !self.0.is_cancelled() {
            return Ok(());
        }
        let class = CANCELLED.import(py, "thalweg.tasks.errors", "CancelledError")?;
        Err(PyErr::from_value(
            class.call1(("this task is not wanted any more",))?,
        ))
    }

    fn __repr__(&self) -> String {
        format!(
            "<Token {}>",
            if self.0.is_cancelled() {
                "cancelled"
            } else {
                "wanted"
            }
        )
    }
}

/// The token of the task running in this thread, if there is one.
#[pyfunction]
pub(crate) fn current_token() -> Option<Token> {
    let token = thalweg_tasks::token();
    token.is_task().then_some(Token(token))
}
