//! Several nodes that run as one.
//!
//! A host that can run a part of a pipeline as one, such as compiled code, replaces the edges that lead to it. The
//! nodes stay: they keep their names, policies and counters, and process elements that arrive by another way. Changes
//! of edges anywhere in the graph, and of policies, undo it.

mod run;
#[cfg(test)]
mod tests;

use std::any::Any;
use std::sync::Arc;

pub(super) use self::run::{AnyRun, Run};
use super::cell::Link;
use super::node::AnyNode;
use super::output::Edge;
use super::pass::Pass;
use super::{Graph, Receive};
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

    /// Number of elements that each node has received and emitted, in total.
    fn progress(&self) -> Vec<Progress>;

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
}

shows!([T: Element] FusedContext<'_, T> {});

impl<T: Element> FusedContext<'_, T> {
    /// Applies a node's policy to an element that its function has failed on.
    ///
    /// # Errors
    /// The policy is to raise: the element's way ends.
    #[cold]
    pub fn fail(&mut self, node: usize, element: T, cause: impl Into<BoxError>) -> EmitResult {
        self.run.settle(self.pass);
        self.run.nodes[node].fail_at(element, cause.into(), self.pass)
    }

    /// Passes an element that has been counted to a node, which processes it by itself.
    ///
    /// # Errors
    /// The element's way has ended.
    pub fn take(&mut self, node: usize, element: T) -> EmitResult {
        self.run.nodes[node].take_counted(element, self.pass)
    }

    /// Lets the first node process an element by itself, and count it.
    ///
    /// # Errors
    /// The element's way has ended.
    pub fn hand_back(&mut self, element: T) -> EmitResult {
        self.run.nodes[0].take(element, self.pass)
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

    /// Lets nodes process elements that arrived while they were active: those whose element has been everywhere
    /// downstream; and the elements that arrived behind `node`, which makes several elements of one.
    pub fn take_up(&mut self, nodes: std::ops::Range<usize>, node: Option<usize>) {
        self.run.take_up(nodes, node, self.pass);
    }

    /// Sets the failure of one element of a batch aside, so that the batch can continue.
    pub fn keep_failure(&mut self, result: EmitResult) {
        if result.is_err() {
            self.pass.keep_failure();
        }
    }
}

/// A node, as seen by fused code.
pub(crate) trait Fusable<T>: AnyNode {
    /// Whether it can be fused: it is on no cycle, nothing waits, and its policy permits it.
    fn may_fuse(&self, may_skip: bool, pass: &Pass) -> bool;
    /// Sets the run that it belongs to, or none.
    fn set_run(&self, run: Option<&Arc<dyn AnyRun>>, pass: &Pass);
    /// Applies the policy to an element that has been counted.
    fn fail_at(&self, element: T, cause: BoxError, pass: &mut Pass) -> EmitResult;
    /// Processes an element that arrives another way.
    fn take(&self, element: T, pass: &mut Pass) -> EmitResult;
    /// Processes an element that has been counted.
    fn take_counted(&self, element: T, pass: &mut Pass) -> EmitResult;
    /// Adds elements that fused code has processed to its counters.
    fn add_progress(&self, received: u64, made: u64, pass: &Pass);
    /// Marks it as running, or as sending an element to its downstreams; returns whether that has changed.
    fn begin_work(&self, is_handing: bool, pass: &Pass) -> bool;
    /// Undoes that; returns whether elements have arrived meanwhile.
    fn end_work(&self, is_handing: bool, pass: &Pass) -> bool;
    /// Processes elements waiting before it.
    fn take_up(&self, pass: &mut Pass);
    /// Processes elements waiting after it.
    fn hand_on(&self, pass: &mut Pass);
}

/// An edge that is replaced by a run.
struct FusedEdge<T: Element> {
    run: Arc<Run<T>>,
    edge: Edge<T>,
}

impl<T: Element> Receive<T> for FusedEdge<T> {
    #[inline]
    fn receive(&self, x: T, pass: &mut Pass) -> EmitResult {
        self.run.receive(x, &self.edge, pass)
    }

    fn receive_many(&self, xs: &mut Vec<T>, pass: &mut Pass) {
        self.run.receive_many(xs, &self.edge, pass);
    }

    fn takes(&self, batch: &dyn Any, _: &Pass) -> bool {
        self.run.takes(batch)
    }

    fn receive_host_batch(&self, batch: &mut dyn Any, pass: &mut Pass) {
        self.run
            .with_body(pass, |body, cx| body.run_host_batch(batch, cx));
    }

    fn link(&self) -> Link<T> {
        Link::to(self)
    }
}

impl Graph {
    /// Fuses nodes, the first of which receives elements from outside; returns whether they are as described and can be
    /// fused.
    pub(crate) fn fuse<T: Element>(
        &self,
        parts: &[FusedPart],
        exits: &[(usize, u64)],
        body: Box<dyn Fused<T>>,
        pass: &Pass,
    ) -> bool {
        if self.has_cycles(pass) {
            return false;
        }
        let Some(nodes) = self.parts::<T>(parts, pass) else {
            return false;
        };
        let exits: Option<Vec<_>> = exits
            .iter()
            .map(|(from, to)| nodes[*from].edge(*to, pass))
            .map(|edge| Some(edge?.downcast_ref::<Edge<T>>()?.link()))
            .collect();
        let head = nodes[0].core();
        let upstreams: Vec<_> = head.upstreams.get(pass).ids().collect();
        let doors: Option<Vec<_>> = upstreams
            .iter()
            .map(|id| {
                let upstream = self.node(*id, pass)?;
                let edge = upstream.edge(head.id(), pass)?;
                Some((upstream, edge.downcast_ref::<Edge<T>>()?.clone()))
            })
            .collect();
        let (Some(exits), Some(doors)) = (exits, doors) else {
            return false;
        };
        let run = Run::new(nodes, exits, doors, body);
        run.begin(pass);
        self.state.get(pass).runs.push(run);
        true
    }

    fn parts<T: Element>(
        &self,
        parts: &[FusedPart],
        pass: &Pass,
    ) -> Option<Vec<Arc<dyn Fusable<T>>>> {
        let nodes = parts.iter().enumerate().map(|(place, part)| {
            let node = self.node(part.id, pass)?;
            let is_head = place == 0;
            if node.receivers(pass) != part.downstream
                || !is_head && node.core().upstreams.get(pass).ids().count() != 1
            {
                return None;
            }
            let fusable = node.fusable().downcast::<Arc<dyn Fusable<T>>>().ok()?;
            fusable.may_fuse(part.may_skip, pass).then_some(*fusable)
        });
        nodes.collect()
    }

    /// Runs all nodes by themselves again, between passes.
    pub(crate) fn unfuse(&self, pass: &Pass) {
        let runs = std::mem::take(&mut self.state.get(pass).runs);
        if runs.is_empty() {
            return;
        }
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
