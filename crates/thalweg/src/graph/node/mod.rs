//! A node: an operator, its position in the graph, and its failures.

mod core;
mod fusable;
mod gated;
mod inlet;
mod kind;
mod nudge;
mod recovery;
mod spawned_future;

use std::any::{Any, TypeId};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};
use std::task::Waker;

pub(crate) use self::core::{Core, Cut, Held, NodeId};
pub(crate) use self::inlet::Inlet;
pub(crate) use self::kind::{NodeKind, OperatorNode, TransformNode, caught};
use self::nudge::Nudge;
use self::recovery::Recovery;
use self::spawned_future::SpawnedFuture;
use super::call::CurrentCall;
use super::cell::{Link, OpCell, Receive, Slot, gate};
use super::counter::Counter;
use super::fusion::{Fusable, Fusing};
use super::output::{Edge, Output, receive_each};
use super::pass::Pass;
use super::policy::Policy;
use crate::failure::{BoxError, Failure};
use crate::operator::EmitResult;
use crate::trace::{self, Within};

/// A node as the graph sees it, whatever it carries.
pub(crate) trait AnyNode: Send + Sync {
    fn core(&self) -> &Core;
    fn received(&self, pass: &Pass) -> u64;
    /// Counts a panic of this node's function, unless its policy does.
    fn count_panic(&self, pass: &Pass);
    fn sent(&self, pass: &Pass) -> u64;
    /// The nodes downstream, in order; those of the error stream last.
    fn downstream(&self, pass: &Pass) -> Vec<NodeId>;
    /// One of them, from an index on, and the next index.
    fn next_downstream(&self, place: usize, pass: &Pass) -> Option<(NodeId, usize)>;
    fn leads_nowhere(&self, pass: &Pass) -> bool;
    /// Removes the edges to `to`, or all.
    fn cut(&self, to: Option<NodeId>, pass: &Pass) -> Cut;
    /// Tells edges to `to` that they will be removed.
    fn part(&self, to: NodeId, pass: &Pass);
    /// Makes elements end on the edges to `to`, which stay.
    fn mute(&self, to: NodeId, pass: &Pass);
    /// Moves the edges to `to` before the others; returns whether there are any.
    fn move_to_first(&self, to: NodeId, pass: &Pass) -> bool;
    /// From now on elements stop here if their calls fill much of the stack.
    fn look_at_stack(&self, pass: &Pass);
    /// Sets whether elements are checked for being timed.
    fn set_timed(&self, is_timed: bool, pass: &Pass);
    /// The newest timed elements; none unless they are kept.
    fn recent(&self, pass: &Pass) -> Vec<Box<dyn Any + Send>>;
    /// Drops those elements, except the newest ones.
    fn forget_recent(&self, limit: usize, pass: &Pass);
    /// Marks the node as lying on a cycle or not.
    fn set_looped(&self, looped: bool, pass: &Pass);
    fn is_looped(&self, pass: &Pass) -> bool;
    fn set_policy(&self, policy: Policy, pass: &mut Pass);
    /// The output for failures, created if necessary.
    fn error_output(&self, pass: &Pass) -> Arc<Output<Failure>>;
    /// The downstream nodes, in order.
    fn receivers(&self, pass: &Pass) -> Vec<NodeId>;
    /// The edge to a node, as an `Edge<Out>`, for callers who know its type.
    fn edge(&self, to: NodeId, pass: &Pass) -> Option<Box<dyn Any>>;
    /// Replaces the edge to a node by an `Edge<Out>`.
    fn set_edge(&self, to: NodeId, edge: Box<dyn Any>, pass: &Pass);
    /// The node as an `Arc<dyn Fusable<In>>`, for callers who know its input type.
    fn fusable(self: Arc<Self>) -> Box<dyn Any>;
    /// The node as a part of a run that does not pass elements to it.
    fn fusing(self: Arc<Self>) -> Arc<dyn Fusing>;
    /// The node as an `Arc<dyn Receive<In>>`, for callers who know its input type.
    fn inlet(self: Arc<Self>) -> (Box<dyn Any>, &'static str);
    /// Applies the policy to an element that a source could not create.
    fn report(&self, cause: BoxError, pass: &mut Pass);
    /// Runs whatever is due: a retry, a backlog, the operator's own work.
    fn wake(&self, pass: &mut Pass);
    fn delivered(&self, pass: &mut Pass);
    /// Whether it is an [`Operator`], which may have something to flush.
    fn may_keep(&self) -> bool;
    fn flush(&self, pass: &mut Pass);
    /// Whether closing it does anything.
    fn closes(&self) -> bool;
    fn close(&self, pass: &mut Pass);
    /// Visits everything that is kept here; returns whether the node could be read. Runs no code but `visit` and the
    /// operator's traversal, and allocates nothing.
    fn traverse(&self, visit: &mut dyn FnMut(&dyn Any), pass: &Pass) -> bool;
    /// Runs `f` with the operator; returns whether it is not in use further up the stack.
    fn operate(&self, f: &mut dyn FnMut(&mut dyn Any), pass: &mut Pass) -> bool;
    /// Whether the operator has a given type.
    fn is_operator(&self, of: TypeId) -> bool;
    /// Drops elements that wait for room here and whose emitters have given up.
    fn withdraw(&self, pass: &mut Pass);
    /// Elements in flight, and elements kept until others arrive.
    fn held(&self, pass: &Pass) -> Held;
    /// Elements kept until others arrive.
    fn buffered(&self, pass: &Pass) -> usize;

    /// Elements in flight, except those that nodes downstream hold by now.
    fn in_flight(&self, pass: &Pass) -> usize {
        self.held(pass)
            .in_flight
            .saturating_sub(self.core().delivering())
    }
}

/// A node with outputs of type `T`, as seen by its downstreams.
pub(crate) trait Produce<T>: AnyNode {
    fn output(&self) -> &Output<T>;
}

/// Laid out in this order, so that what the hot path touches shares cache lines.
#[repr(C)]
pub(crate) struct Node<B: NodeKind> {
    pub(super) cell: OpCell<B>,
    output: Output<B::Out>,
    /// Inputs without an output of a transform; together with its inputs they give its number of outputs.
    dropped: Counter,
    core: Core,
    recovery: Slot<Recovery<B::In>>,
    me: Weak<Self>,
}

impl<B: NodeKind> Node<B> {
    pub(crate) fn new(body: B) -> Arc<Self> {
        let core = Core::new(&body);
        Arc::new_cyclic(|me| Self {
            cell: OpCell::new(body),
            dropped: Counter::default(),
            output: Output::new(core.id()),
            core,
            recovery: Slot::new(Recovery::default()),
            me: me.clone(),
        })
    }

    pub(crate) fn id(&self) -> NodeId {
        self.core.id()
    }

    #[inline(always)]
    pub(crate) fn output(&self) -> &Output<B::Out> {
        &self.output
    }

    pub(crate) fn weak(&self) -> Weak<dyn AnyNode> {
        self.me.clone()
    }

    pub(crate) fn strong(&self) -> Option<Arc<dyn AnyNode>> {
        self.me.upgrade().map(|me| me as _)
    }

    /// Runs `f` with the operator. `None` if a function of this node is running further up the stack: the caller
    /// returns when it is done.
    #[inline(always)]
    pub(super) fn run<'a, R>(
        &self,
        pass: &'a mut Pass,
        f: impl FnOnce(&mut B, &'a mut Pass) -> R,
    ) -> Option<R> {
        let graph = pass.graph_ref();
        let unwound = || graph.get().note_unwound(self.core.id());
        self.cell.run(pass, unwound, f)
    }

    /// Records that elements may be in flight here.
    pub(super) fn note_in_flight(&self, pass: &Pass) {
        pass.graph().note_in_flight(&self.core, pass);
    }

    /// Processes an element, already counted, in a node on a cycle or with a policy.
    fn process(&self, x: B::In, pass: &mut Pass) -> EmitResult {
        let gate = self.cell.gate(pass);
        if gate & gate::LOOPED != 0 {
            self.cell.close_gate(gate::PASSING, pass);
        }
        let result = if gate & gate::GUARDED != 0 {
            self.process_guarded(x, pass)
        } else {
            pass.catch(|pass| B::accept(self, x, pass))
        };
        self.cell.open_gate(gate::PASSING, pass);
        result
    }

    /// A panic of this node's own function is a failure for its policy.
    fn process_guarded(&self, x: B::In, pass: &mut Pass) -> EmitResult {
        let mut kept = None;
        let accepted = catch_unwind(AssertUnwindSafe(|| {
            kept = Some(x.clone());
            B::accept(self, x, pass)
        }));
        let result = match accepted {
            // A failure that has been handled already, by this node's policy or another's.
            Ok(result) => return result,
            Err(payload) => pass.unwound(payload),
        };
        match pass.take_failure() {
            Some(failure) => match failure.panic() {
                Some(panic) if failure.node_id() == self.id() => self.fail(kept, panic, pass),
                _ => pass.raise(failure),
            },
            None => result,
        }
    }

    /// Processes the backlog, first in first out.
    #[cold]
    pub(super) fn drain_backlog(&self, pass: &mut Pass) {
        const OCCUPIED: u64 = gate::BUSY | gate::PASSING | gate::RETRYING;
        if self.cell.gate(pass) & gate::WORKING != 0 {
            return;
        }
        self.cell.close_gate(gate::WORKING, pass);
        while self.cell.gate(pass) & OCCUPIED == 0 {
            let Some((x, lease)) = self.recovery.get(pass).backlog.pop_front() else {
                self.cell.open_gate(gate::QUEUED, pass);
                break;
            };
            self.cell.count(1, pass);
            pass.with_lease(lease, |pass| self.process(x, pass));
        }
        self.cell.open_gate(gate::WORKING, pass);
    }

    /// Passes something other than an element to the operator: between passes, ahead of waiting elements, and
    /// uncounted.
    pub(crate) fn tell(&self, x: B::In, pass: &mut Pass) {
        pass.begin();
        pass.with_lease(super::Lease::default(), |pass| B::accept(self, x, pass));
    }

    /// Whether elements arrived while the function ran: they are processed after the current one.
    #[inline(always)]
    pub(super) fn is_queued(&self, pass: &Pass) -> bool {
        self.cell.gate(pass) & gate::QUEUED != 0
    }

    /// 1-based position of the current element among those of this node, those of fused code included.
    pub(crate) fn ordinal(&self, pass: &Pass) -> u64 {
        self.settle_run(pass);
        self.cell.counted(pass)
    }

    /// Whether the policy needs failed elements back.
    pub(crate) fn is_guarded(&self, pass: &Pass) -> bool {
        self.cell.gate(pass) & gate::GUARDED != 0
    }

    /// Spawns a future; its result, converted by `event`, comes back as an event.
    pub(crate) fn spawn<F: Future + Send + 'static>(
        &self,
        key: u64,
        future: F,
        event: impl FnOnce(F::Output) -> B::Event + Send + 'static,
        pass: &mut Pass,
    ) {
        let (Some(graph), Some(me)) = (pass.strong_graph(), self.me.upgrade()) else {
            return;
        };
        // Some operators know only now that they need one.
        pass.graph().need_runtime(pass);
        self.recovery.get(pass).spawned += 1;
        self.note_in_flight(pass);
        let call = CurrentCall::begin(self.core.begin_to_call().clone(), pass);
        let done = move |result: Result<F::Output, BoxError>| {
            let event = result.map(event);
            graph.post(Box::new(move |pass| me.arrived(key, event, pass)));
        };
        pass.graph().spawn(match trace::current() {
            None => Box::pin(SpawnedFuture::new(future, call, done)),
            Some(current) => Box::pin(SpawnedFuture::new(Within::new(future, current), call, done)),
        });
    }

    /// A waker that makes the runtime pass an event to the node.
    pub(crate) fn waker(&self, key: u64, event: fn() -> B::Event, pass: &Pass) -> Waker {
        let graph = pass.graph().weak();
        Waker::from(Arc::new(Nudge::new(graph, self.me.clone(), key, event)))
    }

    fn nudged(&self, key: u64, event: fn() -> B::Event, pass: &mut Pass) {
        pass.with_lease(super::Lease::default(), |pass| {
            B::event(self, key, Ok(event()), pass)
        });
        self.note_held(pass);
    }

    fn arrived(&self, key: u64, event: Result<B::Event, BoxError>, pass: &mut Pass) {
        self.recovery.get(pass).spawned -= 1;
        pass.with_lease(super::Lease::default(), |pass| {
            B::event(self, key, event, pass)
        });
        self.note_held(pass);
    }

    /// Accounts for the time that elements wait here.
    fn note_held(&self, pass: &mut Pass) {
        if B::SUSPENDS {
            let held = self.held(pass);
            self.core.note_held(held.in_flight + held.buffered, pass);
        }
    }
}

impl<B: NodeKind> Receive<B::In> for Node<B> {
    #[inline]
    fn receive(&self, x: B::In, pass: &mut Pass) -> EmitResult {
        if self.cell.gate(pass) != 0 {
            return self.receive_gated(x, pass);
        }
        self.cell.count(1, pass);
        B::accept(self, x, pass)
    }

    fn receive_many(&self, xs: &mut Vec<B::In>, pass: &mut Pass) {
        let gate = self.cell.gate(pass);
        if gate & !(gate::STEEP | gate::TIMED) != 0 || !B::BATCHES || self.is_too_steep(pass) {
            receive_each(self, xs, pass);
        } else {
            B::accept_many(self, xs, pass);
        }
    }

    fn link(&self) -> Link<B::In> {
        Link::to(self)
    }
}

impl<B: NodeKind> Produce<B::Out> for Node<B> {
    #[inline(always)]
    fn output(&self) -> &Output<B::Out> {
        &self.output
    }
}

impl<B: NodeKind> AnyNode for Node<B> {
    fn core(&self) -> &Core {
        &self.core
    }

    fn received(&self, pass: &Pass) -> u64 {
        self.cell.counted(pass)
    }

    fn count_panic(&self, pass: &Pass) {
        if self.cell.gate(pass) & gate::GUARDED == 0 {
            self.count_failed();
        }
    }

    fn sent(&self, pass: &Pass) -> u64 {
        let passed_on = if B::PASSES_ON {
            let retrying = u64::from(self.recovery.get(pass).is_retrying());
            let kept = self.dropped.get() + retrying;
            self.cell.counted(pass).saturating_sub(kept)
        } else {
            0
        };
        self.output.sent() + passed_on
    }

    fn downstream(&self, pass: &Pass) -> Vec<NodeId> {
        let mut all: Vec<_> = self.output.edges(pass).ids().collect();
        if let Some(errors) = &self.recovery.get(pass).errors {
            all.extend(errors.edges(pass).ids());
        }
        all
    }

    fn next_downstream(&self, place: usize, pass: &Pass) -> Option<(NodeId, usize)> {
        // Indices of the error stream count from the other end.
        const ERRORS: usize = usize::MAX / 2;
        if place < ERRORS
            && let Some(next) = self.output.edges(pass).next(place)
        {
            return Some(next);
        }
        let recovery = self.recovery.get(pass);
        let errors = recovery.errors.as_ref()?;
        let (id, behind) = errors.edges(pass).next(place.saturating_sub(ERRORS))?;
        Some((id, ERRORS + behind))
    }

    fn leads_nowhere(&self, pass: &Pass) -> bool {
        self.next_downstream(0, pass).is_none()
    }

    fn cut(&self, to: Option<NodeId>, pass: &Pass) -> Cut {
        let mut cut = Cut::default();
        self.output.cut(to, &mut cut, pass);
        let errors = self.recovery.get(pass).errors.clone();
        if let Some(errors) = errors {
            errors.cut(to, &mut cut, pass);
        }
        cut
    }

    fn part(&self, to: NodeId, pass: &Pass) {
        for edge in self.output.edges(pass).edges(to) {
            edge.parted(pass);
        }
    }

    fn mute(&self, to: NodeId, pass: &Pass) {
        self.output.mute(to, pass);
        let errors = self.recovery.get(pass).errors.clone();
        if let Some(errors) = errors {
            errors.mute(to, pass);
        }
    }

    fn move_to_first(&self, to: NodeId, pass: &Pass) -> bool {
        let errors = self.recovery.get(pass).errors.clone();
        let of_errors = errors.is_some_and(|errors| errors.move_to_first(to, pass));
        self.output.move_to_first(to, pass) || of_errors
    }

    fn look_at_stack(&self, pass: &Pass) {
        self.cell.close_gate(gate::STEEP, pass);
    }

    fn set_timed(&self, is_timed: bool, pass: &Pass) {
        if is_timed {
            self.cell.close_gate(gate::TIMED, pass);
        } else {
            self.cell.open_gate(gate::TIMED, pass);
        }
    }

    fn recent(&self, pass: &Pass) -> Vec<Box<dyn Any + Send>> {
        let recent = self.recovery.get(pass).recent().clone();
        let recent = recent.into_iter();
        recent.map(|x| Box::new(x) as Box<dyn Any + Send>).collect()
    }

    fn forget_recent(&self, limit: usize, pass: &Pass) {
        let gone = self.recovery.get(pass).forget_recent(limit);
        drop(gone);
    }

    fn set_looped(&self, looped: bool, pass: &Pass) {
        if looped {
            self.cell.close_gate(gate::LOOPED, pass);
        } else {
            self.cell.open_gate(gate::LOOPED, pass);
        }
    }

    fn is_looped(&self, pass: &Pass) -> bool {
        self.cell.gate(pass) & gate::LOOPED != 0
    }

    fn set_policy(&self, policy: Policy, pass: &mut Pass) {
        if matches!(policy, Policy::Raise) {
            self.cell.open_gate(gate::GUARDED, pass);
        } else {
            self.cell.close_gate(gate::GUARDED, pass);
        }
        self.recovery.get(pass).set_policy(policy);
    }

    fn error_output(&self, pass: &Pass) -> Arc<Output<Failure>> {
        let id = self.id();
        let mut recovery = self.recovery.get(pass);
        recovery
            .errors
            .get_or_insert_with(|| Arc::new(Output::new(id)))
            .clone()
    }

    fn receivers(&self, pass: &Pass) -> Vec<NodeId> {
        self.output.edges(pass).ids().collect()
    }

    fn edge(&self, to: NodeId, pass: &Pass) -> Option<Box<dyn Any>> {
        let edge = self.output.edges(pass).edges(to).next().cloned()?;
        Some(Box::new(edge))
    }

    fn set_edge(&self, to: NodeId, edge: Box<dyn Any>, pass: &Pass) {
        if let Ok(edge) = edge.downcast::<Edge<B::Out>>() {
            self.output.set_edge(to, *edge, pass);
        }
    }

    fn fusable(self: Arc<Self>) -> Box<dyn Any> {
        let fusable: Arc<dyn Fusable<B::In>> = self;
        Box::new(fusable)
    }

    fn fusing(self: Arc<Self>) -> Arc<dyn Fusing> {
        self
    }

    fn inlet(self: Arc<Self>) -> (Box<dyn Any>, &'static str) {
        let receiver: Arc<dyn Receive<B::In>> = self;
        (Box::new(receiver), std::any::type_name::<B::In>())
    }

    fn report(&self, cause: BoxError, pass: &mut Pass) {
        let ordinal = self.ordinal(pass);
        pass.with_lease(super::Lease::default(), |pass| {
            self.give_up(None, ordinal, cause, pass)
        });
    }

    fn wake(&self, pass: &mut Pass) {
        self.retry(pass);
        self.drain_backlog(pass);
        self.output.drain_backlog(pass);
        let errors = self.recovery.get(pass).errors.clone();
        if let Some(errors) = errors {
            errors.drain_backlog(pass);
        }
        pass.with_lease(super::Lease::default(), |pass| B::wake(self, pass));
        self.note_held(pass);
    }

    fn delivered(&self, pass: &mut Pass) {
        self.core.ended_delivery();
        pass.with_lease(super::Lease::default(), |pass| B::delivered(self, pass));
        self.note_held(pass);
    }

    fn may_keep(&self) -> bool {
        !B::PASSES_ON
    }

    fn flush(&self, pass: &mut Pass) {
        pass.with_lease(super::Lease::default(), |pass| B::flush(self, pass));
    }

    fn closes(&self) -> bool {
        B::CLOSES
    }

    fn close(&self, pass: &mut Pass) {
        pass.with_lease(super::Lease::default(), |pass| B::close(self, pass));
    }

    fn traverse(&self, visit: &mut dyn FnMut(&dyn Any), pass: &Pass) -> bool {
        if self.cell.peek(pass, |body| body.traverse(visit)).is_none() {
            return false;
        }
        self.output.traverse(visit, pass);
        let recovery = self.recovery.get(pass);
        recovery.traverse(visit);
        if let Some(errors) = &recovery.errors {
            errors.traverse(visit, pass);
        }
        true
    }

    fn operate(&self, f: &mut dyn FnMut(&mut dyn Any), pass: &mut Pass) -> bool {
        self.run(pass, |body, _| f(body.operator())).is_some()
    }

    fn is_operator(&self, of: TypeId) -> bool {
        B::operator_type() == of
    }

    fn withdraw(&self, pass: &mut Pass) {
        self.run(pass, |body, _| body.withdraw());
        let backlog = std::mem::take(&mut self.recovery.get(pass).backlog);
        let kept = backlog.into_iter().filter(|(_, lease)| lease.stays());
        let kept = kept.collect();
        self.recovery.get(pass).backlog = kept;
        self.output.withdraw(pass);
    }

    fn buffered(&self, pass: &Pass) -> usize {
        B::held(self, pass).buffered
    }

    fn held(&self, pass: &Pass) -> Held {
        let recovery = self.recovery.get(pass);
        let errors = recovery.errors.as_ref().map(|out| out.backlog_len(pass));
        let waiting = recovery.waiting() + errors.unwrap_or_default();
        drop(recovery);
        let mut held = B::held(self, pass);
        // Elements of a spawned future are counted by the operator where it keeps them, too.
        held.in_flight = held.in_flight.max(self.recovery.get(pass).spawned)
            + waiting
            + self.output.backlog_len(pass);
        held
    }
}
