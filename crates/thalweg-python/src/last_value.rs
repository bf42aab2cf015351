//! The last element sent by a node, readable from Python.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};

use crate::gil::Place;
use crate::value::Value;

/// Shared by the node in the engine, which writes it, and the node in Python, which reads it.
#[derive(Clone)]
pub(crate) struct LastValue(Arc<Place>);

impl LastValue {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Place::empty()))
    }

    /// Records an element, and passes it on.
    #[inline]
    pub(crate) fn note(&self, py: Python<'_>, x: Value) -> Value {
        self.set(py, x.object());
        x
    }

    #[inline]
    pub(crate) fn set(&self, py: Python<'_>, object: &Py<PyAny>) {
        drop(self.0.replace(py, Some(object.clone_ref(py))));
    }

    pub(crate) fn get(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.0.get(py)
    }

    pub(crate) fn visit(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.0.visit(visit)
    }
}
