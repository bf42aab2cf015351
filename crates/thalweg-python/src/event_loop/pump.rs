use std::sync::Weak;

use pyo3::prelude::*;

use super::{EventLoop, Shared};

/// What an asyncio loop is given to call: works off the queue.
#[pyclass(frozen, module = "thalweg._thalweg")]
pub(crate) struct Pump(Weak<Shared>);

impl Pump {
    pub(super) fn new(py: Python<'_>, event_loop: &EventLoop) -> PyResult<Py<Self>> {
        Py::new(py, Self(event_loop.downgrade()))
    }
}

#[pymethods]
impl Pump {
    fn __call__(&self, py: Python<'_>) -> PyResult<()> {
        match EventLoop::upgrade(&self.0) {
            Some(event_loop) => event_loop.work_off(py),
            None => Ok(()),
        }
    }
}
