//! Construction of the node behind a Python object: its pipeline, the engine's node, and the edges to it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU8};

use pyo3::prelude::*;
use pyo3::types::PyWeakrefReference;
use thalweg::Stream;

use super::callback_free::{self, CallbackFree};
use super::keeping::Below;
use super::{Node, Parts};
use crate::blueprint::{Blueprint, BuildContext, Made};
use crate::last_value::LastValue;
use crate::lock::lock;
use crate::overridden;
use crate::pipeline::Pipeline;
use crate::value::Value;

/// A node under construction.
pub(super) struct Making {
    blueprint: Blueprint,
    /// Whether a subclass overrides the operator's `update`.
    overridden: bool,
    pipeline: Py<Pipeline>,
    /// What it is built onto: the first upstream, or a separate entry node.
    upstream: Stream<Value>,
    is_begin: bool,
}

impl Making {
    /// Joins the pipelines of all upstreams, or creates a new one, and assigns an event loop if the node needs one.
    pub(super) fn begin(
        slf: &Bound<'_, Node>,
        blueprint: Blueprint,
        upstreams: &[Bound<'_, PyAny>],
        overridden: bool,
    ) -> PyResult<Self> {
        let py = slf.py();
        let mut nodes = nodes(upstreams);
        let (pipeline, upstream, is_begin) = match nodes.next() {
            Some(first) => {
                let pipeline = Pipeline::root(&first.get().parts()?.pipeline).clone_ref(py);
                for other in nodes {
                    Pipeline::join(&pipeline, &other.get().parts()?.pipeline, py)?;
                }
                if blueprint.facts.needs_loop {
                    Node::need_loop(first)?;
                }
                (pipeline, first.get().parts()?.out.clone(), false)
            }
            None => {
                let pipeline = Pipeline::create(py)?;
                let door = Stream::new();
                crate::failure::log_if_peer(py, &door)?;
                if blueprint.facts.needs_loop {
                    pipeline.get().need_loop(py)?;
                }
                (pipeline, door, true)
            }
        };
        if let Some(event_loop) = pipeline.get().event_loop() {
            let moved = upstream.run_on(event_loop.handle());
            moved.map_err(|error| crate::failure::raise(py, &error))?;
        }
        Ok(Self {
            blueprint,
            overridden,
            pipeline,
            upstream,
            is_begin,
        })
    }

    /// Builds the engine's node, and registers it with the pipeline.
    pub(super) fn build(self, slf: &Bound<'_, Node>, name: String) -> PyResult<Parts> {
        let py = slf.py();
        let Self {
            blueprint,
            overridden,
            pipeline,
            upstream,
            is_begin,
        } = self;
        let current = LastValue::new();
        let door = is_begin.then(|| upstream.clone());
        let context = BuildContext {
            upstream,
            current: current.clone(),
            node: PyWeakrefReference::new(slf.as_any())?.into_any().unbind(),
        };
        let (made, facts, door) = if overridden {
            overridden::build(blueprint, context)
                .map_err(|error| crate::failure::raise(py, &error))?
        } else {
            let (made, facts) = blueprint.build(context);
            (made, facts, door)
        };
        let Made {
            inlet,
            between,
            out,
        } = made;
        inlet.set_name(name);
        let checked = out.check();
        checked.map_err(|error| crate::failure::raise(py, &error))?;
        pipeline.get().add(inlet.id(), slf, facts.is_sink)?;
        Ok(Parts {
            out,
            inlet,
            between,
            pipeline,
            upstreams: Mutex::default(),
            below: Mutex::new(Below::new(facts.is_sink)),
            function: facts.function,
            state: facts.state,
            callers: facts.callers,
            current,
            door,
            is_once: overridden || facts.joins && !facts.repeats,
            passage: facts.passage,
            callback_free: CallbackFree::default(),
            sink_result: facts.sink_result,
            chain: Mutex::default(),
            is_chained: AtomicBool::new(false),
            policy: AtomicU8::new(0),
        })
    }
}

/// Attaches a built node to its upstreams and constants.
///
/// `has_first` if it was built onto the first upstream.
pub(super) fn attach(
    slf: &Bound<'_, Node>,
    upstreams: &[Bound<'_, PyAny>],
    has_first: bool,
) -> PyResult<()> {
    callback_free::note_edge();
    let parts = slf.get().parts()?;
    parts.pipeline().note_change();
    let mut is_attached = has_first;
    for upstream in upstreams {
        match upstream.cast::<Node>() {
            Ok(node) => {
                if !std::mem::take(&mut is_attached) {
                    parts.attach(node)?;
                }
                lock(&parts.upstreams).push(node.clone().unbind());
            }
            Err(_) => parts.inlet.attach_literal(Value::from(upstream.clone())),
        }
    }
    Ok(())
}

/// The nodes among the upstreams.
fn nodes<'a, 'py>(
    upstreams: &'a [Bound<'py, PyAny>],
) -> impl Iterator<Item = &'a Bound<'py, Node>> {
    upstreams
        .iter()
        .filter_map(|upstream| upstream.cast::<Node>().ok())
}
