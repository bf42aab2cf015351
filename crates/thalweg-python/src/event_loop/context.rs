//! Contexts of `contextvars`, in which asynchronous functions run.

use std::cell::RefCell;
use std::sync::Arc;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use thalweg::CallerContext;

/// The context in which an element was emitted. The awaitables that functions return for it are awaited there, as if the
/// emitter awaited them.
#[derive(Clone)]
pub(crate) struct CallContext(Arc<Py<PyAny>>);

thread_local! {
    /// The emitter's, while a function is called later on its behalf.
    static EMITTERS: RefCell<Option<CallContext>> = const { RefCell::new(None) };
}

impl CallContext {
    /// That of the current element's emitter, or a copy of the current one.
    ///
    /// # Errors
    /// There is no memory for it.
    pub(super) fn current(py: Python<'_>) -> PyResult<Self> {
        static COPY: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        if let Some(context) = EMITTERS.with_borrow(Clone::clone) {
            return Ok(context);
        }
        let copy = COPY.import(py, "contextvars", "copy_context")?;
        copy.call0().map(|context| Self(Arc::new(context.unbind())))
    }

    /// Calls a function with an argument in it.
    ///
    /// # Errors
    /// What the function raises.
    pub(crate) fn call<'py>(
        &self,
        function: &Bound<'py, PyAny>,
        argument: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = function.py();
        let context = self.0.bind(py);
        context.call_method1(intern!(py, "run"), (function, argument))
    }
}

impl From<CallContext> for CallerContext {
    fn from(context: CallContext) -> Self {
        Self::new(move |f| {
            let _restored = Restored(EMITTERS.replace(Some(context.clone())));
            f();
        })
    }
}

/// Restores the emitter's context on drop, also after a panic.
struct Restored(Option<CallContext>);

impl Drop for Restored {
    fn drop(&mut self) {
        EMITTERS.replace(self.0.take());
    }
}
