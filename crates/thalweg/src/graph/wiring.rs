//! Adding and removing nodes and edges; merging graphs.

use std::any::Any;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::node::{AnyNode, NodeId};
use super::output::Output;
use super::pass::Pass;
use super::round::Return;
use super::state::Phase;
use super::{Control, Graph, Lease, Receive, detour, thread_state};
use crate::ack::discarding;
use crate::failure::{Error, Failure, Kind};
use crate::operator::Element;
use crate::sync::lock;

impl Graph {
    /// Adds a node to the graph, with one handle.
    pub(crate) fn register(&self, node: Arc<dyn AnyNode>, pass: &Pass) {
        if node.core().needs_runtime {
            self.need_runtime(pass);
        }
        let mut state = self.state.get(pass);
        node.core().handles.fetch_add(1, Ordering::Relaxed);
        state.handles += 1;
        state.adopt(node.clone(), pass);
        drop(state);
        if node.core().begins_at_once {
            self.schedule(node, pass);
        }
    }

    /// Adds a handle to a node of the graph.
    pub(crate) fn add_handle(&self, node: &Arc<dyn AnyNode>, pass: &Pass) {
        let mut state = self.state.get(pass);
        if node.core().handles.fetch_add(1, Ordering::Relaxed) == 0 {
            // Searches have found that it has no handle.
            state.edge_moved();
        }
        state.handles += 1;
    }

    /// Removes a handle. Nodes without a handle that lead nowhere are removed, and so is the whole graph without any
    /// handle.
    pub(crate) fn release(&self, id: NodeId, pass: &Pass) {
        let mut state = self.state.get(pass);
        let Some(node) = state.nodes.get(&id) else {
            return;
        };
        node.core().handles.fetch_sub(1, Ordering::Relaxed);
        state.handles -= 1;
        if state.handles > 0 {
            drop(state);
            self.prune(id, pass);
            self.drop_unfed(id, pass);
        } else if state.has_in_flight(pass) {
            state.abandoned = self.me.upgrade();
            self.attention.store(true, Ordering::Relaxed);
        } else {
            drop(state);
            self.tear_down(pass);
        }
    }

    /// Detaches a node, and then its upstreams, that have no handle and lead to nothing that matters.
    fn prune(&self, id: NodeId, pass: &Pass) {
        let mut candidates = vec![id];
        let mut gone: Vec<Box<dyn Any + Send>> = Vec::new();
        while let Some(id) = candidates.pop() {
            let mut state = self.state.get(pass);
            if !state.nodes.contains_key(&id) || state.is_anchored(id, pass) {
                continue;
            }
            if !state.runs.is_empty() {
                drop(state);
                self.unfuse(pass);
                state = self.state.get(pass);
            }
            candidates.extend(state.upstreams(id, pass));
            for lost in state.below(id, pass) {
                gone.extend(state.remove(lost, pass));
            }
        }
        discarding(|| drop(gone));
    }

    /// Takes everything apart.
    pub(super) fn tear_down(&self, pass: &Pass) {
        self.unfuse(pass);
        let mut state = self.state.get(pass);
        let old = std::mem::take(&mut *state);
        state.phase = Phase::Closed;
        drop(state);
        self.detours.fetch_or(detour::REFUSES, Ordering::Relaxed);
        // Nobody is left to receive a panic, except a thread that happens to be inside and is not concerned. The panic
        // hook has reported it.
        let discard = |work: &mut dyn FnMut()| {
            let _ = catch_unwind(AssertUnwindSafe(|| discarding(work)));
        };
        // Each is dropped with its edges, so that its memory is touched once, and no chain is dropped by its first
        // node.
        for node in old.nodes.into_values() {
            let mut node = Some((node.cut(None, pass), node));
            discard(&mut || drop(node.take()));
        }
        let mut rest = Some((old.agenda, old.handler, old.sources));
        discard(&mut || drop(rest.take()));
        // The thread inside holds the graph as well: this is not the last reference.
        drop(old.abandoned);
    }

    /// Adds an edge.
    pub(crate) fn connect<T: Element>(
        &self,
        output: &Output<T>,
        from: NodeId,
        to: &Arc<dyn AnyNode>,
        receiver: Arc<dyn Receive<T>>,
        pass: &Pass,
    ) {
        self.unfuse(pass);
        let id = to.core().id();
        // One edge between two nodes, unless the downstream one distinguishes its inlets.
        if !receiver.is_distinct() && output.edges(pass).contains(id) {
            return;
        }
        let mut state = self.state.get(pass);
        let closes = id == from || !to.leads_nowhere(pass) && state.leads_back(id, from, pass);
        let receiver = match closes {
            true => Arc::new(Return::new(receiver, from, id)),
            false => receiver,
        };
        output.connect(id, receiver, pass);
        to.core().upstreams.get(pass).push(from, ());
        state.leads_up |= id < from;
        if closes {
            to.set_looped(true, pass);
            state.is_batchable = Some(false);
            state.closing.insert((id, from));
            // What is known about nodes on the way.
            state.edge_moved();
        }
    }

    /// Removes the edges between two nodes; returns whether there were any.
    pub(crate) fn disconnect(&self, from: NodeId, to: NodeId, pass: &Pass) -> bool {
        self.unfuse(pass);
        let mut state = self.state.get(pass);
        let Some(upstream) = state.nodes.get(&from).cloned() else {
            return false;
        };
        upstream.part(to, pass);
        let gone = upstream.cut(Some(to), pass).gone;
        state.edge_went();
        state.closing.remove(&(to, from));
        let downstream = state.nodes.get(&to).cloned();
        if let Some(downstream) = &downstream {
            let mut upstreams = downstream.core().upstreams.get(pass);
            upstreams.remove(from, |_| ());
            if downstream.is_looped(pass) {
                let still = state.search(to, pass, |node| upstreams.contains(node.core().id()));
                downstream.set_looped(still, pass);
            }
        }
        drop(state);
        !gone.is_empty()
    }

    /// Whether there is an edge that closes a cycle.
    pub(crate) fn has_cycles(&self, pass: &Pass) -> bool {
        !self.state.get(pass).closing.is_empty()
    }

    /// Makes elements end where their way would close a cycle.
    pub(crate) fn cut_cycles(&self, pass: &Pass) {
        self.unfuse(pass);
        let closing = std::mem::take(&mut self.state.get(pass).closing);
        for (to, from) in closing {
            if let Some(node) = self.node(from, pass) {
                node.mute(to, pass);
                self.state.get(pass).edge_moved();
            }
        }
    }

    /// Makes a node send its elements to `to` before all others; returns whether there is an edge.
    pub(crate) fn move_to_first(&self, from: NodeId, to: NodeId, pass: &Pass) -> bool {
        self.unfuse(pass);
        let node = self.node(from, pass);
        self.state.get(pass).edge_moved();
        node.is_some_and(|node| node.move_to_first(to, pass))
    }

    /// Disconnects a node from its upstreams. Nodes without handles that only they lead to are removed.
    pub(crate) fn destroy(&self, id: NodeId, pass: &Pass) {
        let upstreams = self.state.get(pass).upstreams(id, pass);
        for &up in &upstreams {
            self.disconnect(up, id, pass);
        }
        self.drop_unfed(id, pass);
        for up in upstreams {
            self.prune(up, pass);
        }
    }

    /// Merges two graphs, if they differ, and then runs `then` inside. Deferred until the thread is in no monitor,
    /// where it may wait for both.
    pub(crate) fn join(
        one: &Arc<Graph>,
        other: &Arc<Graph>,
        then: impl FnOnce(&mut Pass) + Send + 'static,
    ) {
        if Arc::ptr_eq(one.root(), other.root()) {
            one.run_exclusive(Box::new(then));
            return;
        }
        let (one, other) = (one.clone(), other.clone());
        thread_state::later(move || {
            Self::join_now(&one, &other);
            one.run_exclusive(Box::new(then));
        });
    }

    fn join_now(one: &Arc<Graph>, other: &Arc<Graph>) {
        let me = thread_state::thread_id();
        loop {
            let (a, b) = (one.root().clone(), other.root().clone());
            if Arc::ptr_eq(&a, &b) {
                return;
            }
            // Always in the same order, so that two threads joining the same two cannot deadlock.
            let (first, second) = if Arc::as_ptr(&a) < Arc::as_ptr(&b) {
                (&a, &b)
            } else {
                (&b, &a)
            };
            first.enter_to_join(me);
            second.enter_to_join(me);
            let both = a.merged.get().is_none() && b.merged.get().is_none();
            if both {
                // The smaller is merged into the larger, so that many joined one by one cost no more than all at once.
                if b.is_larger_than(&a) {
                    b.absorb(&a, false);
                } else {
                    a.absorb(&b, true);
                }
            }
            second.leave(me, false);
            first.leave(me, false);
            if both {
                return;
            }
        }
    }

    fn enter_to_join(&self, me: usize) {
        if self.monitor.try_enter_once(me) != super::Entry::Entered {
            self.monitor.enter_waiting(me);
        }
        thread_state::enter();
    }

    /// Whether it has more nodes than another. Both monitors are held.
    fn is_larger_than(&self, other: &Graph) -> bool {
        let nodes = |graph: &Graph| {
            let pass = Pass::new(graph, Lease::default(), true);
            graph.state.get(&pass).nodes.len()
        };
        nodes(self) > nodes(other)
    }

    /// Merges another graph into this one. Both monitors are held. `is_first` decides which of the two comes first
    /// where both have entries.
    fn absorb(self: &Arc<Self>, other: &Arc<Graph>, is_first: bool) {
        let (mine, theirs) = (
            Pass::new(self, Lease::default(), true),
            Pass::new(other, Lease::default(), true),
        );
        self.unfuse(&mine);
        other.unfuse(&theirs);
        let old = std::mem::take(&mut *other.state.get(&theirs));
        match (self.runtime(), other.runtime()) {
            (Some(one), Some(two)) if one != two => {
                self.build_error(Error::new(Kind::DifferentRuntimes), &mine);
            }
            (None, Some(runtime)) => {
                let _ = self.runtime.set(runtime.clone());
            }
            _ => {}
        }
        lock(&self.waiting).append(&mut lock(&other.waiting));
        self.state.get(&mine).absorb(old, is_first, &mine);
        self.absorb_deferred(other);
        self.timing.absorb(&other.timing);
        if self.tracing.absorb(&other.tracing) {
            self.detours.fetch_or(detour::TRACED, Ordering::Relaxed);
        }
        let attention = other.attention.load(Ordering::Relaxed);
        self.attention.fetch_or(attention, Ordering::Relaxed);
        other
            .monitor
            .close(thread_state::thread_id(), &self.monitor, || {
                let _ = other.merged.set(self.clone());
            });
        self.arm(&mine);
    }

    /// Whether two graphs can be joined.
    pub(crate) fn check_join(one: &Arc<Graph>, other: &Arc<Graph>) -> Result<(), Error> {
        match (one.root().runtime(), other.root().runtime()) {
            (Some(one), Some(two)) if one != two => Err(Error::new(Kind::DifferentRuntimes)),
            _ => Ok(()),
        }
    }

    /// The edges of the graph, and whether each leads back, for drawing.
    pub(crate) fn edges(&self, pass: &Pass) -> Vec<(NodeId, NodeId, bool)> {
        let state = self.state.get(pass);
        state
            .nodes
            .iter()
            .flat_map(|(&from, node)| node.downstream(pass).into_iter().map(move |to| (from, to)))
            .map(|(from, to)| (from, to, to <= from && state.reaches(to, from, pass)))
            .collect()
    }

    /// The sources upstream of a node, or at it.
    pub(crate) fn sources_above(&self, id: NodeId, pass: &Pass) -> Vec<Arc<Control>> {
        let state = self.state.get(pass);
        let (mut seen, mut stack, mut found) = (BTreeSet::new(), vec![id], Vec::new());
        while let Some(id) = stack.pop() {
            if seen.insert(id) {
                found.extend(state.sources.get(&id).cloned());
                stack.extend(state.upstreams(id, pass));
            }
        }
        found
    }

    /// Routes the failures of a node as its policy says.
    pub(crate) fn route(
        &self,
        node: &Arc<dyn AnyNode>,
        to: &Arc<dyn AnyNode>,
        receiver: Arc<dyn Receive<Failure>>,
        pass: &Pass,
    ) {
        let errors = node.error_output(pass);
        self.connect(&errors, node.core().id(), to, receiver, pass);
    }
}

/// A handle that keeps a graph alive, and its node in it.
pub(crate) struct Handle {
    pub(crate) graph: Arc<Graph>,
    pub(crate) id: NodeId,
}

impl Drop for Handle {
    fn drop(&mut self) {
        let id = self.id;
        self.graph
            .post(Box::new(move |pass| pass.graph().release(id, pass)));
    }
}
