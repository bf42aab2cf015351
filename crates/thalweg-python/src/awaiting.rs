//! Results of functions that have to be awaited.

use pyo3::prelude::*;
use pyo3::types::{PyList, PyType, PyWeakrefMethods, PyWeakrefReference};
use thalweg::ops::Step;

use crate::emission::Emission;
use crate::event_loop::Awaited;
use crate::node::Node;
use crate::upcalls;

/// Tells awaitable results of one function from others.
pub(crate) struct Awaiting {
    /// The node whose function it is, to find its pipeline.
    node: Py<PyAny>,
    /// The type of the last result that was not awaitable: a function mostly returns one type.
    plain: Option<Py<PyType>>,
}

impl Awaiting {
    /// For the node behind a weak reference.
    pub(crate) fn new(node: Py<PyAny>) -> Self {
        Self { node, plain: None }
    }

    /// Result of a call: something to wait for, or nothing.
    ///
    /// # Errors
    /// There is no event loop to wait on, and none can be had.
    #[inline]
    pub(crate) fn step(&mut self, result: Bound<'_, PyAny>) -> PyResult<Step<(), Awaited>> {
        if result.is_none() {
            return Ok(Step::Done(()));
        }
        self.step_of(result)
    }

    fn step_of(&mut self, result: Bound<'_, PyAny>) -> PyResult<Step<(), Awaited>> {
        let py = result.py();
        let class = result.get_type();
        if self.plain.as_ref().is_some_and(|plain| plain.is(&class)) {
            return Ok(Step::Done(()));
        }
        if let Ok(emission) = result.cast::<Emission>() {
            if emission.get().wait_within() {
                return Ok(Step::Done(()));
            }
        } else if !class.hasattr("__await__")? {
            self.plain = Some(class.unbind());
            return Ok(Step::Done(()));
        }
        self.need_loop(py)?;
        Ok(Step::Pending(Awaited::new(result)))
    }

    /// The same for what a user's `update` returns: nothing, an awaitable, or a list of them.
    pub(crate) fn step_of_update(
        &mut self,
        result: Bound<'_, PyAny>,
    ) -> PyResult<Step<(), Awaited>> {
        let Ok(list) = result.cast::<PyList>() else {
            return self.step(result);
        };
        let mut waiting = Vec::new();
        for one in list.iter() {
            if let Step::Pending(awaited) = self.step(one)? {
                waiting.extend(awaited.into_awaitable());
            }
        }
        if waiting.is_empty() {
            return Ok(Step::Done(()));
        }
        let all = PyList::new(list.py(), waiting)?;
        let together = upcalls::STREAMS.call(list.py(), "together", (all,))?;
        Ok(Step::Pending(Awaited::new(together)))
    }

    /// Sees to it that there is an event loop.
    pub(crate) fn need_loop(&self, py: Python<'_>) -> PyResult<()> {
        let node = self.node.bind(py).cast::<PyWeakrefReference>()?.upgrade();
        match node {
            Some(node) => Node::need_loop(node.cast::<Node>()?),
            None => Ok(()),
        }
    }
}
