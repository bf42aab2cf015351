//! Several nodes that run as one.
//!
//! A host that can run a part of a pipeline as one, such as compiled code, replaces the edges that lead to it. The
//! nodes stay: they keep their names, policies and counters, and process elements that arrive by another way. Changes
//! of edges anywhere in the graph, and of policies, undo it.

mod door;
#[cfg(test)]
mod fork_tests;
mod member;
mod run;
#[cfg(test)]
mod tests;

use std::any::Any;
use std::collections::HashMap;

use self::door::Door;
use self::member::Member;
pub(super) use self::member::{Fusable, Fusing};
pub(super) use self::run::{AnyRun, Run};
use super::Graph;
use super::cell::Outlet;
use super::node::NodeId;
use super::output::Edge;
use super::pass::Pass;
use crate::ack::discarding;
use crate::debug::shows;
use crate::failure::BoxError;
use crate::operator::{Element, EmitResult};

/// Code that runs several nodes of a pipeline as one; see [`Stream::fuse`](crate::Stream::fuse).
///
/// It is called by one thread at a time, like nodes. Nodes are referred to by their index among the fused ones.
pub trait Fused<T: Element>: Send + Sync + 'static {
    /// Passes one element through the nodes: depth first, in the order of the edges.
    ///
    /// # Errors
    /// The element's way has ended with a failure: that of [`FusedContext::fail`], or of nodes downstream.
    fn run(&self, x: T, cx: &mut FusedContext<'_, T>) -> EmitResult;

    /// Passes a batch through the nodes, and empties it. A failure ends the way of its own element only.
    fn run_many(&self, xs: &mut Vec<T>, cx: &mut FusedContext<'_, T>) {
        for x in xs.drain(..) {
            let result = self.run(x, cx);
            cx.keep_failure(result);
        }
    }

    /// Whether it accepts the host's batches; see [`Stream::emit_host_batches`](crate::Stream::emit_host_batches).
    fn takes(&self, _batch: &dyn Any) -> bool {
        false
    }

    /// Passes such a batch through the nodes, like [`run_many`](Self::run_many).
    fn run_host_batch(&self, _batch: &mut dyn Any, _cx: &mut FusedContext<'_, T>) {}

    /// Ends a batch after the current element, in the middle of which this is called: the pipeline changes, or an
    /// emitter has to wait. The rest of a host batch is to be [left](FusedContext::leave).
    fn stop(&self) {}

    /// Number of elements that each node has received and emitted, in total.
    fn progress(&self) -> Vec<Progress>;

    /// Elements that it holds in the middle of a run, until others join them, and the exits to where they do: they go
    /// there at once, since an element comes by another way.
    fn let_go(&self) -> Vec<(usize, T)> {
        Vec::new()
    }

    /// The nodes whose functions are being called, if this is running: elements that arrive meanwhile wait.
    fn at_work(&self) -> AtWork {
        AtWork::default()
    }

    /// Notes that nodes process elements by themselves, in the middle of a run or until the next one.
    fn set_aside(&self) {}
}

/// Elements that a node has received and emitted, in total.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Elements that have come to it.
    pub received: u64,
    /// Emitted elements, and failed ones.
    pub made: u64,
}

impl Progress {
    fn dropped(self) -> u64 {
        self.received.saturating_sub(self.made)
    }

    /// What has been added since `before`. An element that a node was deciding about may have been dropped since: it
    /// counted as emitted.
    fn since(self, before: Self) -> Added {
        Added {
            received: self.received.saturating_sub(before.received),
            made: self.made.saturating_sub(before.made),
            dropped: self.dropped().saturating_sub(before.dropped()),
        }
    }
}

/// Elements that are new in a node's counters.
#[derive(Clone, Copy)]
pub(crate) struct Added {
    pub(crate) received: u64,
    pub(crate) made: u64,
    pub(crate) dropped: u64,
}

/// Active nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AtWork {
    /// Nodes whose function is running, or which wait for the nodes downstream.
    pub busy: Vec<usize>,
    /// Nodes whose element is being sent to several downstreams.
    pub handing_around: Vec<usize>,
}

/// A node to fuse.
#[derive(Clone, Debug)]
pub struct FusedPart {
    /// The node, see [`Stream::node_id`](crate::Stream::node_id).
    pub id: u64,
    /// Its downstreams, in order.
    pub downstream: Vec<u64>,
    /// Whether failures may be handled by another policy than `Raise`: possible if nothing is left to do for an element
    /// once it has failed.
    pub may_skip: bool,
}

/// The pipeline, as seen by running fused nodes.
pub struct FusedContext<'a, T: Element> {
    run: &'a Run<T>,
    pass: &'a mut Pass,
    left: usize,
}

shows!([T: Element] FusedContext<'_, T> {});

impl<T: Element> FusedContext<'_, T> {
    /// Applies a node's policy to an element that its function has failed on.
    ///
    /// # Errors
    /// The policy is to raise: the element's way ends.
    #[cold]
    pub fn fail(&mut self, node: usize, element: T, cause: impl Into<BoxError>) -> EmitResult {
        self.run.members[node].fail_at(element, cause.into(), self.pass)
    }

    /// Passes an element that has been counted to a node, which processes it by itself.
    ///
    /// # Errors
    /// The element's way has ended.
    pub fn take(&mut self, node: usize, element: T) -> EmitResult {
        self.run.members[node].take_counted(element, self.pass)
    }

    /// Lets the first node process an element by itself, and count it.
    ///
    /// # Errors
    /// The element's way has ended.
    pub fn hand_back(&mut self, element: T) -> EmitResult {
        self.run.members[0].take(element, self.pass)
    }

    /// Sends an element to an exit.
    ///
    /// # Errors
    /// A node downstream has failed: the element's way ends.
    #[inline]
    pub fn send(&mut self, exit: usize, element: T) -> EmitResult {
        self.run.exits[exit].send(element, self.pass)
    }

    /// The same as the last action for its element: nothing is left running here.
    ///
    /// # Errors
    /// As for [`send`](Self::send).
    #[inline]
    pub fn send_last(&mut self, exit: usize, element: T) -> EmitResult {
        self.run
            .pause(self.pass, |pass| self.run.exits[exit].send(element, pass))
    }

    /// Sends a batch to an exit, and empties it.
    pub fn send_many(&mut self, exit: usize, elements: &mut Vec<T>) {
        self.run.pause(self.pass, |pass| {
            self.run.exits[exit].send_many(elements, pass);
            elements.clear();
        });
    }

    /// Leaves the last elements of a host batch: they are emitted again, once the others have been accepted.
    pub fn leave(&mut self, elements: usize) {
        self.left += elements;
    }

    /// Lets nodes process elements that arrived while they were active: those whose element has been everywhere
    /// downstream; and the elements that arrived behind `node`, which makes several elements of one. Returns whether
    /// elements wait at other nodes.
    pub fn take_up(&mut self, nodes: std::ops::Range<usize>, node: Option<usize>) -> bool {
        self.run.take_up(nodes, node, self.pass)
    }

    /// Whether a node keeps no elements, and none is in flight there.
    pub fn is_empty(&self, node: usize) -> bool {
        self.run.members[node].is_empty(self.pass)
    }

    /// Sets the failure of one element of a batch aside, so that the batch can continue.
    pub fn keep_failure(&mut self, result: EmitResult) {
        if result.is_err() {
            self.pass.keep_failure();
        }
    }
}

impl Pass {
    /// Sends what fused code holds in the middle of an element to the nodes where others join it: they are about to
    /// get other elements, or to be looked at.
    pub(crate) fn send_held(&mut self) {
        let runs = self.graph().state.get(self).runs.clone();
        runs.iter().for_each(|run| run.let_go(self));
    }

    /// Ends batches that fused code is in the middle of, after the current element, if the nodes would have taken the
    /// elements one by one.
    pub(crate) fn stop_batches(&self) {
        let runs = self.graph().state.get(self).runs.clone();
        if runs.iter().any(|run| run.has_joins()) {
            runs.iter().for_each(|run| run.stop());
        }
    }
}

impl Graph {
    /// Fuses nodes; returns whether they are as described and can be fused. The first of them receives elements from
    /// outside, or, if it is `fork`, passes them to the others by itself.
    pub(crate) fn fuse<T: Element>(
        &self,
        parts: &[FusedPart],
        exits: &[(usize, u64)],
        fork: Option<&Outlet<T>>,
        body: Box<dyn Fused<T>>,
        pass: &Pass,
    ) -> bool {
        if self.has_cycles(pass) {
            return false;
        }
        let exits = exits.iter().map(|(from, to)| {
            let edge = self.node(parts[*from].id, pass)?.edge(*to, pass)?;
            Some(edge.downcast_ref::<Edge<T>>()?.link())
        });
        let (Some(members), Some(exits)) = (self.members(parts, fork, pass), exits.collect())
        else {
            return false;
        };
        let Some(doors) = self.doors(parts[0].id, fork, pass) else {
            return false;
        };
        let fans = parts.iter().enumerate();
        let fans = fans.filter_map(|(place, part)| (part.downstream.len() > 1).then_some(place));
        let run = Run::new(members, fans.collect(), exits, doors, body);
        run.begin(pass);
        let mut state = self.state.get(pass);
        state.runs.push(run);
        state.is_batchable = None;
        true
    }

    fn members<T: Element>(
        &self,
        parts: &[FusedPart],
        fork: Option<&Outlet<T>>,
        pass: &Pass,
    ) -> Option<Vec<Member<T>>> {
        let mut ways_within = HashMap::<NodeId, usize>::new();
        for id in parts.iter().flat_map(|part| &part.downstream) {
            *ways_within.entry(*id).or_default() += 1;
        }
        let members = parts.iter().enumerate().map(|(place, part)| {
            let node = self.node(part.id, pass)?;
            if node.receivers(pass) != part.downstream {
                return None;
            }
            let is_first = place == 0;
            if is_first && let Some(fork) = fork {
                return Member::fork(fork, part, pass);
            }
            let ways = node.core().upstreams.get(pass).ids().count();
            if !is_first && ways_within.get(&part.id) != Some(&ways) {
                return None;
            }
            Member::node(node, part.may_skip, pass)
        });
        members.collect()
    }

    /// The ways in.
    fn doors<T: Element>(
        &self,
        first: u64,
        fork: Option<&Outlet<T>>,
        pass: &Pass,
    ) -> Option<Vec<Door<T>>> {
        if let Some(fork) = fork {
            return Some(vec![Door::behind(fork)]);
        }
        let upstreams = self.node(first, pass)?;
        let upstreams: Vec<_> = upstreams.core().upstreams.get(pass).ids().collect();
        let doors = upstreams.into_iter().map(|id| {
            let upstream = self.node(id, pass)?;
            Door::between(upstream, first, pass)
        });
        doors.collect()
    }

    /// Runs all nodes by themselves again, between passes.
    pub(crate) fn unfuse(&self, pass: &Pass) {
        let runs = std::mem::take(&mut self.state.get(pass).runs);
        if runs.is_empty() {
            return;
        }
        self.state.get(pass).is_batchable = None;
        runs.iter().for_each(|run| run.end(pass));
        discarding(|| drop(runs));
    }

    /// Adds the elements processed by fused code to the nodes' counters.
    pub(crate) fn settle_runs(&self, pass: &Pass) {
        let runs = self.state.get(pass).runs.clone();
        runs.iter().for_each(|run| run.settle(pass));
    }

    /// Runs `f`, which sends an element in the middle of others, with active fused nodes marked as such.
    pub(super) fn amid_runs<R>(&self, pass: &mut Pass, f: impl FnOnce(&mut Pass) -> R) -> R {
        pass.send_held();
        let runs = self.state.get(pass).runs.clone();
        let marked: Vec<_> = runs
            .into_iter()
            .filter_map(|run| run.mark(pass).map(|marks| (run, marks)))
            .collect();
        let result = f(pass);
        for (run, marks) in marked.into_iter().rev() {
            run.unmark(marks, pass);
        }
        result
    }
}
