//! Calls into Python from the hot path. With the stable ABI of Python 3.10 a safe call makes a tuple
//! of its arguments first, which costs a fifth of what a small function does.

#![allow(unsafe_code)]

use std::ptr::null_mut;
use std::sync::OnceLock;

use pyo3::ffi::PyObject;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::{gil, interpreter};

/// `PyObject_Vectorcall`, which takes arguments from an array: part of the stable ABI from Python 3.12 on,
/// and there, with the same signature, since 3.11. Python 3.10 gets along without.
type Vectorcall = unsafe extern "C-unwind" fn(
    *mut PyObject,
    *const *mut PyObject,
    usize,
    *mut PyObject,
) -> *mut PyObject;

unsafe extern "C-unwind" {
    // As in `pyo3::ffi`, but for the unwinding.
    fn PyObject_CallFunctionObjArgs(callable: *mut PyObject, ...) -> *mut PyObject;
    fn PyObject_Call(
        callable: *mut PyObject,
        args: *mut PyObject,
        kwargs: *mut PyObject,
    ) -> *mut PyObject;
    fn PyIter_Next(iterator: *mut PyObject) -> *mut PyObject;
    fn PyIter_Send(
        generator: *mut PyObject,
        argument: *mut PyObject,
        result: *mut *mut PyObject,
    ) -> std::ffi::c_int;
}

/// Parks the thread if its stack is being unwound.
///
/// Before Python 3.14, an ending interpreter unwinds other threads when they ask for the GIL. No Rust frame survives
/// that.
struct Parked;

impl Drop for Parked {
    fn drop(&mut self) {
        interpreter::park();
    }
}

/// Calls into the interpreter from a frame that is never unwound.
#[inline(always)]
fn guarded(call: impl FnOnce() -> *mut PyObject) -> *mut PyObject {
    let parked = Parked;
    let result = call();
    std::mem::forget(parked);
    result
}

static VECTORCALL: OnceLock<Option<Vectorcall>> = OnceLock::new();

/// Flag: the slot before the first argument may be overwritten by the callee, for a `self`.
const ARGUMENTS_OFFSET: usize = 1 << (usize::BITS - 1);

/// Looks up faster ways to call. Called once, when the module is loaded.
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
                guarded(|| {
                    call(
                        f.as_ptr(),
                        arguments.as_ptr().add(1),
                        1 | ARGUMENTS_OFFSET,
                        end,
                    )
                })
            }
            _ => guarded(|| PyObject_CallFunctionObjArgs(f.as_ptr(), x.as_ptr(), end)),
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
                guarded(|| {
                    call(
                        f.as_ptr(),
                        arguments.as_ptr().add(1),
                        2 | ARGUMENTS_OFFSET,
                        end,
                    )
                })
            }
            _ => guarded(|| PyObject_CallFunctionObjArgs(f.as_ptr(), x.as_ptr(), y.as_ptr(), end)),
        };
        Bound::from_owned_ptr_or_err(f.py(), result)
    }
}

/// `f(*args, **kwargs)`.
pub(crate) fn with<'py>(
    f: &Bound<'py, PyAny>,
    args: &Bound<'py, PyTuple>,
    kwargs: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    let kwargs = kwargs.map_or(null_mut(), |kwargs| kwargs.as_ptr());
    // SAFETY: the token in `f` says that the GIL is held; all are live objects of the types that are
    // asked for, borrowed for the call; the result is a new reference, or null with an exception set.
    unsafe {
        let result = guarded(|| PyObject_Call(f.as_ptr(), args.as_ptr(), kwargs));
        Bound::from_owned_ptr_or_err(f.py(), result)
    }
}

/// `f(*args, **kwargs)` for functions that may take long: the program's end does not wait for them.
pub(crate) fn task<'py>(
    f: &Bound<'py, PyAny>,
    args: &Bound<'py, PyTuple>,
    kwargs: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    gil::unawaited(|| with(f, args, kwargs))
}

/// Calls a function and reports its exception, since nobody waits for the result.
pub(crate) fn reporting<'py, A>(f: &Bound<'py, PyAny>, args: A)
where
    A: IntoPyObject<'py, Target = PyTuple, Output = Bound<'py, PyTuple>>,
{
    let args = args.into_pyobject(f.py()).map_err(Into::into);
    if let Err(error) = args.and_then(|args| task(f, &args, None)) {
        error.write_unraisable(f.py(), Some(f));
    }
}

/// Sends an object to a generator, and returns what it yields next.
///
/// # Errors
/// It has raised an exception or is exhausted.
#[inline]
pub(crate) fn resume<'py>(
    generator: &Bound<'py, PyAny>,
    x: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = generator.py();
    let mut result = null_mut();
    // SAFETY: the GIL is held, both are live objects, borrowed for the call; what is written to `result` is a new
    // reference, or null with an exception set.
    unsafe {
        let parked = Parked;
        let sent = PyIter_Send(generator.as_ptr(), x.as_ptr(), &mut result);
        std::mem::forget(parked);
        let yielded = Bound::from_owned_ptr_or_err(py, result)?;
        if sent == 1 { Ok(yielded) } else { Err(ended()) }
    }
}

#[cold]
fn ended() -> PyErr {
    pyo3::exceptions::PyRuntimeError::new_err(
        "the compiled chain has been ended by its own function",
    )
}

/// The next element of an iterator; `None` at its end.
#[inline]
pub(crate) fn next<'py>(iterator: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
    // SAFETY: the GIL is held, and only iterators are given here; the result is a new reference, or
    // null at the end, with an exception set if there was one.
    unsafe {
        let next = guarded(|| PyIter_Next(iterator.as_ptr()));
        match Bound::from_owned_ptr_or_opt(iterator.py(), next) {
            Some(next) => Ok(Some(next)),
            None => PyErr::take(iterator.py()).map_or(Ok(None), Err),
        }
    }
}
