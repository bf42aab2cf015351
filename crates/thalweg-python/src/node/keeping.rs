//! Nodes that a node keeps alive: those above it, and those below it that lead to a sink.
//!
//! All of these references are the collector's to see. So the nodes that lead to a sink live for as long as anybody
//! holds a node that they are connected with, and a part of a pipeline that has been detached goes when nobody holds
//! a node of it.

use std::collections::{BTreeMap, HashSet};

use pyo3::prelude::*;
use pyo3::types::{PyWeakrefMethods, PyWeakrefReference};
use pyo3::{PyTraverseError, PyVisit};

use super::{Node, Parts};
use crate::lock::lock;

/// Nodes below a node, as far as it keeps them.
#[derive(Default)]
pub(super) struct Below {
    /// Whether the node is a sink, which nobody has let go of.
    is_sink: bool,
    /// The nodes that lead to a sink, by their numbers.
    nodes: BTreeMap<u64, Py<Node>>,
    /// The nodes whose failures this one gets.
    failing: Vec<Py<PyWeakrefReference>>,
    /// The nodes that get this one's failures.
    targets: Vec<Py<PyWeakrefReference>>,
}

impl Below {
    pub(super) fn new(is_sink: bool) -> Self {
        Self {
            is_sink,
            ..Self::default()
        }
    }

    /// How many nodes' failures it gets.
    pub(super) fn failing(&self) -> usize {
        self.failing.len()
    }

    fn leads_to_sink(&self) -> bool {
        self.is_sink || !self.nodes.is_empty()
    }

    pub(super) fn visit(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.nodes.values().try_for_each(|node| visit.call(node))?;
        let references = self.failing.iter().chain(&self.targets);
        references
            .into_iter()
            .try_for_each(|reference| visit.call(reference))
    }
}

impl Parts {
    fn leads_to_sink(&self) -> bool {
        lock(&self.below).leads_to_sink()
    }

    /// The nodes whose elements or failures this one gets.
    fn above(&self, py: Python<'_>) -> Vec<Py<Node>> {
        let mut above: Vec<_> = lock(&self.upstreams)
            .iter()
            .map(|node| node.clone_ref(py))
            .collect();
        above.extend(upgrade(py, &lock(&self.below).failing));
        above
    }

    /// Keeps a node below, if it leads to a sink; returns whether this node had led to none.
    fn keep(&self, below: &Bound<'_, Node>) -> PyResult<bool> {
        let parts = below.get().parts_anywhere()?;
        if !parts.leads_to_sink() {
            return Ok(false);
        }
        let mut mine = lock(&self.below);
        let is_first = !mine.leads_to_sink();
        mine.nodes.insert(parts.inlet.id(), below.clone().unbind());
        Ok(is_first)
    }
}

impl Node {
    /// Has the nodes above a node keep it, and theirs keep them, if it leads to a sink.
    pub(super) fn keep_from_above(node: &Bound<'_, Self>) -> PyResult<()> {
        let py = node.py();
        let mut waiting = vec![node.clone()];
        while let Some(node) = waiting.pop() {
            for above in node.get().parts_anywhere()?.above(py) {
                if above.get().parts_anywhere()?.keep(&node)? {
                    waiting.push(above.into_bound(py));
                }
            }
        }
        Ok(())
    }

    /// Takes note that an edge between two nodes has gone: the one above lets go of the one below, and nodes that
    /// lead to no sink any more are let go of by those above them.
    pub(super) fn let_go_of_below(above: &Bound<'_, Self>, below: &Self) -> PyResult<()> {
        let py = above.py();
        let parts = below.parts_anywhere()?;
        let is_linked = parts.above(py).iter().any(|node| node.is(above));
        if is_linked {
            return Ok(());
        }
        let gone = lock(&above.get().parts_anywhere()?.below)
            .nodes
            .remove(&parts.inlet.id());
        match gone {
            Some(_) => Self::look_for_sink(above),
            None => Ok(()),
        }
    }

    /// Has the nodes above a node let go of it if it leads to no sink any more.
    fn look_for_sink(node: &Bound<'_, Self>) -> PyResult<()> {
        let py = node.py();
        let mut waiting = vec![node.clone().unbind()];
        let mut gone = Vec::new();
        while let Some(node) = waiting.pop() {
            let lost = match node.get().way_to_sink(py)? {
                Some(lost) => lost,
                None => continue,
            };
            for node in lost.iter().chain([&node]) {
                let parts = node.get().parts_anywhere()?;
                gone.extend(std::mem::take(&mut lock(&parts.below).nodes));
            }
            for node in lost.iter().chain([&node]) {
                let parts = node.get().parts_anywhere()?;
                for above in parts.above(py) {
                    let removed = lock(&above.get().parts_anywhere()?.below)
                        .nodes
                        .remove(&parts.inlet.id());
                    if let Some(removed) = removed {
                        gone.push((parts.inlet.id(), removed));
                        waiting.push(above);
                    }
                }
            }
        }
        drop(gone);
        Ok(())
    }

    /// `None` if a sink is found below the node, or at it; else the nodes that were taken to lead to one, since they
    /// are on a cycle with it.
    fn way_to_sink(&self, py: Python<'_>) -> PyResult<Option<Vec<Py<Self>>>> {
        let mut seen = HashSet::new();
        let mut next: Option<Py<Self>> = None;
        // Without cycles every way ends at a sink: one is enough.
        loop {
            let parts = match &next {
                Some(node) => node.get().parts_anywhere()?,
                None => self.parts_anywhere()?,
            };
            let below = lock(&parts.below);
            if below.is_sink {
                return Ok(None);
            }
            let first = below.nodes.values().next().map(|node| node.clone_ref(py));
            drop(below);
            match first {
                Some(first) if seen.insert(parts.inlet.id()) => next = Some(first),
                _ => break,
            }
        }
        self.search_for_sink(py)
    }

    /// As [`way_to_sink`](Self::way_to_sink), whichever way it takes.
    fn search_for_sink(&self, py: Python<'_>) -> PyResult<Option<Vec<Py<Self>>>> {
        let below = |parts: &Parts| -> Option<Vec<Py<Self>>> {
            let below = lock(&parts.below);
            let nodes = below.nodes.values().map(|node| node.clone_ref(py));
            (!below.is_sink).then(|| nodes.collect())
        };
        let (mut seen, mut found) = (HashSet::new(), Vec::new());
        let Some(mut waiting) = below(self.parts_anywhere()?) else {
            return Ok(None);
        };
        while let Some(node) = waiting.pop() {
            let parts = node.get().parts_anywhere()?;
            if seen.insert(parts.inlet.id()) {
                let Some(more) = below(parts) else {
                    return Ok(None);
                };
                waiting.extend(more);
                found.push(node);
            }
        }
        Ok(Some(found))
    }

    /// Lets go of a sink, which nobody but its users keeps from here on.
    pub(super) fn release(slf: &Bound<'_, Self>) -> PyResult<()> {
        lock(&slf.get().parts()?.below).is_sink = false;
        Self::look_for_sink(slf)
    }

    /// Takes note of the nodes that get a node's failures, in the place of those that did.
    pub(crate) fn set_targets(slf: &Bound<'_, Self>, targets: &[Bound<'_, Self>]) -> PyResult<()> {
        let py = slf.py();
        let parts = slf.get().parts()?;
        let before = std::mem::replace(&mut lock(&parts.below).targets, weak(targets)?);
        for old in upgrade(py, &before) {
            let theirs = old.get().parts_anywhere()?;
            let failing = std::mem::take(&mut lock(&theirs.below).failing);
            let is_other = |reference: &Py<PyWeakrefReference>| {
                let node = reference.bind(py).upgrade();
                node.is_some_and(|node| !node.is(slf))
            };
            let others: Vec<_> = failing.into_iter().filter(is_other).collect();
            lock(&theirs.below).failing = others;
            Self::let_go_of_below(slf, old.get())?;
        }
        for target in targets {
            let reference = weak(std::slice::from_ref(slf))?;
            lock(&target.get().parts()?.below).failing.extend(reference);
            if parts.keep(target)? {
                Self::keep_from_above(slf)?;
            }
        }
        Ok(())
    }

    /// Has a node keep another that it has been connected to.
    pub(super) fn keep_below(slf: &Bound<'_, Self>, below: &Bound<'_, Self>) -> PyResult<()> {
        if slf.get().parts_anywhere()?.keep(below)? {
            Self::keep_from_above(slf)?;
        }
        Ok(())
    }
}

fn weak(nodes: &[Bound<'_, Node>]) -> PyResult<Vec<Py<PyWeakrefReference>>> {
    let references = nodes
        .iter()
        .map(|node| PyWeakrefReference::new(node.as_any()));
    references
        .map(|reference| Ok(reference?.unbind()))
        .collect()
}

fn upgrade(py: Python<'_>, references: &[Py<PyWeakrefReference>]) -> Vec<Py<Node>> {
    let upgrade = |reference: &Py<PyWeakrefReference>| reference.bind(py).upgrade();
    let nodes = references.iter().filter_map(upgrade);
    nodes
        .filter_map(|node| node.cast_into::<Node>().ok())
        .map(Bound::unbind)
        .collect()
}
