use std::any::Any;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use thalweg_view::{Latency, PositionView};

use super::{NodeKind, Pass};
use crate::failure::{BoxError, Failure};
use crate::graph::call::CallSite;
use crate::graph::cell::Slot;
use crate::graph::counter::Counter;
use crate::graph::neighbours::Neighbours;
use crate::sync::lock;

/// Identity of a node, unique in the process and never reused; grows with time.
pub(crate) type NodeId = u64;

/// A node's identity, and its data outside of the hot path.
pub(crate) struct Core {
    id: NodeId,
    kind: Mutex<&'static str>,
    label: Option<String>,
    name: Mutex<Option<String>>,
    /// This node's 1-based position in its graph.
    pub(crate) ordinal: AtomicUsize,
    /// Number of users' handles.
    pub(crate) handles: AtomicUsize,
    pub(crate) is_sink: bool,
    suspends: AtomicBool,
    /// The same for a node that is not fused with others.
    suspends_alone: bool,
    pub(crate) needs_runtime: bool,
    pub(crate) begins_at_once: bool,
    /// The upstream nodes.
    pub(crate) upstreams: Slot<Neighbours<()>>,
    /// A downstream node that is a sink or has a handle, and the number of removed edges when that was found.
    anchor: Slot<Option<(NodeId, u64)>>,
    /// The index of downstreams before which nothing had a handle, and the number of removed edges then.
    unheld: Slot<(usize, u64)>,
    /// Whether it leads back to itself, and the number of removed edges when that was found.
    cyclic: Slot<Option<(bool, u64)>>,
    /// Where its functions emit, if they are asynchronous.
    call_site: OnceLock<Arc<CallSite>>,
    /// Whether elements may be in flight in it.
    is_active: AtomicBool,
    /// Number of turns it waits for.
    turns: AtomicUsize,
    /// Number of emitted elements that nodes downstream hold, and that it waits for.
    delivering: AtomicUsize,
    failed: Counter,
    waiting: Slot<Waiting>,
    waited: AtomicU64,
    /// Latencies, once measured. For a sink, until it is done.
    latency: Mutex<Option<Box<Latency>>>,
    /// Positions of a source, by the time of the pipeline's clock.
    positions: Mutex<Option<Positions>>,
}

/// Returns a source's positions at a time of the pipeline's clock.
pub(crate) type Positions = Box<dyn Fn(Duration) -> Vec<PositionView> + Send>;

#[derive(Default)]
struct Waiting {
    elements: usize,
    since: Duration,
}

impl Core {
    pub(super) fn new<B: NodeKind>(body: &B) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            kind: Mutex::new(B::KIND),
            label: body.label(),
            name: Mutex::new(None),
            ordinal: AtomicUsize::new(0),
            handles: AtomicUsize::new(0),
            is_sink: B::SINK,
            suspends: AtomicBool::new(body.suspends()),
            suspends_alone: body.suspends(),
            needs_runtime: body.needs_runtime(),
            begins_at_once: body.begins_at_once(),
            upstreams: Slot::new(Neighbours::default()),
            anchor: Slot::new(None),
            unheld: Slot::new((0, 0)),
            cyclic: Slot::new(None),
            call_site: OnceLock::new(),
            is_active: AtomicBool::new(false),
            delivering: AtomicUsize::new(0),
            turns: AtomicUsize::new(0),
            failed: Counter::default(),
            waiting: Slot::new(Waiting::default()),
            waited: AtomicU64::new(0),
            latency: Mutex::default(),
            positions: Mutex::default(),
        }
    }

    pub(crate) fn handles(&self) -> usize {
        self.handles.load(Ordering::Relaxed)
    }

    /// Whether it keeps its upstreams alive.
    pub(crate) fn is_anchor(&self) -> bool {
        self.is_sink || self.handles() > 0
    }

    /// Node that this one was last found to lead to, unless an edge has been removed since.
    pub(crate) fn anchor_below(&self, cuts: u64, pass: &Pass) -> Option<NodeId> {
        self.anchor
            .get(pass)
            .and_then(|(id, then)| (then == cuts).then_some(id))
    }

    pub(crate) fn remember_anchor(&self, id: NodeId, cuts: u64, pass: &Pass) {
        *self.anchor.get(pass) = Some((id, cuts));
    }

    /// The first index of downstreams where a search for a handle has to look, unless an edge has been removed since
    /// the last search.
    pub(crate) fn unheld_before(&self, cuts: u64, pass: &Pass) -> usize {
        let (place, then) = *self.unheld.get(pass);
        if then == cuts { place } else { 0 }
    }

    pub(crate) fn remember_unheld(&self, place: usize, cuts: u64, pass: &Pass) {
        *self.unheld.get(pass) = (place, cuts);
    }

    /// Whether it leads back to itself; found with `look` unless known.
    pub(crate) fn is_cyclic(&self, cuts: u64, pass: &Pass, look: impl FnOnce() -> bool) -> bool {
        let known = *self.cyclic.get(pass);
        match known {
            Some((is_cyclic, then)) if then == cuts => is_cyclic,
            _ => {
                let is_cyclic = look();
                *self.cyclic.get(pass) = Some((is_cyclic, cuts));
                is_cyclic
            }
        }
    }

    pub(crate) fn call_site(&self) -> Option<&Arc<CallSite>> {
        self.call_site.get()
    }

    pub(in crate::graph) fn begin_to_call(&self) -> &Arc<CallSite> {
        self.call_site.get_or_init(|| CallSite::new(self.id))
    }

    /// Elements may be in flight in it; returns whether that has changed.
    pub(crate) fn mark_active(&self) -> bool {
        !self.is_active.load(Ordering::Relaxed) && !self.is_active.swap(true, Ordering::Relaxed)
    }

    /// No elements are in flight in it.
    pub(crate) fn clear_active(&self) {
        self.is_active.store(false, Ordering::Relaxed);
    }

    /// Whether an element may be kept here while its emitter waits.
    #[inline]
    pub(crate) fn suspends(&self) -> bool {
        self.suspends.load(Ordering::Relaxed)
    }

    /// Notes whether it is fused with others: then it suspends only once it has done so.
    pub(crate) fn set_fused(&self, is_fused: bool) {
        if self.suspends_alone {
            self.suspends.store(!is_fused, Ordering::Relaxed);
        }
    }

    /// From now on one may be; returns whether that has changed.
    pub(crate) fn begin_to_suspend(&self) -> bool {
        !self.suspends.swap(true, Ordering::Relaxed)
    }

    pub(crate) fn id(&self) -> NodeId {
        self.id
    }

    pub(crate) fn kind(&self) -> &'static str {
        *lock(&self.kind)
    }

    /// For sources, which are all the same type of node.
    pub(crate) fn set_kind(&self, kind: &'static str) {
        *lock(&self.kind) = kind;
    }

    /// The given name, or else one derived from the kind, the function, and the position in the graph.
    pub(crate) fn name(&self) -> String {
        if let Some(name) = &*lock(&self.name) {
            return name.clone();
        }
        let ordinal = self.ordinal.load(Ordering::Relaxed);
        match &self.label {
            Some(label) => format!("{}({label})#{ordinal}", self.kind()),
            None => format!("{}#{ordinal}", self.kind()),
        }
    }

    pub(crate) fn set_name(&self, name: String) {
        *lock(&self.name) = Some(name);
    }

    /// Counts an emitted element that nodes downstream hold.
    pub(crate) fn begun_delivery(&self) {
        self.delivering.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn ended_delivery(&self) {
        self.delivering.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn delivering(&self) -> usize {
        self.delivering.load(Ordering::Relaxed)
    }

    pub(crate) fn scheduled(&self) {
        let turns = self.turns.load(Ordering::Relaxed);
        self.turns.store(turns + 1, Ordering::Relaxed);
    }

    /// The node gets its turn.
    pub(crate) fn unscheduled(&self) {
        let turns = self.turns.load(Ordering::Relaxed);
        self.turns.store(turns - 1, Ordering::Relaxed);
    }

    pub(super) fn is_scheduled(&self) -> bool {
        self.turns.load(Ordering::Relaxed) > 0
    }

    pub(crate) fn failure(
        &self,
        ordinal: u64,
        element: Option<Box<dyn Any + Send>>,
        cause: BoxError,
    ) -> Failure {
        self.failure_after(1, ordinal, element, cause)
    }

    pub(crate) fn failure_after(
        &self,
        attempts: u32,
        ordinal: u64,
        element: Option<Box<dyn Any + Send>>,
        cause: BoxError,
    ) -> Failure {
        let failure = Failure::new(self.name(), self.id, ordinal, element, cause);
        failure.after(attempts).told()
    }

    pub(crate) fn count_failed(&self) {
        self.failed.add(1);
    }

    pub(crate) fn failed(&self) -> u64 {
        self.failed.get()
    }

    /// Records an element's latency.
    pub(crate) fn note_latency(&self, latency: Duration) {
        lock(&self.latency).get_or_insert_default().record(latency);
    }

    /// The latencies; `None` if no element has been timed.
    pub(crate) fn latency(&self) -> Option<Box<Latency>> {
        lock(&self.latency).clone()
    }

    pub(crate) fn show_positions(&self, positions: Positions) {
        let earlier = lock(&self.positions).replace(positions);
        // Dropping its contents may run anything.
        drop(earlier);
    }

    /// The source's positions; none for other nodes.
    pub(crate) fn positions(&self, now: Duration) -> Vec<PositionView> {
        let positions = lock(&self.positions);
        positions.as_ref().map_or_else(Vec::new, |of| of(now))
    }

    /// Sets the number of elements held from now on.
    pub(super) fn note_held(&self, elements: usize, pass: &Pass) {
        let mut waiting = self.waiting.get(pass);
        if waiting.elements == 0 && elements == 0 {
            return;
        }
        let now = pass.now();
        let held_for = now.saturating_sub(waiting.since);
        let waited = held_for.as_nanos() as u64 * waiting.elements as u64;
        self.waited.fetch_add(waited, Ordering::Relaxed);
        *waiting = Waiting {
            elements,
            since: now,
        };
    }

    /// Total time that elements have waited here, including those that still wait.
    pub(crate) fn waited(&self, pass: &Pass) -> Duration {
        let waited = Duration::from_nanos(self.waited.load(Ordering::Relaxed));
        let waiting = self.waiting.get(pass);
        if waiting.elements == 0 {
            return waited;
        }
        let held_for = pass.now().saturating_sub(waiting.since).as_nanos() as u64;
        let now = held_for.saturating_mul(waiting.elements as u64);
        waited.saturating_add(Duration::from_nanos(now))
    }
}

/// Result of removing edges.
#[derive(Default)]
pub(crate) struct Cut {
    /// Nodes that the edges kept alive, to be dropped outside the monitor.
    pub(crate) gone: Vec<Box<dyn Any + Send>>,
    /// Whether remaining edges have changed their index.
    pub(crate) has_moved: bool,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Held {
    pub(crate) in_flight: usize,
    pub(crate) buffered: usize,
}
