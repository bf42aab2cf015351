//! Latency: a sample of the elements is timed on request.
//!
//! A timed element carries a token with the time of its emission. While such a token exists, all nodes have a flag at
//! their gate; without it, elements take the fast path.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use super::Graph;
use super::access::detour;
use super::node::NodeId;
use super::pass::{Lease, Pass};
use crate::ack::{Ack, Acks};
use crate::runtime::{RuntimeHandle, steady_time};
use crate::trace;

/// Mean time between two timed elements, in a pipeline of at most [`NODES`] nodes.
const SPACING: Duration = Duration::from_millis(10);

/// Number of nodes from which the spacing grows in proportion, since a timed element costs something at every node.
const NODES: usize = 12;

/// Greatest number of elements from one timed element to the next.
const MAX_INTERVAL: u32 = 1 << 16;

/// State of the sampling. All but `alive` is written by the thread inside the monitor.
#[derive(Default)]
pub(super) struct Timing {
    /// Elements until the next timed one.
    left: AtomicU32,
    /// Elements from one timed element to the next; 0 before the first.
    interval: AtomicU32,
    /// Time of the last timed element, in nanoseconds.
    last: AtomicU64,
    /// End of the sampling, in nanoseconds.
    until: AtomicU64,
    /// How many of the newest timed elements each node keeps.
    kept: AtomicUsize,
    /// Whether nodes have the flag.
    is_closed: AtomicBool,
    /// Referenced by this and by each timed element on its way.
    alive: Arc<()>,
}

impl Timing {
    /// Counts an element that is not to be timed; returns false for one that is.
    #[inline(always)]
    pub(super) fn skips_one(&self) -> bool {
        let left = self.left.load(Ordering::Relaxed);
        if left > 1 {
            self.left.store(left - 1, Ordering::Relaxed);
        }
        left > 1
    }

    /// A reference for an element on its way that needs the nodes' flags.
    pub(super) fn alive(&self) -> Arc<()> {
        self.alive.clone()
    }

    /// Takes over the state of a graph that is merged into this one.
    pub(super) fn absorb(&self, other: &Self) {
        let until = other.until.load(Ordering::Relaxed);
        self.until.fetch_max(until, Ordering::Relaxed);
        let kept = other.kept.load(Ordering::Relaxed);
        self.kept.fetch_max(kept, Ordering::Relaxed);
        if other.is_closed.load(Ordering::Relaxed) {
            self.is_closed.store(true, Ordering::Relaxed);
        }
    }
}

/// A pipeline's clock; the steady clock of the process if it has none.
#[derive(Clone)]
struct Clock(Option<RuntimeHandle>);

impl Clock {
    fn now(&self) -> Duration {
        self.0.as_ref().map_or_else(steady_time, |it| it.now())
    }
}

/// Time at which an element was emitted.
#[derive(Clone)]
pub(super) struct Born {
    at: Duration,
    clock: Clock,
    /// Counts as an element in flight.
    _alive: Arc<()>,
}

impl Born {
    pub(super) fn at(&self) -> Duration {
        self.at
    }

    /// Time since the emission.
    pub(super) fn age(&self) -> Duration {
        self.clock.now().saturating_sub(self.at)
    }
}

impl Graph {
    /// Whether these elements may take the fast path: only timing and tracing are active, and none of these is to be
    /// timed or traced. If so, they are counted.
    #[inline(never)]
    pub(super) fn pass_unseen(&self, detours: u8, elements: usize, carry_tokens: bool) -> bool {
        let (is_timed, is_traced) = (detours & detour::TIMED != 0, detours & detour::TRACED != 0);
        if detours & !(detour::TIMED | detour::TRACED) != 0 || (is_traced && carry_tokens) {
            return false;
        }
        let left = self.timing.left.load(Ordering::Relaxed);
        if is_timed && left as usize <= elements {
            return false;
        }
        if is_traced && (trace::is_within() || !self.are_untraced(elements)) {
            return false;
        }
        if is_timed {
            // It is less than `left`, which fits.
            let left = left - elements as u32;
            self.timing.left.store(left, Ordering::Relaxed);
        }
        true
    }

    /// The lease for an element emitted at a node, with tokens if it is to be timed or traced.
    pub(super) fn watch_if_due(&self, lease: Lease, node: NodeId) -> Lease {
        let detours = self.detours.load(Ordering::Relaxed);
        let mut lease = lease;
        if detours & detour::TIMED != 0 && !self.timing.skips_one() {
            lease = self.time(lease);
        }
        match detours & detour::TRACED {
            0 => lease,
            _ => self.trace_if_due(lease, node),
        }
    }

    #[cold]
    fn time(&self, lease: Lease) -> Lease {
        let timing = &self.timing;
        let pass = Pass::new(self, Lease::default(), false);
        let clock = self.clock();
        let at = clock.now();
        let now = at.as_nanos() as u64;
        if now > timing.until.load(Ordering::Relaxed) {
            self.detours.fetch_and(!detour::TIMED, Ordering::Relaxed);
            self.mark_nodes(false, &pass);
            self.keep_elements(0, &pass);
            return lease;
        }
        let last = timing.last.swap(now, Ordering::Relaxed);
        let interval = match timing.interval.load(Ordering::Relaxed) {
            0 => 1,
            interval if now.saturating_sub(last) < self.spacing(&pass).as_nanos() as u64 => {
                (interval * 2).min(MAX_INTERVAL)
            }
            interval => (interval / 2).max(1),
        };
        timing.interval.store(interval, Ordering::Relaxed);
        timing.left.store(interval, Ordering::Relaxed);
        self.mark_nodes(true, &pass);
        let born = Ack::carrying(Born {
            at,
            clock,
            _alive: timing.alive.clone(),
        });
        Lease {
            acks: Acks::merge([&born.into(), &lease.acks]),
            ..lease
        }
    }

    /// Mean time between two timed elements.
    fn spacing(&self, pass: &Pass) -> Duration {
        let nodes = self.state.get(pass).nodes.len().max(NODES);
        SPACING.mul_f64(nodes as f64 / NODES as f64)
    }

    fn clock(&self) -> Clock {
        Clock(self.runtime().cloned())
    }

    pub(super) fn mark_nodes(&self, is_timed: bool, pass: &Pass) {
        self.timing.is_closed.store(is_timed, Ordering::Relaxed);
        for node in self.state.get(pass).nodes.values() {
            node.set_timed(is_timed, pass);
        }
    }

    /// Number of timed elements that each node keeps.
    pub(super) fn kept_elements(&self) -> usize {
        self.timing.kept.load(Ordering::Relaxed)
    }

    /// Sets how many timed elements each node keeps.
    pub(crate) fn keep_elements(&self, limit: usize, pass: &Pass) {
        if self.timing.kept.swap(limit, Ordering::Relaxed) > limit {
            for node in self.nodes(pass) {
                node.forget_recent(limit, pass);
            }
        }
    }

    /// Removes the nodes' flags unless a timed element is on its way.
    #[inline]
    pub(super) fn open_timed(&self, pass: &Pass) {
        let timing = &self.timing;
        if timing.is_closed.load(Ordering::Relaxed) && Arc::strong_count(&timing.alive) == 1 {
            self.mark_nodes(false, pass);
        }
    }

    /// Times elements for this long from now on; without a limit, for the pipeline's life. The next element is timed.
    pub(crate) fn measure_latency(&self, limit: Option<Duration>, pass: &Pass) {
        let now = self.clock().now();
        let last = Duration::from_nanos(self.timing.last.load(Ordering::Relaxed));
        if now.saturating_sub(last) > 10 * self.spacing(pass) {
            // The stream has become slow, or is new: the interval must not be that of a faster one.
            self.timing.interval.store(0, Ordering::Relaxed);
        }
        let until = limit.map(|limit| now.saturating_add(limit).as_nanos());
        let until = until.and_then(|until| u64::try_from(until).ok());
        let until = until.unwrap_or(u64::MAX);
        self.timing.until.fetch_max(until, Ordering::Relaxed);
        self.timing.left.store(0, Ordering::Relaxed);
        self.detours.fetch_or(detour::TIMED, Ordering::Relaxed);
        self.open_timed(pass);
    }
}
