use std::sync::Weak;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::prelude::*;

use super::{EventLoop, Shared};
use crate::gil;

/// Callback for an asyncio loop: runs the queue.
#[pyclass(frozen, module = "thalweg._thalweg")]
pub(crate) struct Pump {
    event_loop: Weak<Shared>,
    /// Identity of the asyncio loop it was passed to.
    given_to: usize,
    called: AtomicBool,
}

impl Pump {
    pub(super) fn new(py: Python<'_>, event_loop: &EventLoop) -> PyResult<Py<Self>> {
        let pump = Self {
            event_loop: event_loop.downgrade(),
            given_to: event_loop.identity_of_loop(),
            called: AtomicBool::new(false),
        };
        Py::new(py, pump)
    }
}

#[pymethods]
impl Pump {
    fn __call__(&self, py: Python<'_>) -> PyResult<()> {
        self.called.store(true, Ordering::Relaxed);
        match EventLoop::upgrade(&self.event_loop) {
            Some(event_loop) => event_loop.serve(py),
            None => Ok(()),
        }
    }
}

/// A loop that drops the callback without calling it has been closed.
impl Drop for Pump {
    fn drop(&mut self) {
        if !self.called.load(Ordering::Relaxed)
            && let Some(event_loop) = EventLoop::upgrade(&self.event_loop)
            && event_loop.identity_of_loop() == self.given_to
        {
            gil::attach(|py| event_loop.check_closed(py));
        }
    }
}
