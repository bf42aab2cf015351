//! `KeyboardInterrupt`, `SystemExit` and their like: no failure of an element, and no policy's
//! business. They are carried around the pipeline to whoever entered it on this thread.

use std::cell::{Cell, RefCell};

use crate::gil;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;

thread_local! {
    static RAISED: Cell<bool> = const { Cell::new(false) };
    static ERROR: RefCell<Option<PyErr>> = const { RefCell::new(None) };
}

/// Whether an error is an interrupt.
pub(crate) fn is_interrupt(error: &(dyn std::error::Error + 'static)) -> bool {
    let error = error.downcast_ref::<PyErr>();
    error.is_some_and(|error| gil::attach(|py| !error.is_instance_of::<PyException>(py)))
}

/// Takes note of an error if it is an interrupt.
#[cold]
pub(crate) fn note(py: Python<'_>, error: &PyErr) {
    if !error.is_instance_of::<PyException>(py) {
        keep(error.clone_ref(py));
    }
}

/// Takes note of an error that is none of what was being done. The first is kept.
#[cold]
pub(crate) fn keep(error: PyErr) {
    if !RAISED.replace(true) {
        ERROR.set(Some(error));
    }
}

/// Runs code of an event loop's that must not be left undone. All that can go wrong in it is that a signal
/// handler raises: the exception is kept for the caller on this thread, and the code is run again.
///
/// # Errors
/// It goes wrong every time.
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

/// Raises what was noted on this thread.
#[inline]
pub(crate) fn check() -> PyResult<()> {
    if RAISED.get() { Err(take()) } else { Ok(()) }
}

#[cold]
fn take() -> PyErr {
    RAISED.set(false);
    ERROR
        .take()
        .unwrap_or_else(|| pyo3::exceptions::PyKeyboardInterrupt::new_err(()))
}
