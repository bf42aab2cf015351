//! One entry of a graph's monitor: the current element, and its tokens.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::cell::GraphRef;
use super::completion::{Completion, Ticket};
use super::latency::Born;
use super::node::AnyNode;
use super::{Graph, call, thread_state};
use crate::ack::Acks;
use crate::debug::shows;
use crate::failure::{Failure, panic_error};
use crate::operator::{EmitFailed, EmitResult};
use crate::trace::{self, Traced};

/// Companion of an element: its acknowledgement tokens, and the completion its emitter waits for. A node that keeps an
/// element keeps its lease.
///
/// Dropping a lease means that the element is done, on purpose.
#[derive(Clone, Default)]
pub struct Lease {
    pub(crate) acks: Acks,
    pub(crate) done: Option<Ticket>,
    /// Whether the element has come over the edge that closes a cycle, so that it must not wait for room.
    pub(crate) has_come_round: bool,
}

shows!([] Lease { has_come_round });

impl Lease {
    /// The lease of an element without a waiting emitter.
    pub(crate) fn accepted(acks: Acks) -> Self {
        Self {
            acks,
            ..Self::default()
        }
    }

    /// The element's acknowledgement tokens.
    pub fn acks(&self) -> &Acks {
        &self.acks
    }

    /// Releases the emitter, and keeps only the tokens.
    pub fn accept(self) -> Acks {
        self.acks
    }

    /// Notes that there is room for another element while this one is kept: an emitter of many elements, which waits
    /// for none of them, emits the next. The emitter of this one alone waits until it is released.
    pub fn admit(&mut self) {
        if let Some(ticket) = &mut self.done {
            ticket.admit();
        }
    }

    /// Whether its emitter has been told that there is [room](Self::admit), or does not wait.
    pub fn is_admitted(&self) -> bool {
        self.done.as_ref().is_none_or(Ticket::is_admitted)
    }

    /// Whether the emitter has given up waiting for room: a node that has not accepted the element yet drops it, see
    /// [`Operator::withdraw`](crate::Operator::withdraw).
    pub fn is_withdrawn(&self) -> bool {
        self.done
            .as_ref()
            .is_some_and(|ticket| ticket.done().is_withdrawn())
    }

    /// Drops an element that was never accepted, if its emitter has given up; returns whether to keep it.
    pub(crate) fn stays(&self) -> bool {
        let is_withdrawn = self.is_withdrawn();
        if is_withdrawn {
            self.acks.fail();
        }
        !is_withdrawn
    }

    fn is_bare(&self) -> bool {
        self.acks.is_none() && self.done.is_none()
    }
}

pub(crate) struct Pass {
    graph: GraphRef,
    pub(crate) lease: Lease,
    /// State that most passes do not need.
    extra: Option<Box<Extra>>,
    /// Nanoseconds; `UNREAD` before the first reading of the clock.
    now: Cell<u64>,
    between: bool,
}

const UNREAD: u64 = u64::MAX;

#[derive(Default)]
struct Extra {
    failure: Option<Failure>,
    /// Failures of a batch, which continues with its next element.
    failures: Vec<Failure>,
}

impl Pass {
    /// The caller is inside the monitor of `graph` for as long as the pass lives. `between`: no other pass of this
    /// graph is further up the stack.
    #[inline(always)]
    pub(super) fn new(graph: &Graph, lease: Lease, between: bool) -> Self {
        Self {
            graph: GraphRef::new(graph),
            lease,
            extra: None,
            now: Cell::new(UNREAD),
            between,
        }
    }

    #[inline(always)]
    pub(crate) fn graph(&self) -> &Graph {
        self.graph.get()
    }

    /// For code called while the pass is lent; must not be kept longer.
    #[inline(always)]
    pub(super) fn graph_ref(&self) -> GraphRef {
        self.graph
    }

    /// Sets the failure of one element of a batch aside, so that the batch can continue.
    pub(crate) fn keep_failure(&mut self) {
        let extra = self.extra.get_or_insert_default();
        extra.failures.extend(extra.failure.take());
    }

    pub(super) fn take_failures(&mut self) -> Vec<Failure> {
        self.extra
            .as_mut()
            .map(|extra| std::mem::take(&mut extra.failures))
            .unwrap_or_default()
    }

    /// Whether no element is being passed, so that edges may change.
    pub(crate) fn is_between(&self) -> bool {
        self.between
    }

    /// From here on an element is being passed.
    #[inline(always)]
    pub(crate) fn begin(&mut self) {
        self.between = false;
    }

    /// Whether the element passed without a trace: nobody keeps it, nothing failed.
    #[inline(always)]
    pub(super) fn is_clean(&self) -> bool {
        self.lease.is_bare() && self.extra.is_none()
    }

    /// The time of this pass, read once.
    pub(crate) fn now(&self) -> Duration {
        if self.now.get() == UNREAD {
            self.now.set(self.graph().now().as_nanos() as u64);
        }
        Duration::from_nanos(self.now.get())
    }

    /// When the current element was emitted, if it is timed; of several that have been joined or gathered, the newest.
    pub(super) fn born(&self) -> Option<Born> {
        self.lease
            .acks
            .payloads()
            .max_by_key(|born: &&Born| born.at())
            .cloned()
    }

    /// The span of the current element, if it is traced; of several that have been joined or gathered, the newest.
    pub(super) fn traced(&self) -> Option<Traced> {
        self.lease.acks.payloads::<Traced>().last().cloned()
    }

    /// Whether the current element is timed or traced.
    #[inline]
    pub(super) fn is_watched(&self) -> bool {
        let acks = &self.lease.acks;
        !acks.is_none()
            && (acks.payloads::<Born>().next().is_some()
                || acks.payloads::<Traced>().next().is_some())
    }

    /// The current element's lease, for a node that keeps it while its emitter waits.
    pub(crate) fn hold(&mut self) -> Lease {
        let graph = self.graph;
        self.lease
            .done
            .get_or_insert_with(|| Completion::ticket(graph.get().weak()));
        self.lease.clone()
    }

    /// Ends the element's way with a failure.
    #[cold]
    pub(crate) fn raise(&mut self, failure: Failure) -> EmitResult {
        self.extra.get_or_insert_default().failure = Some(failure);
        Err(EmitFailed::new())
    }

    pub(crate) fn take_failure(&mut self) -> Option<Failure> {
        self.extra.as_mut()?.failure.take()
    }

    /// Runs `f`; a panic in it becomes a failure of its node.
    pub(crate) fn catch(&mut self, f: impl FnOnce(&mut Pass) -> EmitResult) -> EmitResult {
        match catch_unwind(AssertUnwindSafe(|| f(self))) {
            Ok(result) => result,
            Err(payload) => self.unwound(payload),
        }
    }

    #[cold]
    pub(super) fn unwound(&mut self, payload: Box<dyn std::any::Any + Send>) -> EmitResult {
        let cause = panic_error(&*payload);
        let unwound = self.graph().take_unwound();
        let culprit = unwound.first().and_then(|id| self.graph().node(*id, self));
        let failure = match culprit {
            Some(node) => {
                node.count_panic(self);
                node.core()
                    .failure(node.received(self), None, cause)
                    .thrown(&*payload)
            }
            None => Failure::new("pipeline".to_string(), 0, 0, None, cause),
        };
        if let Some(traced) = self.traced() {
            trace::fail(&traced, &failure.to_string());
        }
        for id in unwound {
            if let Some(node) = self.graph().node(id, self) {
                self.graph().schedule(node, self);
            }
        }
        self.raise(failure)
    }

    /// Runs `f` for an element that was held; failures are reported to whoever waits for it.
    pub(crate) fn with_lease(&mut self, lease: Lease, f: impl FnOnce(&mut Pass) -> EmitResult) {
        self.adopt_waited();
        let outer = std::mem::replace(&mut self.lease, lease);
        let result = self.catch(f);
        self.adopt_waited();
        let lease = std::mem::replace(&mut self.lease, outer);
        if result.is_err()
            && let Some(failure) = self.take_failure()
        {
            self.report(&lease, failure);
        }
    }

    /// Makes the current element wait for those that functions working on it have emitted and wait for.
    #[inline]
    pub(super) fn adopt_waited(&mut self) {
        if thread_state::is_flagged() {
            self.adopt(thread_state::take_waited(), None);
        }
    }

    /// The same where a node is to be told when the current element has been accepted.
    fn adopt_for(&mut self, node: impl Fn() -> Weak<dyn AnyNode>) {
        if thread_state::is_flagged() {
            let waited = thread_state::take_waited();
            if !waited.is_empty() {
                self.adopt(waited, node().upgrade());
            }
        }
    }

    /// `node` is to be told when the current element has been accepted, as are the nodes that its completion names.
    fn adopt(&mut self, waited: Vec<Arc<Completion>>, node: Option<Arc<dyn AnyNode>>) {
        for done in waited {
            // A node that must not continue before the element it waits for has come round would wait for itself.
            let told = self.lease.done.as_ref().map(|ticket| ticket.done().told());
            let mut told = told.into_iter().flatten().chain(node.clone());
            if told.any(|node| call::leads_back(&done, node.core())) {
                done.abandon();
                continue;
            }
            if let Some(ticket) = self.hold().done {
                for waiting in ticket.done().waiting() {
                    waiting.done().waits_for(&done);
                    done.release_after(waiting);
                }
            }
        }
    }

    /// Reports a failure to the emitter that waits for the element, or else to the graph.
    pub(crate) fn report(&mut self, lease: &Lease, failure: Failure) {
        lease.acks.fail();
        let failure = match &lease.done {
            Some(ticket) => ticket.done().fail(failure),
            None => Some(failure),
        };
        if let Some(failure) = failure {
            self.graph().unhandled(failure, self);
        }
    }

    /// Runs `f` for an element whose emitter does not wait; returns whether everything downstream has accepted it. If
    /// not, `node` is told when it has.
    pub(crate) fn deliver(
        &mut self,
        acks: Acks,
        node: impl Fn() -> Weak<dyn AnyNode>,
        f: impl FnOnce(&mut Pass) -> EmitResult,
    ) -> Delivery {
        self.adopt_waited();
        let outer = std::mem::replace(&mut self.lease, Lease::accepted(acks));
        let result = self.catch(f);
        self.adopt_for(&node);
        let lease = std::mem::replace(&mut self.lease, outer);
        if result.is_err()
            && let Some(failure) = self.take_failure()
        {
            lease.acks.fail();
            self.graph().unhandled(failure, self);
        }
        match lease.done {
            Some(ticket) => ticket.tell(node()),
            None => Delivery::Taken,
        }
    }

    /// Runs `f` for an element that was held under `lease`; returns whether everything downstream has accepted its
    /// outputs. The emitter waits until it has, and receives failures; `node` is told as well if that is later.
    pub(crate) fn deliver_under(
        &mut self,
        mut lease: Lease,
        node: impl Fn() -> Weak<dyn AnyNode>,
        f: impl FnOnce(&mut Pass) -> EmitResult,
    ) -> Delivery {
        let Some(emitter) = lease.done.take() else {
            return self.deliver(lease.acks, node, f);
        };
        self.adopt_waited();
        let outer = std::mem::replace(&mut self.lease, Lease::accepted(lease.acks));
        let result = self.catch(f);
        self.adopt_for(&node);
        let mut lease = std::mem::replace(&mut self.lease, outer);
        let inner = lease.done.take();
        if result.is_err()
            && let Some(failure) = self.take_failure()
        {
            lease.done = Some(emitter.clone());
            self.report(&lease, failure);
        }
        match inner {
            Some(ticket) => ticket.hand_over(emitter, node()),
            None => Delivery::Taken,
        }
    }

    /// The graph, for code that outlives the pass.
    pub(crate) fn strong_graph(&self) -> Option<Arc<Graph>> {
        self.graph().weak().upgrade()
    }
}

/// Whether everything downstream has accepted an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It has.
    Taken,
    /// Something downstream still holds it; [`Operator::delivered`](crate::Operator::delivered) will be called.
    Pending,
}
