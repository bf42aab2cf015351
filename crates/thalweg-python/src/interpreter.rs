//! State of the interpreter: which one this is, and whether it is ending.

#![allow(unsafe_code)]

use std::ffi::{CStr, c_int};
use std::sync::OnceLock;
use std::thread::ThreadId;

use pyo3::exceptions::{PyImportError, PyRuntimeError};
use pyo3::ffi;
use pyo3::prelude::*;

/// `Py_IsFinalizing`, which has a leading underscore in Python 3.10 to 3.12.
static IS_FINALIZING: OnceLock<Option<unsafe extern "C" fn() -> c_int>> = OnceLock::new();

/// Id of the thread that ends the interpreter, once it has begun to.
static ENDS_HERE: OnceLock<ThreadId> = OnceLock::new();

/// Looks up symbols outside the stable ABI. Called once, when the module is loaded.
pub(crate) fn find() {
    IS_FINALIZING.get_or_init(look);
}

#[cfg(unix)]
fn look() -> Option<unsafe extern "C" fn() -> c_int> {
    let interpreter = libloading::os::unix::Library::this();
    [&b"Py_IsFinalizing"[..], b"_Py_IsFinalizing"]
        .into_iter()
        // SAFETY: both functions have had this signature since Python 3.7, and stay for as long as the
        // process.
        .find_map(|name| unsafe { interpreter.get(name).ok().map(|found| *found) })
}

#[cfg(not(unix))]
fn look() -> Option<unsafe extern "C" fn() -> c_int> {
    None
}

/// Records the thread that ends the program and its interpreter. It keeps the GIL, and is never parked.
#[pyfunction]
pub(crate) fn note_ending() {
    let _ = ENDS_HERE.set(std::thread::current().id());
}

/// Python's id of this thread: `threading.get_ident()`.
pub(crate) fn thread_id() -> u64 {
    // SAFETY: it may be called at any time.
    let id = unsafe { ffi::PyThread_get_thread_ident() };
    #[allow(clippy::useless_conversion, reason = "a long has 32 bits on Windows")]
    u64::from(id)
}

/// Whether this thread ends the interpreter.
pub(crate) fn ends_here() -> bool {
    ENDS_HERE.get() == Some(&std::thread::current().id())
}

/// Whether another thread is ending the program, and this one with it.
pub(crate) fn ends_elsewhere() -> bool {
    ENDS_HERE.get().is_some() && !ends_here()
}

/// Whether the interpreter is ending: other threads never get the GIL again.
pub(crate) fn is_finalizing() -> bool {
    match IS_FINALIZING.get() {
        // SAFETY: it may be called at any time, with or without the GIL.
        Some(Some(is_finalizing)) => unsafe { is_finalizing() != 0 },
        _ => false,
    }
}

/// Checks that the interpreter is not ending: event loops on other threads would not run any more.
///
/// # Errors
/// It is ending.
pub(crate) fn check_running() -> PyResult<()> {
    if is_finalizing() {
        return Err(PyRuntimeError::new_err(ENDING.to_string_lossy()));
    }
    Ok(())
}

/// Error of calls during the interpreter's end.
pub(crate) const ENDING: &CStr = c"the interpreter is ending: elements are taken no more";

/// Parks this thread if another thread is ending the interpreter. The interpreter unwinds threads that ask for the GIL
/// too late, which Rust frames do not survive. Python 3.14 parks them in the same way.
pub(crate) fn park_if_finalizing() {
    if is_finalizing() && !ends_here() {
        park();
    }
}

/// Parks this thread for ever.
pub(crate) fn park() -> ! {
    loop {
        std::thread::park();
    }
}

/// Checks that this is the main interpreter.
///
/// # Errors
/// This is a sub-interpreter: the engine's threads would ask for the GIL of another one.
pub(crate) fn check_is_main(_: Python<'_>) -> PyResult<()> {
    // SAFETY: the token says that this thread is attached, so there is a current interpreter.
    let id = unsafe { ffi::PyInterpreterState_GetID(ffi::PyInterpreterState_Get()) };
    if id == 0 {
        return Ok(());
    }
    Err(PyImportError::new_err(
        "thalweg does not run in sub-interpreters: import it in the main interpreter, or use threads or processes",
    ))
}
