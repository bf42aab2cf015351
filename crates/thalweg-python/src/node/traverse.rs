//! References held by the engine's nodes, as the garbage collector sees them.

use std::any::Any;
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};
use thalweg::Arrival;

use super::{Node, Parts};
use crate::inlet::Traverse;
use crate::ops::flatten::Elements;
use crate::ops::parts::Key;
use crate::run_on_loop::Begun;
use crate::value::Value;

impl Parts {
    /// Visits every object held by the engine's nodes behind this one.
    ///
    /// The garbage collector visits all objects twice or more, and has to see the same each time. It holds the GIL, and
    /// so does every thread that works in a pipeline: while it is held, either everything is visible or nothing. What
    /// is not visited counts as in use.
    pub(super) fn visit_kept(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        let mut seen = Ok(());
        let mut visit = |x: &dyn Any| {
            if seen.is_ok() {
                seen = show(x, visit);
            }
        };
        self.inlet.traverse(&mut visit);
        if let Some(between) = &self.between {
            between.traverse(&mut visit);
        }
        if self.out.node_id() != self.inlet.id() {
            Traverse::traverse(&self.out, &mut visit);
        }
        if let Some(door) = &self.door {
            Traverse::traverse(door, &mut visit);
        }
        seen
    }
}

#[pymethods]
impl Node {
    /// Flushes a collecting node; returns the result of `emit`.
    fn _flush(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let parts = self.parts()?;
        match parts.between.as_ref().and_then(|keeper| keeper.flush()) {
            Some(flush) => parts.begin(py, false, || Begun::Emit(flush())),
            None => Ok(py.None()),
        }
    }
}

/// Visits the objects within a held value. Shared objects have no single owner, and are not visited.
fn show(x: &dyn Any, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
    let mut shown = Ok(());
    objects_in(x, &mut |object| {
        if shown.is_ok() {
            shown = visit.call(object);
        }
    });
    shown
}

/// Calls `f` with each object within a held value.
pub(crate) fn objects_in(x: &dyn Any, f: &mut dyn FnMut(&Py<PyAny>)) {
    if let Some(x) = x.downcast_ref::<Value>() {
        f(x.object());
    } else if let Some(Some(x)) = x.downcast_ref::<Option<Value>>() {
        f(x.object());
    } else if let Some(group) = x.downcast_ref::<Vec<Value>>() {
        group.iter().for_each(|x| f(x.object()));
    } else if let Some(Arrival::Element(_, x) | Arrival::Literal(_, x)) =
        x.downcast_ref::<Arrival<Value>>()
    {
        f(x.object());
    } else if let Some(key) = x.downcast_ref::<Key>() {
        f(&key.object);
    } else if let Some(elements) = x.downcast_ref::<Elements>() {
        f(elements.0.object());
    } else if let Some(Ok(x)) = x.downcast_ref::<Result<Value, Arc<PyErr>>>() {
        f(x.object());
    }
}
