//! The asynchronous call that running Python code belongs to, in a context variable, which tasks inherit.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use thalweg::CurrentCall;

/// An unfinished call, as stored in the context variable.
#[pyclass(frozen, module = "thalweg._thalweg")]
struct Call(CurrentCall);

fn variable(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static VARIABLE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let variable = VARIABLE.get_or_try_init(py, || {
        let class = py.import("contextvars")?.getattr("ContextVar")?;
        PyResult::Ok(class.call1(("thalweg_call",))?.unbind())
    })?;
    Ok(variable.bind(py))
}

/// Runs `start`, which starts a task; the task belongs to the call that is being polled.
pub(crate) fn within<R>(py: Python<'_>, start: impl FnOnce() -> PyResult<R>) -> PyResult<R> {
    let Some(call) = CurrentCall::get() else {
        return start();
    };
    let variable = variable(py)?;
    let token = variable.call_method1(intern!(py, "set"), (Call(call),))?;
    let started = start();
    variable.call_method1(intern!(py, "reset"), (token,))?;
    started
}

/// The call that the running code belongs to.
pub(crate) fn current(py: Python<'_>) -> PyResult<Option<CurrentCall>> {
    let found = variable(py)?.call_method1(intern!(py, "get"), (py.None(),))?;
    Ok(found.cast::<Call>().ok().map(|call| call.get().0.clone()))
}
