use crate::gil;
use pyo3::prelude::*;

/// A Python object as an element of a stream.
pub(crate) struct Value(Py<PyAny>);

impl Value {
    pub(crate) fn new(object: impl Into<Py<PyAny>>) -> Self {
        Self(object.into())
    }

    #[inline]
    pub(crate) fn bind<'py>(&self, py: Python<'py>) -> &Bound<'py, PyAny> {
        self.0.bind(py)
    }

    pub(crate) fn object(&self) -> &Py<PyAny> {
        &self.0
    }

    pub(crate) fn into_object(self) -> Py<PyAny> {
        self.0
    }
}

impl Clone for Value {
    #[inline]
    fn clone(&self) -> Self {
        gil::held(|py| Self(self.0.clone_ref(py)))
    }
}

impl From<Bound<'_, PyAny>> for Value {
    #[inline]
    fn from(object: Bound<'_, PyAny>) -> Self {
        Self(object.unbind())
    }
}
