//! `KeyboardInterrupt`, `SystemExit` and the like. They are not failures of an element, and bypass policies: they are
//! carried around the pipeline to whoever entered it on this thread.

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::gil;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;

/// Number of threads with a pending interrupt, mostly 0, in which case nothing else is checked.
static NOTED: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static RAISED: Cell<bool> = const { Cell::new(false) };
    static ERROR: RefCell<Option<PyErr>> = const { RefCell::new(None) };
}

/// Whether an error is an interrupt.
pub(crate) fn is_interrupt(error: &(dyn std::error::Error + 'static)) -> bool {
    let error = error.downcast_ref::<PyErr>();
    error.is_some_and(|error| gil::attach(|py| !error.is_instance_of::<PyException>(py)))
}

/// Records an error if it is an interrupt.
#[cold]
pub(crate) fn note(py: Python<'_>, error: &PyErr) {
    if !error.is_instance_of::<PyException>(py) {
        keep(error.clone_ref(py));
    }
}

/// Records an interrupt. The first one is kept.
#[cold]
pub(crate) fn keep(error: PyErr) {
    if !RAISED.replace(true) {
        NOTED.fetch_add(1, Ordering::Relaxed);
        ERROR.set(Some(error));
    }
}

/// Runs event loop code that must not be skipped. The only error expected is an exception of a signal handler: it is
/// kept for the caller on this thread, and the code runs again.
///
/// # Errors
/// It fails every time.
pub(crate) fn through<R>(_: Python<'_>, mut run: impl FnMut() -> PyResult<R>) -> PyResult<R> {
    const TRIES: usize = 10;
    for _ in 1..TRIES {
        match run() {
            Ok(result) => return Ok(result),
            Err(error) => keep(error),
        }
    }
    run()
}

/// Raises the interrupt recorded on this thread.
#[inline(always)]
pub(crate) fn check() -> PyResult<()> {
    if is_noted() { Err(take()) } else { Ok(()) }
}

/// Whether [`check`] would raise something.
#[inline(always)]
pub(crate) fn is_noted() -> bool {
    NOTED.load(Ordering::Relaxed) > 0 && RAISED.get()
}

#[cold]
fn take() -> PyErr {
    RAISED.set(false);
    NOTED.fetch_sub(1, Ordering::Relaxed);
    ERROR
        .take()
        .unwrap_or_else(|| pyo3::exceptions::PyKeyboardInterrupt::new_err(()))
}
