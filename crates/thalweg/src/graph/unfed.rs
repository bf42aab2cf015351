//! Nodes that nothing can come to any more: they go, unless somebody holds a node that they lead to.

use std::any::Any;
use std::collections::{BTreeMap, HashMap, HashSet};

use super::Graph;
use super::node::NodeId;
use super::pass::Pass;
use super::state::State;
use crate::ack::discarding;

/// Nodes that nothing can come to, but that stay for a handle to another node.
///
/// Each is listed for one such node, its *holder*. When the last handle to that goes, another is looked for.
#[derive(Default)]
pub(super) struct Unfed {
    by_holder: HashMap<NodeId, BTreeMap<NodeId, Reason>>,
    holders: HashMap<NodeId, NodeId>,
}

/// How a holder was found.
#[derive(Clone, Copy)]
enum Reason {
    /// By following edges down, when edges had gone so many times.
    Below { cuts: u64 },
    /// By following edges up, around a cycle.
    Above,
}

impl Unfed {
    fn list(&mut self, id: NodeId, holder: NodeId, reason: Reason) {
        self.forget(id);
        self.holders.insert(id, holder);
        self.by_holder.entry(holder).or_default().insert(id, reason);
    }

    pub(super) fn forget(&mut self, id: NodeId) {
        if let Some(holder) = self.holders.remove(&id)
            && let Some(held) = self.by_holder.get_mut(&holder)
        {
            held.remove(&id);
            if held.is_empty() {
                self.by_holder.remove(&holder);
            }
        }
    }

    pub(super) fn absorb(&mut self, other: Self) {
        self.by_holder.extend(other.by_holder);
        self.holders.extend(other.holders);
    }
}

impl State {
    /// Those of the nodes listed for `holder`, to which there is no handle any more, that have to be looked at.
    fn without_holder(&mut self, holder: NodeId, pass: &Pass) -> Vec<NodeId> {
        let Some(held) = self.unfed.by_holder.remove(&holder) else {
            return Vec::new();
        };
        // What leads to the one that held them leads to whatever that leads to.
        let heir = self.holder_below(holder, pass);
        let mut orphans = Vec::new();
        for (id, reason) in held {
            self.unfed.holders.remove(&id);
            match (heir, reason) {
                (Some(heir), Reason::Below { cuts }) if cuts == self.cuts => {
                    self.unfed.list(id, heir, reason);
                }
                _ => orphans.push(id),
            }
        }
        orphans
    }

    fn holder_below(&self, id: NodeId, pass: &Pass) -> Option<NodeId> {
        let mut holder = None;
        self.search(id, pass, |node| {
            let is_held = node.core().handles() > 0;
            if is_held {
                holder = Some(node.core().id());
            }
            is_held
        });
        holder
    }

    /// Whether something can come to a node from above. If it is on a cycle it can get back to itself, which does
    /// not count; then a node above, to which there is a handle, is what feeds it.
    fn feeder(&self, id: NodeId, pass: &Pass) -> Feeder {
        let Some(node) = self.nodes.get(&id) else {
            return Feeder::Edge;
        };
        if self.sources.contains_key(&id) {
            return Feeder::Edge;
        }
        if !node.is_looped(pass) {
            return match node.core().upstreams.get(pass).is_empty() {
                true => Feeder::None,
                false => Feeder::Edge,
            };
        }
        let (mut seen, mut waiting) = (HashSet::from([id]), self.upstreams(id, pass));
        while let Some(above) = waiting.pop() {
            if !seen.insert(above) {
                continue;
            }
            let Some(node) = self.nodes.get(&above) else {
                continue;
            };
            if self.sources.contains_key(&above) {
                return Feeder::Edge;
            }
            if node.core().handles() > 0 {
                return Feeder::Handle(above);
            }
            waiting.extend(self.upstreams(above, pass));
        }
        Feeder::None
    }
}

enum Feeder {
    None,
    /// An edge, or a source at the node or above: when it goes, the node is looked at again.
    Edge,
    /// A handle to a node that leads to this one and is led to by it.
    Handle(NodeId),
}

impl Graph {
    /// Takes out a node, and those below, that nothing can come to any more and nobody can reach.
    pub(super) fn drop_unfed(&self, id: NodeId, pass: &Pass) {
        let mut candidates = vec![id];
        let mut gone: Vec<Box<dyn Any + Send>> = Vec::new();
        let mut state = self.state.get(pass);
        let is_held = |state: &State| state.nodes.get(&id).is_some_and(|x| x.core().handles() > 0);
        if !is_held(&state) {
            candidates.extend(state.without_holder(id, pass));
        }
        drop(state);
        while let Some(id) = candidates.pop() {
            let mut state = self.state.get(pass);
            let Some(node) = state.nodes.get(&id).cloned() else {
                continue;
            };
            let below = || state.holder_below(id, pass);
            match state.feeder(id, pass) {
                Feeder::Edge => {}
                Feeder::Handle(holder) => state.unfed.list(id, holder, Reason::Above),
                Feeder::None => match below() {
                    Some(holder) => {
                        let cuts = state.cuts;
                        state.unfed.list(id, holder, Reason::Below { cuts });
                    }
                    None => {
                        candidates.extend(node.downstream(pass));
                        gone.extend(state.remove(id, pass));
                    }
                },
            }
        }
        discarding(|| drop(gone));
    }
}
