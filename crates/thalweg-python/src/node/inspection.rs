//! Inspection of what a node holds.

use std::any::Any;

use pyo3::prelude::*;

use super::Node;
use super::traverse::objects_in;
use crate::value::Value;

#[pymethods]
impl Node {
    /// The objects held by the operator, in its order: elements, keys, a state.
    fn _kept(&self, py: Python<'_>) -> PyResult<Vec<Py<PyAny>>> {
        let parts = self.parts()?;
        let mut kept = Vec::new();
        let mut visit = |x: &dyn Any| {
            objects_in(x, &mut |object| kept.push(object.clone_ref(py)));
        };
        match &parts.between {
            Some(between) => between.traverse(&mut visit),
            None => parts.inlet.traverse(&mut visit),
        };
        Ok(kept)
    }

    /// The waiting elements of each inlet of a join, in order; `None` for a constant. Empty for other nodes, and while
    /// the join is emitting.
    fn _lanes(&self) -> PyResult<Vec<Option<Vec<Py<PyAny>>>>> {
        let lanes = self.parts()?.inlet.lanes().unwrap_or_default();
        let objects = |lane: Vec<Value>| lane.into_iter().map(Value::into_object).collect();
        Ok(lanes.into_iter().map(|lane| lane.map(objects)).collect())
    }
}
