//! Results of user functions that have to be awaited.

use std::cell::Cell;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyType, PyWeakrefMethods, PyWeakrefReference};
use thalweg::ops::Step;

use crate::emission::Emission;
use crate::event_loop::{self, Awaited, EventLoop};
use crate::node::Node;
use crate::upcalls;

thread_local! {
    /// Whether the last awaitable that a function on this thread returned is a future of this thread's running loop.
    static WAITS_FOR_OWN: Cell<bool> = const { Cell::new(false) };
}

/// Whether an emitter on this thread that waits for its element would wait for itself: the element's function has
/// returned a future of the event loop that runs here. Asked once for each element.
pub(crate) fn waits_for_own_loop() -> bool {
    WAITS_FOR_OWN.take()
}

fn belongs_to_this_thread(awaitable: &Bound<'_, PyAny>) -> PyResult<bool> {
    let py = awaitable.py();
    let Some(running) = event_loop::running(py)? else {
        return Ok(false);
    };
    match awaitable.getattr_opt(intern!(py, "get_loop"))? {
        Some(get_loop) => Ok(get_loop.call0()?.is(&running)),
        None => Ok(false),
    }
}

/// Distinguishes awaitable results of one function from plain ones.
pub(crate) struct Awaiting {
    /// The node that owns the function, to find its pipeline.
    node: Py<PyAny>,
    /// Type of the last result that was not awaitable. A function mostly returns one type, so that it is checked once.
    plain: Option<Py<PyType>>,
}

impl Awaiting {
    /// For the node behind a weak reference.
    pub(crate) fn new(node: Py<PyAny>) -> Self {
        Self { node, plain: None }
    }

    /// Result of a call: an awaitable, or nothing.
    ///
    /// # Errors
    /// No event loop is available to wait on.
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
        let is_here = self
            .need_loop(py)?
            .is_none_or(|event_loop| event_loop.is_here(py));
        WAITS_FOR_OWN.set(!is_here && belongs_to_this_thread(&result)?);
        Ok(Step::Pending(Awaited::new(result)))
    }

    /// Result of a user's `update`: nothing, an awaitable, or a list of them.
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

    /// Makes sure that the pipeline has an event loop, and returns it, unless the node is gone.
    fn need_loop(&self, py: Python<'_>) -> PyResult<Option<EventLoop>> {
        let Some(node) = self.node.bind(py).cast::<PyWeakrefReference>()?.upgrade() else {
            return Ok(None);
        };
        Node::need_loop(node.cast::<Node>()?).map(Some)
    }
}
