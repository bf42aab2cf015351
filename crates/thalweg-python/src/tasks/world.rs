//! What tasks are made of here: calls, objects and exceptions.

use std::fmt;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use thalweg_tasks::host::{Needs, World};

/// Tasks that call Python functions.
pub(crate) enum Calls {}

impl World for Calls {
    type Program = Program;
    type Value = Value;
    type Error = Fault;
}

/// What runs.
pub(crate) enum Program {
    /// A call in this process.
    Call(Call),
}

/// A call of a function.
pub(crate) struct Call {
    pub(crate) function: Py<PyAny>,
    pub(crate) args: Py<PyTuple>,
    pub(crate) kwargs: Option<Py<PyDict>>,
    pub(crate) inputs: Inputs,
}

/// Where values of other tasks go in the arguments.
pub(crate) enum Inputs {
    /// There are none.
    None,
    /// Wherever their futures are.
    Futures,
    /// At these places of the arguments, one for each task that is needed.
    Places(Box<[u32]>),
}

/// What comes out.
pub(crate) enum Value {
    /// An object of this process.
    Object(Py<PyAny>),
}

impl Value {
    /// The object.
    pub(crate) fn object<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        match self {
            Self::Object(object) => object.bind(py).clone(),
        }
    }
}

/// The exception that a call raised.
pub(crate) struct Fault(pub(crate) PyErr);

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The values of tasks that are done.
pub(crate) fn values<'py>(py: Python<'py>, needs: &Needs<Calls>) -> Vec<Bound<'py, PyAny>> {
    let values = needs
        .iter()
        .filter_map(|slot| slot.look(|outcome| outcome.ok().map(|value| value.object(py)))?);
    values.collect()
}
