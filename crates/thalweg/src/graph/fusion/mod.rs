//! Several nodes that run as one.
//!
//! A host that can run a part of a pipeline in one go, compiled code say, puts itself in the place of the edges that
//! lead to it. The nodes stay: they have their names, policies and counters, and take over whatever comes to them by
//! another way. Edges that change anywhere in the graph, and policies, undo it.

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

/// What runs several nodes of a pipeline as one; see [`Stream::fuse`](crate::Stream::fuse).
///
/// It is called by one thread at a time, as nodes are. Nodes go by their position among those that were fused.
pub trait Fused<T: Element>: Send + Sync + 'static {
    /// Takes one element through the nodes: depth first, in the order of the edges.
    ///
    /// # Errors
    /// The element's way has ended with a failure: that of [`FusedContext::fail`], or of nodes behind.
    fn run(&self, x: T, cx: &mut FusedContext<'_, T>) -> EmitResult;

    /// Takes a batch through the nodes, and empties it. A failure ends the way of its own element only.
    fn run_many(&self, xs: &mut Vec<T>, cx: &mut FusedContext<'_, T>) {
        for x in xs.drain(..) {
            let flow = self.run(x, cx);
            cx.keep_failure(flow);
        }
    }

    /// Whether it takes a batch as the host keeps it; see
    /// [`Stream::emit_host_batches`](crate::Stream::emit_host_batches).
    fn takes(&self, _batch: &dyn Any) -> bool {
        false
    }

    /// Takes such a batch through the nodes, as [`run_many`](Self::run_many) does.
    fn run_host_batch(&self, _batch: &mut dyn Any, _cx: &mut FusedContext<'_, T>) {}

    /// How many elements each node has received and made, since the beginning.
    fn progress(&self) -> Vec<Progress>;

    /// The nodes whose functions are being called, if this is running: what comes to them meanwhile waits.
    fn at_work(&self) -> AtWork {
        AtWork::default()
    }

    /// Takes note that nodes take elements by themselves, in the middle of a run or until the next one.
    fn set_aside(&self) {}
}

/// Elements that a node has received and made, since the beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Elements that have come to it.
    pub received: u64,
    /// Elements it has sent, and those it has failed on.
    pub made: u64,
}

/// Nodes that are in the middle of something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AtWork {
    /// Nodes whose function is running, or which wait for the nodes behind them.
    pub busy: Vec<usize>,
    /// Nodes whose element is being handed to several others.
    pub handing_around: Vec<usize>,
}

/// A node to be fused.
#[derive(Clone, Debug)]
pub struct FusedPart {
    /// The node, see [`Stream::node_id`](crate::Stream::node_id).
    pub id: u64,
    /// The nodes behind it, in order.
    pub downstream: Vec<u64>,
    /// Whether failures may be handled by a policy other than `Raise`: where nothing of an element's way
    /// is left once it has failed.
    pub may_skip: bool,
}

/// What fused nodes need of the pipeline while they run.
pub struct FusedContext<'a, T: Element> {
    run: &'a Run<T>,
    pass: &'a mut Pass,
}

shows!([T: Element] FusedContext<'_, T> {});

impl<T: Element> FusedContext<'_, T> {
    /// Does what a node's policy says about an element that its function has failed on.
    ///
    /// # Errors
    /// That is a failure of the element: its way ends.
    #[cold]
    pub fn fail(&mut self, node: usize, element: T, cause: impl Into<BoxError>) -> EmitResult {
        self.run.settle(self.pass);
        self.run.nodes[node].fail_at(element, cause.into(), self.pass)
    }

    /// Hands an element that has been counted already to a node, which takes it by itself.
    ///
    /// # Errors
    /// The element's way has ended.
    pub fn take(&mut self, node: usize, element: T) -> EmitResult {
        self.run.nodes[node].take_counted(element, self.pass)
    }

    /// Has the first node take an element by itself, and count it.
    ///
    /// # Errors
    /// The element's way has ended.
    pub fn hand_back(&mut self, element: T) -> EmitResult {
        self.run.nodes[0].take(element, self.pass)
    }

    /// Sends an element on by an exit.
    ///
    /// # Errors
    /// A node behind it has failed: the element's way ends.
    #[inline]
    pub fn send(&mut self, exit: usize, element: T) -> EmitResult {
        self.run.exits[exit].send(element, self.pass)
    }

    /// The same as the last thing that is done about its element: nothing is left running here.
    ///
    /// # Errors
    /// As for [`send`](Self::send).
    #[inline]
    pub fn send_last(&mut self, exit: usize, element: T) -> EmitResult {
        self.run
            .pause(self.pass, |pass| self.run.exits[exit].send(element, pass))
    }

    /// Sends a batch on by an exit, and empties it.
    pub fn send_many(&mut self, exit: usize, elements: &mut Vec<T>) {
        self.run.pause(self.pass, |pass| {
            self.run.exits[exit].send_many(elements, pass);
            elements.clear();
        });
    }

    /// Has nodes take up what has come to them while they were at work: those whose element has been everywhere behind
    /// them, while others have not had it; and what has come behind `node`, which makes many elements of one.
    pub fn take_up(&mut self, nodes: std::ops::Range<usize>, node: Option<usize>) {
        self.run.take_up(nodes, node, self.pass);
    }

    /// Puts the failure of one element of a batch aside, so that the batch can go on.
    pub fn keep_failure(&mut self, flow: EmitResult) {
        if flow.is_err() {
            self.pass.keep_failure();
        }
    }
}

/// A node as those see it that run it together with others.
pub(crate) trait Fusable<T>: AnyNode {
    /// Whether it is such that it can be left out: on no cycle, nothing waits, and with a policy that permits it.
    fn may_fuse(&self, may_skip: bool, pass: &Pass) -> bool;
    /// From now on it belongs to a run, or to none.
    fn set_run(&self, run: Option<&Arc<dyn AnyRun>>, pass: &Pass);
    /// Does what the policy says about an element that has been counted.
    fn fail_at(&self, element: T, cause: BoxError, pass: &mut Pass) -> EmitResult;
    /// Takes an element that has come another way.
    fn take(&self, element: T, pass: &mut Pass) -> EmitResult;
    /// Takes an element that has been counted.
    fn take_counted(&self, element: T, pass: &mut Pass) -> EmitResult;
    /// Counts what has come through elsewhere.
    fn add_progress(&self, received: u64, made: u64, pass: &Pass);
    /// Marks it as working, or as handing an element around; returns whether that is news.
    fn begin_work(&self, is_handing: bool, pass: &Pass) -> bool;
    /// Undoes that; returns whether elements have come meanwhile.
    fn end_work(&self, is_handing: bool, pass: &Pass) -> bool;
    /// Takes up what has waited in front of it.
    fn take_up(&self, pass: &mut Pass);
    /// Takes up what has waited behind it.
    fn hand_on(&self, pass: &mut Pass);
}

/// An edge in the place of which a run is called.
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
    /// Fuses nodes, the first of which gets what comes from outside; returns whether they are as described and can
    /// be fused.
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

    /// Has all nodes run by themselves again, between passes.
    pub(crate) fn unfuse(&self, pass: &Pass) {
        let runs = std::mem::take(&mut self.state.get(pass).runs);
        if runs.is_empty() {
            return;
        }
        runs.iter().for_each(|run| run.end(pass));
        discarding(|| drop(runs));
    }

    /// Counts at the nodes what has come through where they run as one.
    pub(crate) fn settle_runs(&self, pass: &Pass) {
        let runs = self.state.get(pass).runs.clone();
        runs.iter().for_each(|run| run.settle(pass));
    }

    /// Runs `f`, which sends an element in the middle of others, with nodes that are at work as one marked as such.
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
