use pyo3::prelude::*;
use pyo3::types::PyWeakrefReference;
use thalweg::Stream;

use super::{Node, Parts};
use crate::failure;
use crate::lock::lock;
use crate::pipeline::Pipeline;
use crate::value::Value;

impl Parts {
    /// Adds an edge to this node from one of the same pipeline, unless there is one already.
    pub(super) fn attach(&self, upstream: &Bound<'_, Node>) -> PyResult<()> {
        let py = upstream.py();
        let known = |upstreams: &[Py<Node>]| upstreams.iter().any(|node| node.is(upstream));
        if self.is_once && known(&lock(&self.upstreams)) {
            return Ok(());
        }
        let from = upstream.get().parts()?;
        let key = self
            .inlet
            .attach(&from.out)
            .map_err(|error| failure::raise(py, &error))?;
        super::straight::note_edge();
        if let Some(key) = key {
            let caller = PyWeakrefReference::new(upstream.as_any())?.unbind();
            lock(&self.callers).push((key.number(), caller));
        }
        Ok(())
    }

    /// Has this node get what a stream of the engine's sends.
    pub(crate) fn take_from(&self, py: Python<'_>, stream: &Stream<Value>) -> PyResult<()> {
        self.inlet
            .attach(stream)
            .map(drop)
            .map_err(|error| failure::raise(py, &error))
    }

    /// A way in that comes from no other node, made when it is needed.
    pub(super) fn door(&self, py: Python<'_>) -> PyResult<&Stream<Value>> {
        if let Some(door) = self.door.get() {
            return Ok(door);
        }
        let door = Stream::new();
        self.take_from(py, &door)?;
        Ok(self.door.get_or_init(|| door))
    }
}

#[pymethods]
impl Node {
    /// Makes `downstream` get what this node sends; the two pipelines become one.
    fn _connect(slf: &Bound<'_, Self>, downstream: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let (from, to) = (slf.get().parts()?, downstream.get().parts()?);
        Pipeline::join(&from.pipeline, &to.pipeline, py)?;
        to.attach(slf)?;
        lock(&to.upstreams).push(slf.clone().unbind());
        Self::keep_below(slf, downstream)
    }

    /// Undoes `_connect`.
    fn _disconnect(slf: &Bound<'_, Self>, downstream: &Bound<'_, Self>) -> PyResult<()> {
        let (from, to) = (slf.get().parts()?, downstream.get().parts()?);
        to.inlet
            .detach(&from.out)
            .map_err(|error| failure::raise(slf.py(), &error))?;
        let mut upstreams = lock(&to.upstreams);
        let gone: Vec<_> = upstreams.extract_if(.., |node| node.is(slf)).collect();
        drop(upstreams);
        drop(gone);
        Self::let_go_of_below(slf, downstream.get())
    }

    /// Lets go of a sink, which nobody but its users keeps from here on.
    fn _release(slf: &Bound<'_, Self>) -> PyResult<()> {
        let parts = slf.get().parts()?;
        parts.pipeline().release_sink(parts.inlet.id());
        Self::release(slf)
    }

    /// Makes this node the first to get what the nodes above it send, or what `upstream` does.
    #[pyo3(signature = (upstream=None))]
    fn _prefer(slf: &Bound<'_, Self>, upstream: Option<Py<Node>>) -> PyResult<()> {
        let parts = slf.get().parts()?;
        let upstreams = match upstream {
            Some(upstream) => vec![upstream],
            None => slf.get().upstreams(slf.py())?,
        };
        for upstream in upstreams {
            let from = upstream.get().parts()?;
            parts
                .inlet
                .move_to_first(&from.out)
                .map_err(|error| failure::raise(slf.py(), &error))?;
        }
        Ok(())
    }

    /// The nodes whose elements this one gets.
    #[getter]
    fn upstreams(&self, py: Python<'_>) -> PyResult<Vec<Py<Node>>> {
        let upstreams = lock(&self.parts()?.upstreams);
        Ok(upstreams.iter().map(|node| node.clone_ref(py)).collect())
    }

    /// The nodes that get this one's elements, in order.
    fn _downstreams<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let parts = self.parts()?;
        Ok(parts.pipeline().find(py, &parts.out.downstream_ids()))
    }
}
