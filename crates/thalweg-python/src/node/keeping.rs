//! References between nodes: a node keeps alive its upstreams, and those downstreams that lead to a sink.
//!
//! All these references are visible to the garbage collector. So nodes that lead to a sink live while anything refers
//! to a connected node, and a detached part of a pipeline is freed when nothing refers to its nodes.

use std::collections::{BTreeMap, HashSet};

use pyo3::prelude::*;
use pyo3::types::{PyWeakrefMethods, PyWeakrefReference};
use pyo3::{PyTraverseError, PyVisit};

use super::{Node, Parts};
use crate::lock::lock;

/// The downstream nodes that a node keeps.
#[derive(Default)]
pub(super) struct Below {
    /// Whether the node is a sink that has not been released.
    is_sink: bool,
    /// Downstreams that lead to a sink, by id.
    nodes: BTreeMap<u64, Py<Node>>,
    /// Nodes whose failures are routed to this one.
    failing: Vec<Py<PyWeakrefReference>>,
    /// Nodes to which this node's failures are routed.
    targets: Vec<Py<PyWeakrefReference>>,
}

impl Below {
    pub(super) fn new(is_sink: bool) -> Self {
        Self {
            is_sink,
            ..Self::default()
        }
    }

    /// Number of nodes whose failures are routed here.
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
    pub(super) fn leads_to_sink(&self) -> bool {
        lock(&self.below).leads_to_sink()
    }

    /// Nodes whose elements or failures this node gets.
    fn above(&self, py: Python<'_>) -> Vec<Py<Node>> {
        let mut above: Vec<_> = lock(&self.upstreams)
            .iter()
            .map(|node| node.clone_ref(py))
            .collect();
        above.extend(upgrade(py, &lock(&self.below).failing));
        above
    }

    /// Keeps a downstream that leads to a sink; returns whether it is the first.
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
    /// Makes the upstreams of a node that leads to a sink keep it, and theirs keep them.
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

    /// Removes an edge between two nodes: the upstream releases the downstream, and nodes that lead to no sink any more
    /// are released by their upstreams.
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

    /// Makes a node's upstreams release it if it leads to no sink any more.
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

    /// `None` if a sink is found below the node, or is the node; otherwise the nodes that were believed to lead to one
    /// because they are on a cycle with it.
    fn way_to_sink(&self, py: Python<'_>) -> PyResult<Option<Vec<Py<Self>>>> {
        let mut seen = HashSet::new();
        let mut next: Option<Py<Self>> = None;
        // Without cycles every path ends at a sink: checking one is enough.
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

    /// The same as [`way_to_sink`](Self::way_to_sink), along all paths.
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

    /// Releases a sink: from here on only its users keep it.
    pub(super) fn release(slf: &Bound<'_, Self>) -> PyResult<()> {
        lock(&slf.get().parts()?.below).is_sink = false;
        Self::look_for_sink(slf)
    }

    /// Records the nodes to which a node's failures are routed, replacing the previous ones.
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

    /// Makes a node keep another one that it was connected to.
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
