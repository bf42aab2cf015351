//! Calls into Python from the hot path. With the stable ABI of Python 3.10 a safe call makes a tuple
//! of its arguments first, which costs a fifth of what a small function does.

#![allow(unsafe_code)]

use std::ptr::null_mut;

use pyo3::ffi;
use pyo3::prelude::*;

/// `f(x)`.
#[inline]
pub(crate) fn one<'py>(
    f: &Bound<'py, PyAny>,
    x: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    // SAFETY: the token in `f` says that the GIL is held; both are live objects, borrowed for the
    // call; the list of arguments ends with a null pointer; the result is a new reference or null
    // with an exception set.
    unsafe {
        let result =
            ffi::PyObject_CallFunctionObjArgs(f.as_ptr(), x.as_ptr(), null_mut::<ffi::PyObject>());
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
    // SAFETY: as in `one`.
    unsafe {
        let result = ffi::PyObject_CallFunctionObjArgs(
            f.as_ptr(),
            x.as_ptr(),
            y.as_ptr(),
            null_mut::<ffi::PyObject>(),
        );
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
