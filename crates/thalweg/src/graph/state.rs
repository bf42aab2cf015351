//! State of a graph, used by the thread inside its monitor.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::time::Duration;

use super::fusion::AnyRun;
use super::node::{AnyNode, NodeId};
use super::unfed::Unfed;
use super::{Control, Graph, Pass};
use crate::failure::{Error, Failure};

/// Maximum number of failures kept for the next `emit` or `drain`. The nodes' counters count them all.
const UNHANDLED_KEPT: usize = 1000;

pub(crate) type Handler = Arc<Mutex<dyn FnMut(Failure) + Send>>;

#[derive(Default)]
pub(super) struct State {
    pub(super) nodes: BTreeMap<NodeId, Arc<dyn AnyNode>>,
    /// The nodes that a drain flushes or closes: it visits no others, of which there may be many.
    pub(super) to_end: BTreeSet<NodeId>,
    pub(super) sources: BTreeMap<NodeId, Arc<Control>>,
    /// Number of nodes so far, for their names.
    pub(super) ordinals: usize,
    /// Number of users' handles.
    pub(super) handles: usize,
    /// The graph itself, if nobody else holds it but elements are still in flight.
    pub(super) abandoned: Option<Arc<Graph>>,
    pub(super) agenda: VecDeque<Arc<dyn AnyNode>>,
    /// Nodes that run as one.
    pub(super) runs: Vec<Arc<dyn AnyRun>>,
    pub(super) timers: Timers,
    pub(super) phase: Phase,
    pub(super) unhandled: Vec<Failure>,
    pub(super) handler: Option<Handler>,
    /// Wakers of those who wait until nothing is in flight.
    pub(super) quiet_wakers: Vec<Waker>,
    /// Whether batches may pass as a whole: nothing suspends, nothing is on a cycle.
    pub(super) is_batchable: Option<bool>,
    /// The nodes in which elements may be in flight: all others are idle.
    pub(super) active: Vec<NodeId>,
    /// The edges that closed a cycle when they were created: where to, and where from.
    pub(super) closing: BTreeSet<(NodeId, NodeId)>,
    /// Whether there is an edge from a node to an older one.
    pub(super) leads_up: bool,
    /// Whether a drain is active.
    pub(super) is_being_drained: bool,
    /// Drains that wait for the active one.
    pub(super) drain_wakers: Vec<Waker>,
    /// The nodes that no element can reach.
    pub(super) unfed: Unfed,
    /// Number of removed edges: results of following edges are valid until it changes.
    pub(super) cuts: u64,
}

#[derive(Clone, Default)]
pub(super) enum Phase {
    #[default]
    Open,
    Draining,
    Closed,
    Invalid(Arc<Error>),
}

impl State {
    pub(super) fn is_abandoned(&self) -> bool {
        self.abandoned.is_some()
    }

    /// Whether elements are in flight and will arrive by themselves. Allocates nothing.
    pub(super) fn has_in_flight(&mut self, pass: &Pass) -> bool {
        if !self.agenda.is_empty() {
            return true;
        }
        while let Some(id) = self.active.last() {
            if let Some(node) = self.nodes.get(id) {
                if node.held(pass).in_flight > 0 {
                    return true;
                }
                node.core().clear_active();
            }
            self.active.pop();
        }
        false
    }

    /// The nodes in which elements may be in flight.
    pub(super) fn active(&self) -> HashSet<NodeId> {
        self.active.iter().copied().collect()
    }

    pub(super) fn running_sources(&self) -> BTreeSet<NodeId> {
        let sources = self.sources.iter();
        sources
            .filter(|(_, source)| source.is_running())
            .map(|(id, _)| *id)
            .collect()
    }

    pub(super) fn keep_unhandled(&mut self, failure: Failure) {
        if self.unhandled.len() < UNHANDLED_KEPT {
            self.unhandled.push(failure);
        }
    }

    /// Takes over another graph's state. `is_first` decides which of the two comes first where both have entries.
    pub(super) fn absorb(&mut self, other: Self, is_first: bool, pass: &Pass) {
        for node in other.nodes.into_values() {
            self.adopt(node, pass);
        }
        self.sources.extend(other.sources);
        self.handles += other.handles;
        self.agenda.extend(other.agenda);
        self.active.extend(other.active);
        self.closing.extend(other.closing);
        self.leads_up |= other.leads_up;
        self.is_being_drained |= other.is_being_drained;
        self.drain_wakers.extend(other.drain_wakers);
        self.cuts = self.cuts.max(other.cuts) + 1;
        self.unfed.absorb(other.unfed);
        self.timers.absorb(other.timers);
        let mine = (std::mem::take(&mut self.phase), self.handler.take());
        let theirs = (other.phase, other.handler);
        let (first, second) = if is_first {
            (mine, theirs)
        } else {
            (theirs, mine)
        };
        self.phase = match first.0 {
            Phase::Open => second.0,
            phase => phase,
        };
        self.handler = first.1.or(second.1);
        for failure in other.unhandled {
            self.keep_unhandled(failure);
        }
        self.quiet_wakers.extend(other.quiet_wakers);
    }
}

/// Wake times of nodes.
#[derive(Default)]
pub(super) struct Timers {
    heap: BinaryHeap<Reverse<(Duration, u64, NodeId)>>,
    /// Keeps timers of the same time in order.
    serial: u64,
    /// The times for which the runtime has been asked to call, the earliest last.
    armed: Vec<Duration>,
}

impl Timers {
    pub(super) fn push(&mut self, at: Duration, id: NodeId) {
        self.heap.push(Reverse((at, self.serial, id)));
        self.serial += 1;
    }

    pub(super) fn pop_due(&mut self, now: Duration) -> Option<NodeId> {
        match self.heap.peek() {
            Some(Reverse((at, _, _))) if *at <= now => {
                self.heap.pop().map(|Reverse((_, _, id))| id)
            }
            _ => None,
        }
    }

    /// The time to ask the runtime for, unless it will call by then anyway.
    pub(super) fn next_to_arm(&mut self) -> Option<Duration> {
        let Reverse((at, _, _)) = *self.heap.peek()?;
        if self.armed.last().is_some_and(|armed| *armed <= at) {
            return None;
        }
        self.armed.push(at);
        Some(at)
    }

    /// The runtime has called as it was asked to for that time.
    pub(super) fn disarm(&mut self, at: Duration) {
        self.armed.retain(|armed| *armed != at);
    }

    fn absorb(&mut self, other: Self) {
        for Reverse((at, _, id)) in other.heap.into_sorted_vec().into_iter().rev() {
            self.push(at, id);
        }
    }
}
