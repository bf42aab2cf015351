//! Builds running chains from the code written in Python.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::PyList;
use thalweg::FusedPart;

use super::join::JoinPlan;
use super::{Body, Compiled, Kind, Part, Position, Signals, known};
use crate::call;
use crate::node::Node;
use crate::pipeline::Pipeline;
use crate::upcalls;

/// A chain as described by `thalweg.stream.compiled`.
#[derive(FromPyObject)]
struct Plan<'py> {
    generator: Bound<'py, PyAny>,
    left: Bound<'py, PyList>,
    nodes: Vec<Bound<'py, Node>>,
    /// Index of each node's upstream, or -1.
    parents: Vec<isize>,
    kinds: Vec<String>,
    /// Ids of each node's downstreams outside the chain.
    downstream: Vec<Vec<u64>>,
    may_skip: Vec<bool>,
    exits: Vec<(usize, u64)>,
    join_exits: Vec<(usize, u64)>,
    joins: Vec<JoinPlan<'py>>,
    is_last: bool,
    /// For each line: the index of its node, or -1; whether the element leaves the chain there; and the number of nodes
    /// called so far.
    lines: Vec<(isize, bool, usize)>,
}

/// Compiles as much of a pipeline as possible.
///
/// # Errors
/// An interrupt arrived. All other errors are reported, and leave the nodes to the engine.
pub(crate) fn settle(py: Python<'_>, pipeline: &Py<Pipeline>) -> PyResult<()> {
    let settled = (|| {
        let plans = upcalls::STREAMS.call(py, "compile_chains", (pipeline,))?;
        for plan in plans.try_iter()? {
            begin(plan?.extract()?, pipeline)?;
        }
        Ok(())
    })();
    match settled {
        Err(error) if PyErr::is_instance_of::<PyException>(&error, py) => {
            error.write_unraisable(py, Some(pipeline.bind(py)));
            Ok(())
        }
        settled => settled,
    }
}

fn begin(mut plan: Plan<'_>, pipeline: &Py<Pipeline>) -> PyResult<()> {
    let py = plan.generator.py();
    call::resume(&plan.generator, &py.None().into_bound(py))?;
    let Some(head) = plan.nodes.first() else {
        return Ok(());
    };
    let mut parts = Vec::with_capacity(plan.nodes.len());
    let mut fused = Vec::with_capacity(plan.nodes.len());
    for (place, node) in plan.nodes.iter().enumerate() {
        let node = node.get().parts()?;
        let mut downstream = plan.downstream[place].clone();
        let is_fan = downstream.len() > 1;
        // What follows a node may be one of the engine's own, which makes its results.
        let (kind, id) = match plan.kinds[place].as_str() {
            "sends" => (Kind::Sends, node.inlet.id()),
            "keeps" => (Kind::Keeps, node.inlet.id()),
            "each" => (Kind::Each, node.inlet.id()),
            "ends" => (Kind::Ends, node.inlet.id()),
            "joins" => {
                downstream = vec![node.out.node_id()];
                (Kind::Joins, node.inlet.id())
            }
            "fork" => (Kind::Fork, node.out.node_id()),
            _ => (Kind::Sends, node.out.node_id()),
        };
        parts.push(Part {
            parent: usize::try_from(plan.parents[place]).ok(),
            kind,
            is_fan: is_fan && kind != Kind::Joins,
            current: kind.is_seen().then(|| node.current.clone()),
            result: node.sink_result.clone(),
            value: format!("x{}", place + 1),
            count: format!("n{}", place + 1),
            missed: AtomicU64::new(0),
        });
        fused.push(FusedPart {
            id,
            downstream,
            may_skip: plan.may_skip[place],
        });
    }
    let lines = plan.lines.iter().map(|(node, is_behind, reached)| {
        let node = usize::try_from(*node).ok()?;
        Some(Position {
            node,
            is_behind: *is_behind,
            reached: *reached,
        })
    });
    let compiled = Arc::new(Compiled {
        lines: lines.collect(),
        generator: plan.generator.unbind(),
        signals: Signals::get(py)?,
        left: plan.left.unbind(),
        parts,
        exits: plan.exits.len(),
        joins: plan.joins.into_iter().map(Into::into).collect(),
        is_last: plan.is_last,
        received: AtomicU64::new(0),
        batch: Mutex::default(),
        known: AtomicU8::new(known::BY_NODES),
        before: Mutex::default(),
        is_running: AtomicBool::new(false),
        attended: AtomicUsize::new(0),
        is_installed: AtomicBool::new(false),
        pipeline: pipeline.clone_ref(py),
    });
    let out = &head.get().parts()?.out;
    let installed = compiled.clone();
    let weak = Arc::downgrade(&compiled);
    plan.exits.append(&mut plan.join_exits);
    let is_fork = installed.parts[0].kind == Kind::Fork;
    let is_fused = match is_fork {
        true => out.fuse_behind(fused, plan.exits, Body(compiled)),
        false => out.fuse(fused, plan.exits, Body(compiled)),
    };
    if is_fused {
        installed.is_installed.store(true, Ordering::Relaxed);
        for (place, node) in plan.nodes.iter().enumerate() {
            if installed.parts[place].kind.is_seen() {
                node.get().parts()?.set_chain(weak.clone(), place);
            }
        }
    }
    Ok(())
}
