//! Calls into Python from the hot path. With the stable ABI of Python 3.10 a safe call makes a tuple
//! of its arguments first, which costs a fifth of what a small function does.

#![allow(unsafe_code)]

use std::ptr::null_mut;
use std::sync::OnceLock;

use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;

/// `PyObject_Vectorcall`, which takes arguments from an array: part of the stable ABI from Python 3.12 on,
/// and there, with the same signature, since 3.11. Python 3.10 gets along without.
type Vectorcall = unsafe extern "C" fn(
    *mut PyObject,
    *const *mut PyObject,
    usize,
    *mut PyObject,
) -> *mut PyObject;

static VECTORCALL: OnceLock<Option<Vectorcall>> = OnceLock::new();

/// Says that the place before the first argument may be used by who is called, for a `self`.
const ARGUMENTS_OFFSET: usize = 1 << (usize::BITS - 1);

/// Looks for faster ways to call; to be called once, when the module is loaded.
pub(crate) fn find() {
    VECTORCALL.get_or_init(look);
}

#[cfg(unix)]
fn look() -> Option<Vectorcall> {
    let interpreter = libloading::os::unix::Library::this();
    // SAFETY: whatever has that name in an interpreter has that signature, see above; it is there for
    // as long as the process.
    unsafe {
        interpreter
            .get::<Vectorcall>(b"PyObject_Vectorcall")
            .ok()
            .map(|call| *call)
    }
}

#[cfg(not(unix))]
fn look() -> Option<Vectorcall> {
    None
}

/// `f(x)`.
#[inline]
pub(crate) fn one<'py>(
    f: &Bound<'py, PyAny>,
    x: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let end = null_mut::<PyObject>();
    // SAFETY: the token in `f` says that the GIL is held; both are live objects, borrowed for the
    // call; the array has one argument and a place before it, the list ends with a null pointer; the
    // result is a new reference, or null with an exception set.
    unsafe {
        let result = match VECTORCALL.get() {
            Some(Some(call)) => {
                let arguments = [end, x.as_ptr()];
                call(
                    f.as_ptr(),
                    arguments.as_ptr().add(1),
                    1 | ARGUMENTS_OFFSET,
                    end,
                )
            }
            _ => ffi::PyObject_CallFunctionObjArgs(f.as_ptr(), x.as_ptr(), end),
        };
        Bound::from_owned_ptr_or_err(f.py(), result)
    }
}

/// `f(x, y)`.
#[inline]
pub(crate) fn two<'py>(
    f: &Bound<'py, PyAny>,
    x: &Bound<'py, PyAny>,
    y: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let end = null_mut::<PyObject>();
    // SAFETY: as in `one`, with two arguments.
    unsafe {
        let result = match VECTORCALL.get() {
            Some(Some(call)) => {
                let arguments = [end, x.as_ptr(), y.as_ptr()];
                call(
                    f.as_ptr(),
                    arguments.as_ptr().add(1),
                    2 | ARGUMENTS_OFFSET,
                    end,
                )
            }
            _ => ffi::PyObject_CallFunctionObjArgs(f.as_ptr(), x.as_ptr(), y.as_ptr(), end),
        };
        Bound::from_owned_ptr_or_err(f.py(), result)
    }
}

/// The next element of an iterator; `None` at its end.
#[inline]
pub(crate) fn next<'py>(iterator: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
    // SAFETY: the GIL is held, and only iterators are given here; the result is a new reference, or
    // null at the end, with an exception set if there was one.
    unsafe {
        let next = ffi::PyIter_Next(iterator.as_ptr());
        match Bound::from_owned_ptr_or_opt(iterator.py(), next) {
            Some(next) => Ok(Some(next)),
            None => PyErr::take(iterator.py()).map_or(Ok(None), Err),
        }
    }
}
