//! Which nodes lead to which: cycles, order, and what depends on them.

use std::any::Any;
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Graph;
use super::call::CallSite;
use super::node::{AnyNode, Core, NodeId};
use super::pass::Pass;
use super::state::State;

/// A pipeline with fewer nodes than this cannot fill a stack.
const SHALLOW: usize = 128;

impl State {
    pub(super) fn adopt(&mut self, node: Arc<dyn AnyNode>, pass: &Pass) {
        self.ordinals += 1;
        node.core().ordinal.store(self.ordinals, Ordering::Relaxed);
        if node.core().suspends() || node.is_looped(pass) {
            self.is_batchable = Some(false);
        }
        if self.nodes.len() >= SHALLOW && is_chosen(node.core().id()) {
            node.look_at_stack(pass);
        }
        if node.may_keep() || node.closes() {
            self.to_end.insert(node.core().id());
        }
        self.nodes.insert(node.core().id(), node);
    }

    /// Removes a node; returns what it kept alive.
    pub(super) fn remove(&mut self, id: NodeId, pass: &Pass) -> Vec<Box<dyn Any + Send>> {
        let Some(node) = self.nodes.remove(&id) else {
            return Vec::new();
        };
        self.to_end.remove(&id);
        let upstreams: Vec<_> = node.core().upstreams.get(pass).ids().collect();
        for up in upstreams {
            self.closing.remove(&(id, up));
            if let Some(up) = self.nodes.get(&up)
                && up.cut(Some(id), pass).has_moved
            {
                self.edge_moved();
            }
        }
        for down in node.downstream(pass) {
            self.closing.remove(&(down, id));
            if let Some(down) = self.nodes.get(&down) {
                down.core().upstreams.get(pass).remove(id, |_| ());
            }
        }
        self.unfed.forget(id);
        self.forget_bend();
        let mut gone = node.cut(None, pass).gone;
        gone.push(Box::new(self.sources.remove(&id)));
        gone.push(Box::new(node));
        gone
    }

    /// An edge between nodes that stay has been removed.
    pub(super) fn edge_went(&mut self) {
        self.edge_moved();
        self.forget_bend();
    }

    /// Invalidates results of following edges.
    pub(super) fn edge_moved(&mut self) {
        self.cuts += 1;
    }

    /// Notes that batches may be able to pass as a whole again.
    fn forget_bend(&mut self) {
        if self.is_batchable == Some(false) {
            self.is_batchable = None;
        }
    }

    pub(super) fn upstreams(&self, id: NodeId, pass: &Pass) -> Vec<NodeId> {
        self.nodes
            .get(&id)
            .map(|node| node.core().upstreams.get(pass).ids().collect())
            .unwrap_or_default()
    }

    /// Whether something needs the node: a handle to it or to a node downstream, or a sink downstream.
    ///
    /// Each node on the way remembers the result, so that the next search need not walk the same way: taking a long
    /// chain apart from its end costs no more than from its beginning.
    pub(super) fn is_anchored(&self, id: NodeId, pass: &Pass) -> bool {
        let Some(node) = self.nodes.get(&id) else {
            return false;
        };
        if node.core().is_anchor() {
            return true;
        }
        let first = node.next_downstream(0, pass);
        let first = first.and_then(|(id, _)| self.nodes.get(&id));
        if first.is_some_and(|below| below.core().is_anchor()) {
            return true;
        }
        let mut seen = HashSet::from([id]);
        let mut way = vec![(node, 0)];
        while let Some((node, place)) = way.last_mut() {
            let remembered = node.core().anchor_below(self.cuts, pass);
            let next = match remembered.filter(|id| *place == 0 && !seen.contains(id)) {
                Some(id) => Some(id),
                None => node.next_downstream(*place, pass).map(|(id, behind)| {
                    *place = behind;
                    id
                }),
            };
            let Some(id) = next else {
                way.pop();
                continue;
            };
            if !seen.insert(id) {
                continue;
            }
            let Some(node) = self.nodes.get(&id) else {
                continue;
            };
            if node.core().is_anchor() {
                for (above, _) in way {
                    above.core().remember_anchor(id, self.cuts, pass);
                }
                return true;
            }
            way.push((node, 0));
        }
        false
    }

    /// Whether there is a path from one node to another.
    pub(super) fn reaches(&self, from: NodeId, to: NodeId, pass: &Pass) -> bool {
        self.search(from, pass, |node| node.core().id() == to)
    }

    /// Whether there is a path from `to` to `from`, between which an edge has just been added: searched from both ends
    /// at once, which takes as long as the shorter of the two ways.
    pub(super) fn leads_back(&self, to: NodeId, from: NodeId, pass: &Pass) -> bool {
        if to == from {
            return true;
        }
        let mut down = Walk::new(to);
        let mut up = Walk::new(from);
        loop {
            let below = down.step(|id, place| self.nodes.get(&id)?.next_downstream(place, pass));
            match below {
                None => return false,
                Some(Some(id)) if up.seen.contains(&id) => return true,
                Some(_) => {}
            }
            let above = up.step(|id, place| {
                let upstreams = &self.nodes.get(&id)?.core().upstreams;
                upstreams.get(pass).next(place)
            });
            match above {
                None => return false,
                Some(Some(id)) if down.seen.contains(&id) => return true,
                Some(_) => {}
            }
        }
    }

    /// Whether there is a path from a node back to itself.
    pub(super) fn leads_to_itself(&self, id: NodeId, pass: &Pass) -> bool {
        let Some(node) = self.nodes.get(&id) else {
            return false;
        };
        let mut below = node.downstream(pass).into_iter();
        below.any(|below| self.reaches(below, id, pass))
    }

    /// The node and all nodes downstream.
    pub(super) fn below(&self, id: NodeId, pass: &Pass) -> BTreeSet<NodeId> {
        let mut below = BTreeSet::new();
        self.search(id, pass, |node| {
            below.insert(node.core().id());
            false
        });
        below
    }

    /// Walks downstream from a node, itself first, until `found`.
    pub(super) fn search(
        &self,
        from: NodeId,
        pass: &Pass,
        mut found: impl FnMut(&Arc<dyn AnyNode>) -> bool,
    ) -> bool {
        if self.nodes.get(&from).is_some_and(&mut found) {
            return true;
        }
        let mut walk = Walk::new(from);
        while let Some(step) =
            walk.step(|id, place| self.nodes.get(&id)?.next_downstream(place, pass))
        {
            if let Some(node) = step.and_then(|id| self.nodes.get(&id))
                && found(node)
            {
                return true;
            }
        }
        false
    }

    /// Nodes in the order of a drain: each after its upstreams; those on a cycle in the order of creation.
    pub(super) fn in_order(&self, wanted: &BTreeSet<NodeId>, pass: &Pass) -> Vec<NodeId> {
        // Most have been built from the top down.
        if !self.leads_up || wanted.len() < 2 {
            return wanted.iter().copied().collect();
        }
        let (mut missing, mut ready) = (HashMap::new(), BinaryHeap::new());
        for (id, node) in &self.nodes {
            let upstreams = node.core().upstreams.get(pass);
            let above = upstreams.ids().filter(|up| self.nodes.contains_key(up));
            match above.count() {
                0 => ready.push(Reverse(*id)),
                above => drop(missing.insert(*id, above)),
            }
        }
        let mut oldest = self.nodes.keys();
        let mut ordered = Vec::new();
        loop {
            // Nodes that are left without a ready one are on a cycle, or downstream of one.
            let next = match ready.pop() {
                Some(Reverse(id)) => Some(id),
                None => oldest.find(|id| missing.remove(id).is_some()).copied(),
            };
            let Some((id, node)) = next.and_then(|id| self.nodes.get_key_value(&id)) else {
                return ordered;
            };
            for down in node.downstream(pass) {
                if let Some(above) = missing.get_mut(&down) {
                    *above -= 1;
                    if *above == 0 {
                        missing.remove(&down);
                        ready.push(Reverse(down));
                    }
                }
            }
            if wanted.contains(id) {
                ordered.push(*id);
            }
        }
    }
}

impl Graph {
    /// Whether a node leads back to itself along edges.
    pub(crate) fn is_on_cycle(&self, node: &Core, pass: &Pass) -> bool {
        let state = self.state.get(pass);
        node.is_cyclic(state.cuts, pass, || state.leads_to_itself(node.id(), pass))
    }

    /// Whether there is still a path back over the edge that once closed a cycle.
    pub(super) fn still_closes(&self, to: NodeId, from: NodeId, pass: &Pass) -> bool {
        self.state.get(pass).reaches(to, from, pass)
    }

    /// Number of removed edges.
    pub(super) fn cuts(&self, pass: &Pass) -> u64 {
        self.state.get(pass).cuts
    }

    /// Whether outputs of a node can reach `goal`; adds the places where asynchronous functions on the way emit.
    pub(super) fn comes_to(
        &self,
        from: NodeId,
        goal: NodeId,
        sites: &mut Vec<Arc<CallSite>>,
        pass: &Pass,
    ) -> bool {
        let state = self.state.get(pass);
        let Some(from) = state.nodes.get(&from) else {
            return false;
        };
        from.downstream(pass).into_iter().any(|below| {
            state.search(below, pass, |node| {
                sites.extend(node.core().call_site().cloned());
                node.core().id() == goal
            })
        })
    }
}

/// One node of sixteen, whatever the order of creation.
fn is_chosen(id: NodeId) -> bool {
    id.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 60 == 0
}

/// A walk along edges that visits each node once, one edge at a time.
struct Walk {
    seen: HashSet<NodeId>,
    way: Vec<(NodeId, usize)>,
}

impl Walk {
    fn new(from: NodeId) -> Self {
        Self {
            seen: HashSet::from([from]),
            way: vec![(from, 0)],
        }
    }

    /// Follows one edge: `next` returns a node's neighbour at or after an index. Returns the neighbour, unless it has
    /// been visited before; `None` at the end of the walk.
    fn step(
        &mut self,
        next: impl FnOnce(NodeId, usize) -> Option<(NodeId, usize)>,
    ) -> Option<Option<NodeId>> {
        let (id, place) = self.way.last_mut()?;
        let Some((to, behind)) = next(*id, *place) else {
            self.way.pop();
            return Some(None);
        };
        *place = behind;
        if !self.seen.insert(to) {
            return Some(None);
        }
        self.way.push((to, 0));
        Some(Some(to))
    }
}
