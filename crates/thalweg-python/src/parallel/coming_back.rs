//! Functions on an engine that emit into their own pipeline.
//!
//! The element of such an `emit` comes through behind the one that the function works on: to wait for it would be to wait
//! for the function itself. So it counts as taken when it is queued, as what a sink behind `gather` emits does; what fails
//! on it is unhandled.

use std::cell::RefCell;
use std::sync::{Arc, OnceLock};

use pyo3::prelude::*;
use pyo3::types::{PyWeakrefMethods, PyWeakrefReference};

use crate::node::Node;
use crate::pipeline::Pipeline;

/// The node in Python whose function a step calls, once it has been built: a weak reference.
pub(super) type NodeOfStep = Arc<OnceLock<Py<PyAny>>>;

thread_local! {
    /// The node whose function runs on this thread of an engine.
    static RUNS: RefCell<Option<Py<PyAny>>> = const { RefCell::new(None) };
}

/// Runs a step of a node.
pub(super) fn within<R>(py: Python<'_>, node: &NodeOfStep, run: impl FnOnce() -> R) -> R {
    let node = node.get().map(|node| node.clone_ref(py));
    let before = RUNS.replace(node);
    let result = run();
    RUNS.set(before);
    result
}

/// Whether the function that runs on this thread is one of that pipeline's, on an engine.
pub(crate) fn is_of(py: Python<'_>, pipeline: &Py<Pipeline>) -> bool {
    let node = RUNS.with_borrow(|node| node.as_ref().map(|node| node.clone_ref(py)));
    let Some(node) = node.as_ref().and_then(|node| upgraded(node.bind(py))) else {
        return false;
    };
    let own = node
        .get()
        .parts_anywhere()
        .map(|parts| root(&parts.pipeline));
    own.is_ok_and(|own| own.is(root(pipeline)))
}

fn upgraded<'py>(node: &Bound<'py, PyAny>) -> Option<Bound<'py, Node>> {
    let node = node.cast::<PyWeakrefReference>().ok()?.upgrade()?;
    node.cast_into::<Node>().ok()
}

fn root(pipeline: &Py<Pipeline>) -> &Py<Pipeline> {
    Pipeline::root(pipeline)
}
