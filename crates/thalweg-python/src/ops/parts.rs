//! Parts that several operators share.

use std::hash::{Hash, Hasher};

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};
use thalweg::ops::Keep;

use crate::function::Function;
use crate::gil;
use crate::value::Value;

/// Elements of a window as a tuple.
pub(super) fn tuple(py: Python<'_>, elements: Vec<Value>) -> PyResult<Value> {
    let elements = elements.into_iter().map(Value::into_object);
    let elements: Vec<_> = elements.collect();
    PyTuple::new(py, elements).map(|tuple| Value::from(tuple.into_any()))
}

/// Elements of a window as a list.
pub(super) fn list(py: Python<'_>, elements: Vec<Value>) -> PyResult<Value> {
    let elements = elements.into_iter().map(Value::into_object);
    let elements: Vec<_> = elements.collect();
    PyList::new(py, elements).map(|list| Value::from(list.into_any()))
}

/// How to get an element's key: by a function, or as an item of the element.
pub(super) enum By {
    Itself,
    Function(Function),
    Item(Py<PyAny>),
}

impl By {
    pub(super) fn new(key: Option<&Bound<'_, PyAny>>) -> Self {
        match key {
            None => Self::Itself,
            Some(key) if key.is_callable() => Self::Function(Function::new(key, None, None)),
            Some(key) => Self::Item(key.clone().unbind()),
        }
    }

    pub(super) fn of<'py>(&self, py: Python<'py>, x: &Value) -> PyResult<Bound<'py, PyAny>> {
        match self {
            Self::Itself => Ok(x.bind(py).clone()),
            Self::Function(function) => function.call(py, x),
            Self::Item(item) => {
                let found = x.bind(py).get_item(item.bind(py));
                found.inspect_err(|error| crate::interrupt::note(py, error))
            }
        }
    }

    /// The key, in hashable form.
    ///
    /// # Errors
    /// The function's exception, or that the key is not hashable.
    pub(super) fn key(&self, x: &Value) -> PyResult<Key> {
        gil::held(|py| {
            let key = self.of(py, x)?;
            Key::hashed(&key).inspect_err(|error| crate::interrupt::note(py, error))
        })
    }

    /// The user's function.
    pub(super) fn function(&self) -> Option<Function> {
        match self {
            Self::Function(function) => Some(function.clone()),
            _ => None,
        }
    }
}

/// A Python object compared and hashed by Python's rules.
pub(crate) struct Key {
    pub(crate) object: Py<PyAny>,
    hash: isize,
}

impl Key {
    /// # Errors
    /// The object is not hashable.
    pub(super) fn hashed(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(Self {
            hash: object.hash()?,
            object: object.clone().unbind(),
        })
    }

    /// # Errors
    /// The exception of an object whose `__hash__` raises.
    pub(super) fn hashed_or_compared(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        match Self::hashed(object) {
            Err(error) if error.is_instance_of::<PyTypeError>(object.py()) => {
                Ok(Self::compared(object))
            }
            found => found,
        }
    }

    /// A key that is only compared: all of these have the same hash.
    pub(super) fn compared(object: &Bound<'_, PyAny>) -> Self {
        Self {
            hash: 0,
            object: object.clone().unbind(),
        }
    }
}

impl Clone for Key {
    fn clone(&self) -> Self {
        gil::held(|py| Self {
            object: self.object.clone_ref(py),
            hash: self.hash,
        })
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.hash.hash(state);
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash
            && gil::held(|py| {
                let (one, two) = (self.object.bind(py), other.object.bind(py));
                one.is(two)
                    || one
                        .eq(two)
                        .unwrap_or_else(|error| cannot_compare(py, error))
            })
    }
}

impl Eq for Key {}

/// An exception of `__eq__` is a failure of the comparing node.
#[cold]
fn cannot_compare(py: Python<'_>, error: PyErr) -> ! {
    crate::interrupt::note(py, &error);
    thalweg::throw(move || Box::new(gil::attach(|py| error.clone_ref(py))))
}

/// `"first"` or `"last"`.
///
/// # Errors
/// It is neither.
pub(super) fn keep(keep: &str) -> PyResult<Keep> {
    match keep {
        "first" => Ok(Keep::First),
        "last" => Ok(Keep::Last),
        other => Err(PyValueError::new_err(format!(
            "keep: \"first\" or \"last\", not {other:?}"
        ))),
    }
}
