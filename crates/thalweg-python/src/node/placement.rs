//! Where an operator goes.

use pyo3::exceptions::{PyAttributeError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;

use super::Node;
use super::making::{self, Making};
use crate::blueprint::Blueprint;
use crate::policy;

/// Where an operator goes: Python passes it to the function that makes the operator, so that a node is built in one call.
#[derive(FromPyObject)]
pub(crate) enum Placement<'py> {
    /// A new node: the object, its upstreams, which may include constants for a join, its name, its policy, and whether
    /// a subclass overrides the operator's `update`.
    New(
        Bound<'py, Node>,
        Vec<Bound<'py, PyAny>>,
        String,
        Option<Bound<'py, PyAny>>,
        bool,
    ),
    /// A node in its pipeline, which gets the operator's settings, and whether it keeps its state.
    Running(Bound<'py, Node>, bool),
}

impl Placement<'_> {
    /// Builds the node of a blueprint, or gives the running one its settings.
    ///
    /// # Errors
    /// The object has a node already; an upstream is of no use, has been drained, or is a parent process's. The operator
    /// cannot be reconfigured, or not like this.
    pub(crate) fn apply(self, blueprint: Blueprint) -> PyResult<()> {
        match self {
            Self::New(node, upstreams, name, on_error, overridden) => {
                if node.get().0.get().is_some() {
                    return Err(made_already());
                }
                let is_sink = blueprint.facts.is_sink;
                let has_first = !blueprint.facts.joins && !overridden;
                let making = Making::begin(&node, blueprint, &upstreams, overridden)?;
                let parts = making.build(&node, name)?;
                if node.get().0.fill(node.py(), parts).is_err() {
                    return Err(made_already());
                }
                making::attach(&node, &upstreams, has_first)?;
                if let Some(on_error) = on_error {
                    policy::set(&node, &on_error)?;
                }
                if is_sink {
                    Node::keep_from_above(&node)?;
                }
                Ok(())
            }
            Self::Running(node, keeps) => {
                match blueprint.renew(&*node.get().parts()?.inlet, keeps) {
                    Some(renewed) => {
                        renewed.map_err(|error| PyValueError::new_err(error.to_string()))
                    }
                    None => Err(PyAttributeError::new_err(
                        "this can't be changed once the node is in its pipeline: build another",
                    )),
                }
            }
        }
    }
}

#[cold]
fn made_already() -> PyErr {
    PyRuntimeError::new_err("the stream has been made already")
}
