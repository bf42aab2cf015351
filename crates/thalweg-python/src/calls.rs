//! The asynchronous call that running Python code belongs to, in a context variable, which tasks inherit.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use thalweg::CurrentCall;

use crate::event_loop::CallContext;

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

/// Makes what runs in a context part of the call that is being polled.
pub(crate) fn enter_in(py: Python<'_>, context: &CallContext) -> PyResult<()> {
    if let Some(call) = CurrentCall::get() {
        let set = variable(py)?.getattr(intern!(py, "set"))?;
        context.call(&set, Bound::new(py, Call(call))?.as_any())?;
    }
    Ok(())
}

/// The call that the running code belongs to.
pub(crate) fn current(py: Python<'_>) -> PyResult<Option<CurrentCall>> {
    let found = variable(py)?.call_method1(intern!(py, "get"), (py.None(),))?;
    Ok(found.cast::<Call>().ok().map(|call| call.get().0.clone()))
}
