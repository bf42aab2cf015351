use std::future::Future;
use std::task::Waker;
use std::time::Duration;

use super::{Delivery, EmitResult, Lease, Operator};
use crate::ack::Acks;
use crate::debug::shows;
use crate::failure::BoxError;
use crate::graph::{AnyNode, Node, OperatorNode, Pass};
use crate::runtime::{CallerContext, OutsideWork};
use crate::trace::Visit;

/// The surroundings of a running operator: it emits elements through it, and requests wakes and futures.
pub struct Context<'a, Op: Operator> {
    pub(crate) node: &'a Node<OperatorNode<Op>>,
    pub(crate) pass: &'a mut Pass,
}

shows!([Op: Operator] Context<'_, Op> {});

impl<Op: Operator> Context<'_, Op> {
    /// Emits an element with the current element's tokens.
    ///
    /// # Errors
    /// Something downstream failed and the emitter is to be told: return it with `?`.
    #[inline]
    pub fn emit(&mut self, x: Op::Out) -> EmitResult {
        self.node.output().send(x, self.pass)
    }

    /// Emits an element with tokens `acks`, while the current emitter waits for it: a window that the current element
    /// completed.
    ///
    /// # Errors
    /// As [`emit`](Self::emit).
    pub fn emit_with(&mut self, acks: Acks, x: Op::Out) -> EmitResult {
        let mut carrying = Carrying::new(self.pass, acks);
        let result = self.node.output().send(x, carrying.pass);
        carrying.is_through = result.is_ok();
        result
    }

    /// Runs `f` for an element that was kept under `lease`: elements that `f` emits carry it, and failures are reported
    /// to the emitter that waits for it.
    pub fn under(&mut self, lease: Lease, f: impl FnOnce(&mut Context<'_, Op>) -> EmitResult) {
        let node = self.node;
        self.pass
            .with_lease(lease, |pass| f(&mut Context { node, pass }));
    }

    /// Emits an element whose emitter does not wait. If something downstream has to wait, [`Operator::delivered`] is
    /// called when the element has been accepted.
    pub fn deliver(&mut self, acks: Acks, x: Op::Out) -> Delivery {
        let node = self.node;
        let delivery = self
            .pass
            .deliver(acks, || node.weak(), |pass| node.output().send(x, pass));
        if delivery == Delivery::Pending {
            node.core().begun_delivery();
        }
        delivery
    }

    /// Emits an element that was kept under `lease`, whose emitter waits until it has been accepted. If something
    /// downstream has to wait, [`Operator::delivered`] is called when it has been accepted: so an operator emits one at
    /// a time, whoever waits.
    pub fn deliver_under(&mut self, lease: Lease, x: Op::Out) -> Delivery {
        let node = self.node;
        let delivery =
            self.pass
                .deliver_under(lease, || node.weak(), |pass| node.output().send(x, pass));
        if delivery == Delivery::Pending {
            node.core().begun_delivery();
        }
        delivery
    }

    /// The lease of the current element, to keep the element while its emitter waits. Only for operators with
    /// [`Operator::SUSPENDS`].
    pub fn hold(&mut self) -> Lease {
        debug_assert!(Op::SUSPENDS, "an operator that holds says so");
        if !self.node.core().suspends() {
            self.pass
                .graph()
                .begin_to_suspend(self.node.core(), self.pass);
        }
        // The emitter may give up, and then the node is asked to withdraw the element.
        self.pass
            .graph()
            .note_in_flight(self.node.core(), self.pass);
        self.pass.hold()
    }

    /// Whether the current element has come back around a cycle, so that the node would wait for itself if it held it:
    /// the element is part of what the node has [delivered](Self::deliver) and waits for, or has arrived over the edge
    /// that closes the cycle.
    pub(crate) fn has_come_back(&self) -> bool {
        let (core, lease) = (self.node.core(), &self.pass.lease);
        if lease.has_come_round && self.pass.graph().is_on_cycle(core, self.pass) {
            return true;
        }
        let ticket = lease.done.as_ref();
        ticket.is_some_and(|ticket| ticket.done().tells(core.id()))
    }

    /// As [`hold`](Self::hold), for an element that waits for room. One that has come back waits without an emitter.
    pub(crate) fn hold_for_room(&mut self) -> Lease {
        match self.has_come_back() {
            true => Lease::accepted(self.acks()),
            false => self.hold(),
        }
    }

    /// The current element's tokens, to keep the element while its emitter continues.
    #[inline]
    pub fn acks(&self) -> Acks {
        self.pass.lease.acks.clone()
    }

    /// The time since the runtime's start; never goes back.
    pub fn now(&self) -> Duration {
        self.pass.now()
    }

    /// Requests a [`wake`](Operator::wake) at the given time, or soon after.
    pub fn wake_at(&mut self, at: Duration) {
        self.pass.graph().wake_at(at, self.node.id(), self.pass);
    }

    /// Requests a [`wake`](Operator::wake) when the current element has arrived everywhere.
    pub fn wake_soon(&mut self) {
        if let Some(node) = self.node.strong() {
            self.pass.graph().schedule(node, self.pass);
        }
    }

    /// Spawns a future on the runtime; its result is passed to [`Operator::event`] with `key`.
    pub fn spawn(&mut self, key: u64, future: impl Future<Output = Op::Event> + Send + 'static) {
        self.node.spawn(key, future, |event| event, self.pass);
    }

    /// The same with a future whose result `event` converts.
    pub(crate) fn spawn_map<F: Future + Send + 'static>(
        &mut self,
        key: u64,
        future: F,
        event: impl FnOnce(F::Output) -> Op::Event + Send + 'static,
    ) {
        self.node.spawn(key, future, event, self.pass);
    }

    /// The same after a pause.
    pub(crate) fn spawn_after(
        &mut self,
        pause: Duration,
        key: u64,
        future: impl Future<Output = Op::Event> + Send + 'static,
    ) {
        let graph = self.pass.graph();
        graph.need_runtime(self.pass);
        let sleep = graph
            .runtime()
            .filter(|_| !pause.is_zero())
            .map(|runtime| runtime.sleep(pause));
        self.spawn(key, async move {
            if let Some(sleep) = sleep {
                sleep.await;
            }
            future.await
        });
    }

    /// A waker for events elsewhere, on any thread: when it is woken, the runtime calls [`Operator::event`] with `key`
    /// and the result of `event`; the pipeline needs a runtime for it. Wakes before that call are merged into one.
    pub fn waker(&mut self, key: u64, event: fn() -> Op::Event) -> Waker {
        self.pass.graph().need_runtime(self.pass);
        self.node.waker(key, event, self.pass)
    }

    /// Tells a clock that does not follow real time of work on other threads, until the result is dropped.
    pub(crate) fn outside_work(&self) -> Option<OutsideWork> {
        let runtime = self.pass.graph().runtime();
        let virtual_clock = runtime.filter(|runtime| !runtime.is_real_time());
        virtual_clock.cloned().map(OutsideWork::new)
    }

    /// Whether the thread that brought the current element is a [guest](crate::Stream::emit_as_guest), which must not
    /// call functions of the pipeline.
    pub fn is_guest(&self) -> bool {
        self.pass.graph().has_guest()
    }

    /// Calls `f` in the runtime's context, for functions that need it, for example to start a timer of its own.
    pub fn enter_runtime<R>(&self, f: impl FnOnce() -> R) -> R {
        self.pass.graph().enter_runtime(f)
    }

    /// The context that the current element's emitter runs in, for a function that is called later on its behalf.
    pub(crate) fn caller_context(&self) -> CallerContext {
        let runtime = self.pass.graph().runtime();
        runtime.map_or_else(CallerContext::default, |runtime| runtime.caller_context())
    }

    /// Reports that a user function failed on `element`, and applies the node's policy.
    ///
    /// # Errors
    /// The policy is to raise: return it.
    #[cold]
    pub fn fail(&mut self, element: Op::In, cause: impl Into<BoxError>) -> EmitResult {
        self.node.fail(Some(element), cause.into(), self.pass)
    }

    /// Begins the visit of an element kept under `lease`, if it is traced; it ends when the result is dropped.
    pub(crate) fn visit(&self, lease: &Lease) -> Option<Visit> {
        self.node.visit(lease)
    }

    /// 1-based position of the current element, for [`give_up`](Self::give_up).
    pub(crate) fn ordinal(&self) -> u64 {
        self.node.ordinal(self.pass)
    }

    /// Whether the node's policy needs failed elements back: to retry them, or to route them.
    pub(crate) fn keeps_elements(&self) -> bool {
        self.node.is_guarded(self.pass)
    }

    /// For an operator that retries by itself: the pause before the next attempt, or `None` to give up. `attempts` is
    /// the number of attempts so far.
    pub(crate) fn retry_after(&self, attempts: u32, cause: &BoxError) -> Option<Duration> {
        self.node.retry_after(attempts, cause, self.pass)
    }

    /// Reports that a user function failed finally on an earlier element, and applies the node's policy.
    pub(crate) fn give_up(
        &mut self,
        element: Option<Op::In>,
        ordinal: u64,
        cause: BoxError,
    ) -> EmitResult {
        self.node.give_up(element, ordinal, cause, self.pass)
    }

    /// The same for an element that was kept under `lease`. If the recipient of the failure has to wait,
    /// [`Operator::delivered`] is called when it has been accepted.
    pub(crate) fn deliver_failure(
        &mut self,
        lease: Lease,
        element: Option<Op::In>,
        ordinal: u64,
        cause: BoxError,
    ) -> Delivery {
        let node = self.node;
        self.pass.deliver_under(
            lease,
            || node.weak(),
            |pass| node.give_up(element, ordinal, cause, pass),
        )
    }

    /// Whether the pipeline is being drained: only elements already inside will arrive.
    pub fn is_draining(&self) -> bool {
        self.pass.graph().is_draining(self.pass)
    }
}

/// A scope in which the pass carries other tokens than the current element's.
struct Carrying<'a> {
    pass: &'a mut Pass,
    outer: Acks,
    is_through: bool,
}

impl<'a> Carrying<'a> {
    fn new(pass: &'a mut Pass, acks: Acks) -> Self {
        let outer = std::mem::replace(&mut pass.lease.acks, acks);
        Self {
            pass,
            outer,
            is_through: false,
        }
    }
}

/// Restored by a drop, because a function downstream may panic, and the pass may continue with its next element.
impl Drop for Carrying<'_> {
    fn drop(&mut self) {
        let outer = std::mem::take(&mut self.outer);
        let acks = std::mem::replace(&mut self.pass.lease.acks, outer);
        if !self.is_through {
            acks.fail();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use crate::{Ack, Outcome, Stream};

    #[test]
    fn the_lease_of_a_window_is_dropped_when_a_downstream_function_panics() {
        let source = Stream::new();
        let windows = source.sliding_window(2);
        windows.sink(|window| assert!(window != [1, 2], "one and two"));
        let failed = Arc::new(AtomicBool::new(false));
        let log = failed.clone();
        let ack = Ack::new(move |outcome| log.store(outcome == Outcome::Failed, Ordering::Relaxed));
        source.emit_with(1, ack).wait().expect("a window of one");
        // In a batch, the failed window and the next element share a pass.
        let error = source.emit_many([2, 3]).wait().expect_err("one and two");
        assert_eq!(error.failures().len(), 1);
        assert!(failed.load(Ordering::Relaxed), "nobody holds it any more");
    }
}
