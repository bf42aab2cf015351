//! Nodes that no element can reach any more: they are removed, unless a node that they lead to has a handle.

use std::any::Any;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::Graph;
use super::node::{AnyNode, NodeId};
use super::pass::Pass;
use super::state::State;
use crate::ack::discarding;

/// Nodes that no element can reach, but that stay for a handle of another node.
///
/// Each is listed for one such node, its *holder*. When that one's last handle is dropped, another is searched for.
#[derive(Default)]
pub(super) struct Unfed {
    by_holder: HashMap<NodeId, BTreeMap<NodeId, Reason>>,
    holders: HashMap<NodeId, NodeId>,
}

/// How a holder was found.
#[derive(Clone, Copy)]
enum Reason {
    /// By following edges downstream, at this number of removed edges.
    Below { cuts: u64 },
    /// By following edges upstream, around a cycle.
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
    /// The nodes listed for `holder`, which has lost its last handle, that have to be checked.
    fn without_holder(&mut self, holder: NodeId, pass: &Pass) -> Vec<NodeId> {
        let Some(held) = self.unfed.by_holder.remove(&holder) else {
            return Vec::new();
        };
        // A node that leads to the former holder leads to whatever that leads to.
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

    /// A node with a handle: this one, or one downstream.
    ///
    /// Each node on the way remembers up to which downstream nothing was found, so that the next search need not look
    /// there again: the handles of a wide pipeline may be dropped one by one.
    fn holder_below(&self, id: NodeId, pass: &Pass) -> Option<NodeId> {
        let node = self.nodes.get(&id)?;
        if node.core().handles() > 0 {
            return Some(id);
        }
        // Usually it is among the next unvisited ones, or there is none.
        let mut place = node.core().unheld_before(self.cuts, pass);
        let found = loop {
            let Some((id, behind)) = node.next_downstream(place, pass) else {
                break Some(None);
            };
            match self.nodes.get(&id) {
                Some(below) if below.core().handles() > 0 => break Some(Some(id)),
                Some(below) if self.may_lead_on(below, pass) => break None,
                _ => place = behind,
            }
        };
        node.core().remember_unheld(place, self.cuts, pass);
        if let Some(found) = found {
            return found;
        }
        let mut search = Search {
            state: self,
            pass,
            way: Vec::new(),
            seen: HashMap::new(),
            open: Vec::new(),
        };
        search.enter(id, node);
        search.run()
    }

    /// Whether a node downstream may have a handle.
    fn may_lead_on(&self, node: &Arc<dyn AnyNode>, pass: &Pass) -> bool {
        let place = node.core().unheld_before(self.cuts, pass);
        node.next_downstream(place, pass).is_some()
    }

    /// Whether elements can reach a node from upstream. A node on a cycle can reach itself, which does not count; then
    /// a node upstream with a handle is what feeds it.
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

/// A depth-first search downstream of a node for one with a handle. It finds cycles as Tarjan's algorithm does
/// (*Depth-first search and linear graph algorithms*, 1972).
struct Search<'a> {
    state: &'a State,
    pass: &'a Pass,
    way: Vec<Step<'a>>,
    /// Index of each node in the order of the search; `None` if nothing downstream has a handle.
    seen: HashMap<NodeId, Option<usize>>,
    /// Undecided nodes, in the order of the search.
    open: Vec<NodeId>,
}

struct Step<'a> {
    id: NodeId,
    node: &'a Arc<dyn AnyNode>,
    /// Index in the order of the search.
    order: usize,
    /// Nothing downstream has a handle on the edges before this index.
    place: usize,
    /// The index after the edge being followed.
    behind: usize,
    /// The first undecided node that something downstream leads back to. Unless that is this one, nothing can be
    /// decided about this node alone: whatever that one leads to is downstream as well.
    back_to: usize,
}

impl<'a> Search<'a> {
    fn enter(&mut self, id: NodeId, node: &'a Arc<dyn AnyNode>) {
        let order = self.seen.len();
        self.seen.insert(id, Some(order));
        self.open.push(id);
        self.way.push(Step {
            id,
            node,
            order,
            place: node.core().unheld_before(self.state.cuts, self.pass),
            behind: 0,
            back_to: order,
        });
    }

    fn run(mut self) -> Option<NodeId> {
        while let Some(step) = self.way.last_mut() {
            let Some((id, behind)) = step.node.next_downstream(step.place, self.pass) else {
                self.leave();
                continue;
            };
            step.behind = behind;
            match (self.state.nodes.get(&id), self.seen.get(&id)) {
                (Some(node), _) if node.core().handles() > 0 => {
                    self.remember_way();
                    return Some(id);
                }
                (Some(node), None) => self.enter(id, node),
                (_, seen) => {
                    if let Some(Some(order)) = seen {
                        step.back_to = step.back_to.min(*order);
                    }
                    step.place = behind;
                }
            }
        }
        None
    }

    /// Backtracks one step: there, only undecided nodes can lead to a handle.
    fn leave(&mut self) {
        let Some(step) = self.way.pop() else { return };
        if step.back_to == step.order {
            self.remember(&step);
            while let Some(id) = self.open.pop() {
                self.seen.insert(id, None);
                if id == step.id {
                    break;
                }
            }
        }
        if let Some(above) = self.way.last_mut() {
            if step.back_to < step.order {
                above.back_to = above.back_to.min(step.back_to);
            }
            above.place = above.behind;
        }
    }

    fn remember_way(&self) {
        for step in &self.way {
            if step.back_to == step.order {
                self.remember(step);
            }
        }
    }

    fn remember(&self, step: &Step<'_>) {
        let core = step.node.core();
        core.remember_unheld(step.place, self.state.cuts, self.pass);
    }
}

enum Feeder {
    None,
    /// An edge, or a source at the node or upstream: when it is removed, the node is checked again.
    Edge,
    /// A handle of a node on a common cycle.
    Handle(NodeId),
}

impl Graph {
    /// Removes a node, and those downstream, that no element and no handle can reach any more.
    pub(super) fn drop_unfed(&self, id: NodeId, pass: &Pass) {
        let mut candidates = vec![id];
        let mut gone: Vec<Box<dyn Any + Send>> = Vec::new();
        let mut state = self.state.get(pass);
        let node = state.nodes.get(&id);
        if node.is_none_or(|node| node.core().handles() == 0) {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Stream;
    use crate::graph::Handle;

    /// Result of a search without a cache.
    fn is_held_below(state: &State, id: NodeId, pass: &Pass) -> bool {
        state.search(id, pass, |node| node.core().handles() > 0)
    }

    const COUNT: usize = 12;

    /// Whether the result is right after each step, starting from some edges.
    fn is_right(edges: &[(usize, usize)], steps: &[(u8, usize, usize)]) -> bool {
        let streams: Vec<_> = (0..COUNT).map(|_| Stream::<u8>::new()).collect();
        let all = Stream::<u8>::new();
        let end = all.map(|x| x);
        for stream in &streams {
            all.connect(stream).expect("the types fit");
            stream.connect(&end).expect("the types fit");
            // Holds all nodes, and is held by no downstream node.
            stream.sink(drop);
        }
        for (from, to) in edges {
            streams[*from]
                .connect(&streams[*to])
                .expect("the types fit");
        }
        let ids: Vec<_> = streams.iter().map(Stream::node_id).collect();
        drop(end);
        let mut streams: Vec<_> = streams.into_iter().map(Some).collect();
        let graph = all.graph().clone();
        let mut loose: Vec<Handle> = Vec::new();
        steps.iter().all(|&(what, one, other)| {
            match (what, &streams[one], &streams[other]) {
                (0..3, Some(_), _) => streams[one] = None,
                (3, Some(from), Some(to)) => from.connect(to).expect("the types fit"),
                (4, Some(from), Some(to)) => drop(from.disconnect(to)),
                (5, None, _) => {
                    let added = graph.query(|pass| {
                        let node = pass.graph().node(ids[one], pass)?;
                        pass.graph().add_handle(&node, pass);
                        let graph = graph.clone();
                        Some(Handle {
                            graph,
                            id: ids[one],
                        })
                    });
                    loose.extend(added.flatten());
                    if loose.len() > 3 {
                        loose.remove(0);
                    }
                }
                _ => {}
            }
            let right = graph.query(|pass| {
                let state = pass.graph().state.get(pass);
                let found = |id: &NodeId| state.holder_below(*id, pass).is_some();
                ids.iter()
                    .all(|id| found(id) == is_held_below(&state, *id, pass))
            });
            right == Some(true)
        })
    }

    proptest! {
        #[test]
        fn cached_search_results_are_right(
            edges in prop::collection::vec((0..COUNT, 0..COUNT), 0..30),
            steps in prop::collection::vec((0..6_u8, 0..COUNT, 0..COUNT), 0..60),
        ) {
            prop_assert!(is_right(&edges, &steps));
        }
    }

    #[test]
    fn a_node_is_revisited_from_a_nested_cycle() {
        let edges = [
            (7, 4),
            (0, 5),
            (9, 0),
            (4, 9),
            (1, 2),
            (5, 1),
            (1, 7),
            (7, 10),
            (5, 9),
            (10, 11),
            (2, 5),
        ];
        let steps = [9, 0, 1, 4, 5, 7, 2].map(|one| (0, one, 0));
        assert!(is_right(&edges, &steps));
    }
}
