//! Fast path of `emit` for one argument, without a loop or on the running loop: half the cost of a method with all
//! arguments. Most elements enter here.

#![allow(unsafe_code)]

use pyo3::exceptions::PyTypeError;
use pyo3::ffi::{self, PyObject};
use pyo3::impl_::trampoline::get_trampoline_function;
use pyo3::prelude::*;
use pyo3::types::PyType;

use super::Node;
use crate::emission::{self, Emission};
use crate::pipeline::Mode;
use crate::value::Value;

/// Gives `Node`, or a subclass, its own `emit`.
///
/// # Errors
/// The class is not a subclass of `Node`.
pub(crate) fn install(class: &Bound<'_, PyType>) -> PyResult<()> {
    if !class.is_subclass_of::<Node>()? {
        return Err(PyTypeError::new_err(format!("{class} is not a stream")));
    }
    let definition = ffi::PyMethodDef {
        ml_name: c"emit".as_ptr(),
        ml_meth: ffi::PyMethodDefPointer {
            PyCFunctionFastWithKeywords: get_trampoline_function!(
                fastcall_cfunction_with_keywords,
                emit
            ),
        },
        ml_flags: ffi::METH_FASTCALL | ffi::METH_KEYWORDS,
        ml_doc: DOC.as_ptr(),
    };
    // Types and their methods are never freed.
    let definition = Box::leak(Box::new(definition));
    // SAFETY: the class is a type and the definition is never freed; the result is a new reference,
    // or null with an exception set.
    let method = unsafe {
        let method = ffi::PyDescr_NewMethod(class.as_ptr().cast(), definition);
        Bound::from_owned_ptr_or_err(class.py(), method)?
    };
    class.setattr("emit", method)
}

const DOC: &std::ffi::CStr = c"emit($self, /, x, asynchronous=False, metadata=None, timeout=None)
--

Send an element to everything downstream.

On an event loop of one's own it returns something to await, which is done when every node downstream
has taken the element; otherwise it returns None when that is so.

Parameters
----------
x:
    The element.
asynchronous:
    Whether to return something to await in any case.
metadata:
    A list of dicts that go with the element; see `RefCounter`.
timeout:
    How long to wait at most: seconds, or text such as ``5s``. Then the element is withdrawn where it still
    waits for room; where it has been taken, it goes on.

Raises
------
What a function downstream raised for this element, with a note that names the node; or for an earlier
element, where nobody waited for that any more. TimeoutError
when `timeout` has passed.";

/// `emit` as called by the interpreter, after pyo3 has recorded that this thread holds the GIL.
///
/// # Safety
/// The interpreter calls this with the GIL, as a method of objects of the class that it was given to alone, which it
/// checks, and which are `Node`s, and with `count` positional arguments, followed by those that `names` names.
unsafe fn emit(
    py: Python<'_>,
    node: *mut PyObject,
    arguments: *const *mut PyObject,
    count: ffi::Py_ssize_t,
    names: *mut PyObject,
) -> PyResult<*mut PyObject> {
    // SAFETY: see above; all of them are borrowed for the call.
    let result = unsafe {
        let node = Bound::ref_from_ptr(py, &node).cast_unchecked::<Node>();
        if count == 1 && names.is_null() {
            one(node, Bound::from_borrowed_ptr(py, *arguments))
        } else {
            all(node, arguments, count, names)
        }
    };
    match result {
        Ok(result) => Ok(result.into_ptr()),
        Err(error) => {
            super::emit::stop_at_end(py);
            Err(error)
        }
    }
}

/// `node.emit(x)`.
#[inline(always)]
fn one(node: &Bound<'_, Node>, x: Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
    let py = node.py();
    let parts = node.get().parts_anywhere()?;
    let pipeline = parts.pipeline();
    let event_loop = match pipeline.mode() {
        _ if pipeline.is_unsettled() => None,
        Mode::NoLoop => Some(None),
        Mode::Here => pipeline.event_loop().filter(|it| it.is_here(py)).map(Some),
        _ => None,
    };
    let Some(event_loop) = event_loop else {
        return Node::emit(node, x, false, None, None);
    };
    parts.note_current(py, x.as_unbound());
    let emit = parts.out.emit(Value::from(x));
    if event_loop.is_some() {
        return Emission::of(py, emit, event_loop);
    }
    if pipeline.mode() == Mode::Ended {
        Node::see_to_late(node)?;
    }
    if emit.is_ready() {
        emission::finished(py, emit)?;
        return Ok(py.None());
    }
    parts.without_loop(py, emit)
}

/// The same with any arguments.
///
/// # Safety
/// The arguments are those that the interpreter passed.
#[cold]
unsafe fn all(
    node: &Bound<'_, Node>,
    arguments: *const *mut PyObject,
    count: ffi::Py_ssize_t,
    names: *mut PyObject,
) -> PyResult<Py<PyAny>> {
    use pyo3::types::{PyDict, PyTuple};

    let py = node.py();
    let at = |place: usize| {
        // SAFETY: `place` is less than the number of arguments, see below.
        unsafe { Bound::from_borrowed_ptr(py, *arguments.add(place)) }
    };
    let count = count as usize;
    let positional = PyTuple::new(py, (0..count).map(at))?;
    let named = PyDict::new(py);
    // SAFETY: it is a tuple of strings, one for each named argument, or null.
    if let Some(names) = unsafe { Bound::from_borrowed_ptr_or_opt(py, names) } {
        for (place, name) in names.try_iter()?.enumerate() {
            named.set_item(name?, at(count + place))?;
        }
    }
    let method = node.getattr("_emit_with")?;
    Ok(method.call(positional, Some(&named))?.unbind())
}
