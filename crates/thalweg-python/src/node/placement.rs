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
    New(NewNode<'py>),
    Running(RunningNode<'py>),
}

/// A node to be built.
#[derive(FromPyObject)]
pub(crate) struct NewNode<'py>(
    /// The object.
    Bound<'py, Node>,
    /// Its upstreams, which may include constants for a join.
    Vec<Bound<'py, PyAny>>,
    /// Its name.
    String,
    /// Its policy.
    Option<Bound<'py, PyAny>>,
    /// Whether a subclass overrides the operator's `update`.
    bool,
);

/// A node in its pipeline that gets other settings, and whether it keeps its state.
#[derive(FromPyObject)]
pub(crate) struct RunningNode<'py>(Bound<'py, Node>, bool);

impl Placement<'_> {
    /// Builds the node of a blueprint, or gives the running one its settings.
    ///
    /// # Errors
    /// The object has a node already; an upstream is of no use, has been drained, or is a parent process's. The operator
    /// cannot be reconfigured, or not like this.
    pub(crate) fn apply(self, blueprint: Blueprint) -> PyResult<()> {
        match self {
            Self::New(new) => new.build(blueprint),
            Self::Running(running) => running.reconfigure(blueprint),
        }
    }
}

impl NewNode<'_> {
    fn build(self, blueprint: Blueprint) -> PyResult<()> {
        let Self(node, upstreams, name, on_error, overridden) = self;
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
}

impl RunningNode<'_> {
    fn reconfigure(self, blueprint: Blueprint) -> PyResult<()> {
        let Self(node, keeps) = self;
        match blueprint.renew(&*node.get().parts()?.inlet, keeps) {
            Some(renewed) => renewed.map_err(|error| PyValueError::new_err(error.to_string())),
            None => Err(PyAttributeError::new_err(
                "this can't be changed once the node is in its pipeline: build another",
            )),
        }
    }
}

#[cold]
fn made_already() -> PyErr {
    PyRuntimeError::new_err("the stream has been made already")
}
