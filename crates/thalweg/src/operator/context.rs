use std::future::Future;
use std::task::Waker;
use std::time::Duration;

use super::{Delivery, EmitResult, Lease, Operator};
use crate::ack::Acks;
use crate::debug::shows;
use crate::failure::BoxError;
use crate::graph::{AnyNode, Node, OperatorNode, Pass};
use crate::trace::Visit;

/// An operator's surroundings while it works: where its elements go, and the only things it may
/// ask for.
pub struct Context<'a, Op: Operator> {
    pub(crate) node: &'a Node<OperatorNode<Op>>,
    pub(crate) pass: &'a mut Pass,
}

shows!([Op: Operator] Context<'_, Op> {});

impl<Op: Operator> Context<'_, Op> {
    /// Sends an element on; it carries what the current element carries.
    ///
    /// # Errors
    /// Something downstream failed and the emitter is to be told: pass it on with `?`.
    #[inline]
    pub fn emit(&mut self, x: Op::Out) -> EmitResult {
        self.node.output().send(x, self.pass)
    }

    /// Sends on an element that carries `acks`, while the current emitter waits for it: a window
    /// that the current element completed.
    ///
    /// # Errors
    /// As [`emit`](Self::emit).
    pub fn emit_with(&mut self, acks: Acks, x: Op::Out) -> EmitResult {
        let mut carrying = Carrying::new(self.pass, acks);
        let flow = self.node.output().send(x, carrying.pass);
        carrying.is_through = flow.is_ok();
        flow
    }

    /// Runs `f` for an element that was kept under `lease`: what `f` emits carries it, and what
    /// fails is reported to whoever waits for that element.
    pub fn under(&mut self, lease: Lease, f: impl FnOnce(&mut Context<'_, Op>) -> EmitResult) {
        let node = self.node;
        self.pass
            .with_lease(lease, |pass| f(&mut Context { node, pass }));
    }

    /// Sends on an element whose emitter has gone on. If something downstream has to wait,
    /// [`Operator::delivered`] is called when the element has been taken.
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

    /// Sends on an element that was kept under `lease`, whose emitter waits until it has been taken. If something
    /// downstream has to wait, [`Operator::delivered`] is called when it has been taken: so an operator sends one at
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

    /// What the current element carries, for keeping the element while its emitter waits. Only for
    /// operators that say so in [`Operator::SUSPENDS`].
    pub fn hold(&mut self) -> Lease {
        debug_assert!(Op::SUSPENDS, "an operator that holds says so");
        if !self.node.core().suspends() {
            self.pass
                .graph()
                .begin_to_suspend(self.node.core(), self.pass);
        }
        // Who waits may give up, and then the node is asked to withdraw the element.
        self.pass.graph().note_moving(self.node.core(), self.pass);
        self.pass.hold()
    }

    /// Whether the current element has come back around a cycle, so that the node might wait for itself if it held
    /// it: the element is part of what the node has [delivered](Self::deliver) and waits for, or has come over the
    /// edge that closes the cycle.
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

    /// The current element's tokens, for keeping the element while its emitter goes on.
    #[inline]
    pub fn acks(&self) -> Acks {
        self.pass.lease.acks.clone()
    }

    /// The time since the runtime's own beginning; it never goes back.
    pub fn now(&self) -> Duration {
        self.pass.now()
    }

    /// Asks for a [`wake`](Operator::wake) at the given time, or soon after.
    pub fn wake_at(&mut self, at: Duration) {
        self.pass.graph().wake_at(at, self.node.id(), self.pass);
    }

    /// Asks for a [`wake`](Operator::wake) when the element now on its way has got everywhere.
    pub fn wake_soon(&mut self) {
        if let Some(node) = self.node.strong() {
            self.pass.graph().schedule(node, self.pass);
        }
    }

    /// Has the runtime run a future; its result comes back to [`Operator::event`] with `key`.
    pub fn spawn(&mut self, key: u64, future: impl Future<Output = Op::Event> + Send + 'static) {
        self.node.spawn(key, future, |event| event, self.pass);
    }

    /// The same with a future whose result `event` turns into one.
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

    /// A waker for what happens elsewhere, on any thread: when it is woken, [`Operator::event`] is called with `key`
    /// and what `event` returns, by the runtime, which the pipeline needs for it. Wakes that come before the call is
    /// made are one.
    pub fn waker(&mut self, key: u64, event: fn() -> Op::Event) -> Waker {
        self.pass.graph().need_runtime(self.pass);
        self.node.waker(key, event, self.pass)
    }

    /// Whether the thread that has brought the current element is a [guest](crate::Stream::emit_as_guest), which calls
    /// no functions of the pipeline's.
    pub fn is_guest(&self) -> bool {
        self.pass.graph().has_guest()
    }

    /// Calls `f` where functions that need the runtime around them, to start a timer of its own
    /// say, find it.
    pub fn enter_runtime<R>(&self, f: impl FnOnce() -> R) -> R {
        self.pass.graph().enter_runtime(f)
    }

    /// Reports that a user function failed on `element`, and does what the node's policy says.
    ///
    /// # Errors
    /// The policy is to raise: return it.
    #[cold]
    pub fn fail(&mut self, element: Op::In, cause: impl Into<BoxError>) -> EmitResult {
        self.node.fail(Some(element), cause.into(), self.pass)
    }

    /// The visit of an element that was kept under `lease`, if it is traced, until what is returned is dropped.
    pub(crate) fn visit(&self, lease: &Lease) -> Option<Visit> {
        self.node.visit(lease)
    }

    /// 1-based position of the current element, for [`give_up`](Self::give_up).
    pub(crate) fn ordinal(&self) -> u64 {
        self.node.ordinal(self.pass)
    }

    /// Whether the node's policy wants elements back that its function fails on: to try them again,
    /// or to send them elsewhere.
    pub(crate) fn keeps_elements(&self) -> bool {
        self.node.is_guarded(self.pass)
    }

    /// For an operator that tries again by itself, where the element stands: after how long, or
    /// `None` if it is to give up. `attempts` is how often the element has been tried.
    pub(crate) fn retry_after(&self, attempts: u32, cause: &BoxError) -> Option<Duration> {
        self.node.retry_after(attempts, cause, self.pass)
    }

    /// Reports that a user function failed, for good, on an element that came earlier, and does
    /// what the node's policy says.
    pub(crate) fn give_up(
        &mut self,
        element: Option<Op::In>,
        ordinal: u64,
        cause: BoxError,
    ) -> EmitResult {
        self.node.give_up(element, ordinal, cause, self.pass)
    }

    /// The same for an element that was kept under `lease`. If whoever gets the failure has to wait,
    /// [`Operator::delivered`] is called when it has been taken.
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

    /// Whether a drain is under way: nothing more will come but what is still inside.
    pub fn is_draining(&self) -> bool {
        self.pass.graph().is_draining(self.pass)
    }
}

/// The time in which the pass carries other tokens than the current element's.
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

/// A drop, because a function downstream may panic, and the pass may go on with its next element.
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
    fn what_a_window_carries_goes_with_it_when_a_function_behind_panics() {
        let source = Stream::new();
        let windows = source.sliding_window(2);
        windows.sink(|window| assert!(window != [1, 2], "one and two"));
        let failed = Arc::new(AtomicBool::new(false));
        let log = failed.clone();
        let ack = Ack::new(move |outcome| log.store(outcome == Outcome::Failed, Ordering::Relaxed));
        source.emit_with(1, ack).wait().expect("a window of one");
        // In a batch, the pass of the failed window is that of the next element, too.
        let error = source.emit_many([2, 3]).wait().expect_err("one and two");
        assert_eq!(error.failures().len(), 1);
        assert!(failed.load(Ordering::Relaxed), "nobody holds it any more");
    }
}
