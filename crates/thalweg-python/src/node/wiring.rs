use std::sync::atomic::Ordering;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyWeakrefMethods, PyWeakrefReference};
use thalweg::{Acks, Emit, InletKey, Stream};

use super::{Node, Parts};
use crate::failure;
use crate::lock::lock;
use crate::pipeline::Pipeline;
use crate::value::Value;

impl Parts {
    /// Adds an edge from a node of the same pipeline, unless there is one.
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
        super::callback_free::note_edge();
        self.pipeline().note_change();
        if let Some(key) = key {
            let caller = PyWeakrefReference::new(upstream.as_any())?.unbind();
            lock(&self.callers).push((key, caller));
        }
        Ok(())
    }

    /// Id of the node, ids of its downstreams, number of edges to it, whether it is one node of the engine, and its
    /// policy.
    pub(crate) fn wiring(&self) -> (u64, Vec<u64>, usize, bool, u8) {
        let is_sink = self.sink_result.is_some();
        let id = self.inlet.id();
        let upstreams = lock(&self.upstreams).len();
        // The first node has an entry from the start, which is not used.
        let door = usize::from(upstreams > 0 && self.door.is_some());
        let ways = upstreams + door + lock(&self.below).failing();
        let behind = if is_sink {
            Vec::new()
        } else {
            self.out.downstream_ids()
        };
        let is_single = is_sink || self.out.node_id() == id;
        (
            id,
            behind,
            ways,
            is_single,
            self.policy.load(Ordering::Relaxed),
        )
    }

    /// Attaches this node to a stream of the engine.
    pub(crate) fn take_from(&self, py: Python<'_>, stream: &Stream<Value>) -> PyResult<()> {
        self.inlet
            .attach(stream)
            .map(drop)
            .map_err(|error| failure::raise(py, &error))
    }

    /// Passes an element to this node as its upstream `who` does, or as none of them.
    ///
    /// # Errors
    /// `who` is no upstream of a node whose inlets are distinct.
    pub(super) fn receive(
        &self,
        py: Python<'_>,
        who: Option<&Bound<'_, Node>>,
        x: Value,
        acks: Acks,
    ) -> PyResult<Emit> {
        self.set_chain_aside(py);
        let upstream = who.map(|who| who.get().parts()).transpose()?;
        let own = upstream.and_then(|upstream| self.inlet.door(upstream.out.node_id()));
        if let Some(door) = own.as_ref().or(self.door.as_ref()) {
            return Ok(door.emit_internal(x, acks));
        }
        let inlet = who.and_then(|who| self.inlet_of(who));
        match self.inlet.receive(inlet, x, acks) {
            Some(emit) => emit.map_err(|error| failure::raise(py, &error)),
            None => {
                let shown = match who {
                    Some(who) => who.repr()?.to_string(),
                    None => "None".to_owned(),
                };
                let message = format!("update: `who` is one of the node's upstreams, not {shown}");
                Err(PyValueError::new_err(message))
            }
        }
    }

    /// The inlet of an upstream, if inlets are distinct.
    fn inlet_of(&self, upstream: &Bound<'_, Node>) -> Option<InletKey> {
        let py = upstream.py();
        let callers = lock(&self.callers);
        let is_it = |caller: &Py<PyWeakrefReference>| {
            let known = caller.bind(py).upgrade();
            known.is_some_and(|known| known.is(upstream))
        };
        let (key, _) = callers.iter().find(|(_, caller)| is_it(caller))?;
        Some(*key)
    }
}

#[pymethods]
impl Node {
    /// Makes `downstream` a downstream of this node; the two pipelines become one.
    fn _connect(slf: &Bound<'_, Self>, downstream: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let (from, to) = (slf.get().parts()?, downstream.get().parts()?);
        Pipeline::join(&from.pipeline, &to.pipeline, py)?;
        to.attach(slf)?;
        lock(&to.upstreams).push(slf.clone().unbind());
        Self::keep_below(slf, downstream)
    }

    /// Replaces the node's function; returns whether it has one.
    fn _set_function(slf: &Bound<'_, Self>, function: &Bound<'_, PyAny>) -> PyResult<bool> {
        let Some(parts) = slf.get().made() else {
            return Ok(false);
        };
        let Some(called) = &parts.function else {
            return Ok(false);
        };
        called.replace(function);
        if let Some((chain, _)) = parts.chain() {
            chain.stop_batch(slf.py());
        }
        Self::_note_change(slf)?;
        Ok(true)
    }

    /// Records that the node's behaviour has changed.
    fn _note_change(slf: &Bound<'_, Self>) -> PyResult<()> {
        let parts = slf.get().parts_anywhere()?;
        parts.out.unfuse();
        parts.pipeline().note_change();
        Ok(())
    }

    /// Undoes `_connect`.
    fn _disconnect(slf: &Bound<'_, Self>, downstream: &Bound<'_, Self>) -> PyResult<()> {
        let (from, to) = (slf.get().parts()?, downstream.get().parts()?);
        to.inlet
            .detach(&from.out)
            .map_err(|error| failure::raise(slf.py(), &error))?;
        from.pipeline().note_change();
        to.pipeline().note_change();
        let mut upstreams = lock(&to.upstreams);
        let gone: Vec<_> = upstreams.extract_if(.., |node| node.is(slf)).collect();
        drop(upstreams);
        drop(gone);
        Self::let_go_of_below(slf, downstream.get())
    }

    /// Releases a sink: from here on only its users keep it.
    fn _release(slf: &Bound<'_, Self>) -> PyResult<()> {
        let parts = slf.get().parts()?;
        parts.pipeline().release_sink(parts.inlet.id());
        Self::release(slf)
    }

    /// Makes this node the first downstream of all its upstreams, or of `upstream`.
    #[pyo3(signature = (upstream=None))]
    fn _move_to_first(slf: &Bound<'_, Self>, upstream: Option<Py<Node>>) -> PyResult<()> {
        let parts = slf.get().parts()?;
        let upstreams = match upstream {
            Some(upstream) => vec![upstream],
            None => slf.get().upstreams(slf.py())?,
        };
        for upstream in upstreams {
            let from = upstream.get().parts()?;
            from.pipeline().note_change();
            parts
                .inlet
                .move_to_first(&from.out)
                .map_err(|error| failure::raise(slf.py(), &error))?;
        }
        Ok(())
    }

    /// The upstream nodes.
    #[getter]
    fn upstreams(&self, py: Python<'_>) -> PyResult<Vec<Py<Node>>> {
        let upstreams = lock(&self.parts()?.upstreams);
        Ok(upstreams.iter().map(|node| node.clone_ref(py)).collect())
    }

    /// The downstream nodes, in order.
    fn _downstreams<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let parts = self.parts()?;
        Ok(parts.pipeline().find(py, &parts.out.downstream_ids()))
    }
}
