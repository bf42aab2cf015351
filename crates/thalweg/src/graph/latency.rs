//! How late elements are: now and then one is timed, while somebody asks.
//!
//! An element that is timed has a token that says when it was emitted. All nodes have a flag at their gate while such a token
//! is about; so elements take their usual way while there is none, and nothing is noted of them while nobody asks.

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

/// Elements are timed as rarely as makes this the time between two, on the average.
const EVERY: Duration = Duration::from_millis(10);

/// One in so many elements is timed at least.
const AT_LEAST: u32 = 1 << 16;

/// What is known of elements that are timed. All but the last is written by the thread inside the monitor.
#[derive(Default)]
pub(super) struct Timing {
    /// Elements until the next that is timed.
    left: AtomicU32,
    /// One in so many is timed; 0 before the first.
    interval: AtomicU32,
    /// When the last was timed, in nanoseconds.
    last: AtomicU64,
    /// Until when, in nanoseconds, elements are timed.
    until: AtomicU64,
    /// How many of the elements that are timed each node keeps, the newest.
    kept: AtomicUsize,
    /// Whether nodes have the flag.
    is_closed: AtomicBool,
    /// As often as there are elements that are timed, and once more.
    alive: Arc<()>,
}

impl Timing {
    /// To be held by an element for which nodes have the flag.
    pub(super) fn alive(&self) -> Arc<()> {
        self.alive.clone()
    }

    /// Takes over from a graph whose nodes have become those of this one.
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

/// A pipeline's clock, or one that all have in common that have none.
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
    /// Counts those that are on their way.
    _alive: Arc<()>,
}

impl Born {
    pub(super) fn at(&self) -> Duration {
        self.at
    }

    /// How long ago that is.
    pub(super) fn age(&self) -> Duration {
        self.clock.now().saturating_sub(self.at)
    }
}

impl Graph {
    /// Whether nothing but that some elements are timed or traced keeps these from going in, and it is none of these; if so,
    /// they are counted.
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

    /// The lease for an element that is emitted at a node, with tokens if it is to be timed or traced.
    pub(super) fn watch_if_due(&self, lease: Lease, node: NodeId) -> Lease {
        let detours = self.detours.load(Ordering::Relaxed);
        let mut lease = lease;
        if detours & detour::TIMED != 0 {
            let left = self.timing.left.load(Ordering::Relaxed);
            match left > 1 {
                true => self.timing.left.store(left - 1, Ordering::Relaxed),
                false => lease = self.time(lease),
            }
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
            interval if now.saturating_sub(last) < EVERY.as_nanos() as u64 => {
                (interval * 2).min(AT_LEAST)
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

    fn clock(&self) -> Clock {
        Clock(self.runtime().cloned())
    }

    pub(super) fn mark_nodes(&self, is_timed: bool, pass: &Pass) {
        self.timing.is_closed.store(is_timed, Ordering::Relaxed);
        for node in self.state.get(pass).nodes.values() {
            node.set_timed(is_timed, pass);
        }
    }

    /// How many elements each node is to keep.
    pub(super) fn kept_elements(&self) -> usize {
        self.timing.kept.load(Ordering::Relaxed)
    }

    /// Has each node keep so many of the elements that are timed.
    pub(crate) fn keep_elements(&self, limit: usize, pass: &Pass) {
        if self.timing.kept.swap(limit, Ordering::Relaxed) > limit {
            for node in self.nodes(pass) {
                node.forget_recent(limit, pass);
            }
        }
    }

    /// Has elements go their usual way again, unless one that is timed is on its way.
    #[inline]
    pub(super) fn open_timed(&self, pass: &Pass) {
        let timing = &self.timing;
        if timing.is_closed.load(Ordering::Relaxed) && Arc::strong_count(&timing.alive) == 1 {
            self.mark_nodes(false, pass);
        }
    }

    /// Has elements timed for this long from now on; without a limit, as long as the pipeline lives.
    pub(crate) fn measure_latency(&self, limit: Option<Duration>, pass: &Pass) {
        let now = self.clock().now();
        let until = limit.map(|limit| now.saturating_add(limit).as_nanos());
        let until = until.and_then(|until| u64::try_from(until).ok());
        let until = until.unwrap_or(u64::MAX);
        self.timing.until.fetch_max(until, Ordering::Relaxed);
        // What comes next is timed, however many came between the last two.
        self.timing.left.store(0, Ordering::Relaxed);
        self.timing.interval.store(0, Ordering::Relaxed);
        self.detours.fetch_or(detour::TIMED, Ordering::Relaxed);
        self.open_timed(pass);
    }
}
