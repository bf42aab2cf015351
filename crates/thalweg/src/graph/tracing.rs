//! Selection of traced elements, and their tokens.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use super::Graph;
use super::access::detour;
use super::node::NodeId;
use super::pass::{Lease, Pass};
use crate::ack::{Ack, Acks};
use crate::sync::lock;
use crate::trace::{self, TraceContext, Traced, TracedNode, Tracer};

/// The tracer of a graph, and the selection.
#[derive(Default)]
pub(super) struct Tracing {
    tracer: Mutex<Option<Arc<dyn Tracer>>>,
    /// Traces one of this many elements, not counting those that belong to a trace already.
    one_in: AtomicU32,
    /// Elements until the next traced one. Written by the thread inside the monitor.
    left: AtomicU32,
}

impl Tracing {
    /// Takes over from a graph that is merged into this one; returns whether it has a tracer.
    pub(super) fn absorb(&self, other: &Self) -> bool {
        let (tracer, mut mine) = (lock(&other.tracer).take(), lock(&self.tracer));
        if mine.is_none() {
            *mine = tracer;
            let one_in = other.one_in.load(Ordering::Relaxed);
            self.one_in.store(one_in, Ordering::Relaxed);
        }
        mine.is_some()
    }
}

impl Graph {
    /// From now on traces one of this many elements, and all that belong to a trace already; none without a tracer.
    pub(crate) fn trace(&self, tracer: Option<Arc<dyn Tracer>>, one_in: u32) {
        let is_on = tracer.is_some();
        let earlier = std::mem::replace(&mut *lock(&self.tracing.tracer), tracer);
        self.tracing.one_in.store(one_in, Ordering::Relaxed);
        let left = if one_in == 0 { u32::MAX } else { 0 };
        self.tracing.left.store(left, Ordering::Relaxed);
        if is_on {
            trace::turn_on();
            self.detours.fetch_or(detour::TRACED, Ordering::Relaxed);
        } else {
            self.detours.fetch_and(!detour::TRACED, Ordering::Relaxed);
        }
        // Dropping it may run anything.
        drop(earlier);
    }

    /// Whether none of the next elements, this many and without tokens, is to be traced; if so, they are counted.
    pub(super) fn are_untraced(&self, elements: usize) -> bool {
        let left = self.tracing.left.load(Ordering::Relaxed);
        if left as usize <= elements {
            return false;
        }
        // It is less than `left`, which fits.
        let left = left - elements as u32;
        self.tracing.left.store(left, Ordering::Relaxed);
        true
    }

    /// The lease of an element emitted at a node, with a span if it is to be traced.
    #[cold]
    pub(super) fn trace_if_due(&self, lease: Lease, node: NodeId) -> Lease {
        if lease.acks.payloads::<Traced>().next().is_some() {
            return lease;
        }
        // It may have been emitted by a function that works on an element of another pipeline.
        let parent = lease.acks.payloads::<TraceContext>().last().cloned();
        let parent = parent.or_else(trace::current_context);
        let is_due = match &parent {
            Some(parent) => parent.is_sampled(),
            None => !self.are_untraced(1),
        };
        if !is_due {
            return lease;
        }
        if parent.is_none() {
            let one_in = self.tracing.one_in.load(Ordering::Relaxed);
            let left = if one_in == 0 { u32::MAX } else { one_in };
            self.tracing.left.store(left, Ordering::Relaxed);
            if one_in == 0 {
                return lease;
            }
        }
        let Some(tracer) = lock(&self.tracing.tracer).clone() else {
            return lease;
        };
        let pass = Pass::new(self, Lease::default(), false);
        let Some(core) = self.node(node, &pass) else {
            return lease;
        };
        let (name, kind) = (core.core().name(), core.core().kind());
        let at = TracedNode::new(&name, node, kind);
        let Some(span) = trace::guarded(|| tracer.begin(&at, parent.as_ref())).flatten() else {
            return lease;
        };
        self.mark_nodes(true, &pass);
        let traced = Ack::carrying(Traced {
            span,
            _alive: self.timing.alive(),
        });
        Lease {
            acks: Acks::merge([&traced.into(), &lease.acks]),
            ..lease
        }
    }
}
