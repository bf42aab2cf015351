use std::collections::VecDeque;

use crate::{Acks, Context, Delivery, Element, EmitResult, Lease, Operator};

/// Output of an operator that also emits between elements: in order, and with back pressure. Outputs without a waiting
/// emitter are emitted one at a time, each when the one before has been accepted; meanwhile emitters wait.
pub(in crate::ops) struct Outbox<T> {
    queue: VecDeque<(T, Lease)>,
    delivering: bool,
    /// The waiting emitters.
    waiting: Vec<Lease>,
}

impl<T> Default for Outbox<T> {
    fn default() -> Self {
        Self {
            queue: VecDeque::new(),
            delivering: false,
            waiting: Vec::new(),
        }
    }
}

impl<T: Element> Outbox<T> {
    /// Emits an output that the current element has completed, with tokens `acks`.
    pub(in crate::ops) fn emit<Op: Operator<Out = T>>(
        &mut self,
        acks: Acks,
        x: T,
        cx: &mut Context<'_, Op>,
    ) -> EmitResult {
        if self.is_clear() {
            return cx.emit_with(acks, x);
        }
        let lease = if Op::SUSPENDS && !cx.has_come_back() {
            Lease { acks, ..cx.hold() }
        } else {
            Lease::accepted(acks)
        };
        self.queue.push_back((x, lease));
        Ok(())
    }

    /// Emits an output that no emitter waits for, with tokens `acks`.
    pub(in crate::ops) fn post<Op: Operator<Out = T>>(
        &mut self,
        acks: Acks,
        x: T,
        cx: &mut Context<'_, Op>,
    ) {
        self.queue.push_back((x, Lease::accepted(acks)));
        self.drain_backlog(cx);
    }

    /// Makes the current element's emitter wait until the output is free, unless the element is part of what is being
    /// processed downstream.
    pub(in crate::ops) fn hold_up<Op: Operator<Out = T>>(&mut self, cx: &mut Context<'_, Op>) {
        if !self.is_clear() && !cx.has_come_back() {
            let lease = cx.hold();
            self.waiting.push(Lease {
                acks: Acks::none(),
                ..lease
            });
        }
    }

    /// Call this when an output has been accepted.
    pub(in crate::ops) fn delivered<Op: Operator<Out = T>>(&mut self, cx: &mut Context<'_, Op>) {
        self.delivering = false;
        self.drain_backlog(cx);
    }

    fn drain_backlog<Op: Operator<Out = T>>(&mut self, cx: &mut Context<'_, Op>) {
        while !self.delivering
            && let Some((x, lease)) = self.queue.pop_front()
        {
            if lease.done.is_some() {
                cx.under(lease, |cx| cx.emit(x));
            } else {
                self.delivering = cx.deliver(lease.acks, x) == Delivery::Pending;
            }
        }
        if !self.delivering {
            self.waiting.clear();
        }
    }
}

impl<T> Outbox<T> {
    /// Whether all outputs have been accepted.
    pub(in crate::ops) fn is_clear(&self) -> bool {
        !self.delivering && self.queue.is_empty()
    }

    /// Queued outputs.
    pub(in crate::ops) fn iter(&self) -> impl Iterator<Item = &T> {
        self.queue.iter().map(|(x, _)| x)
    }

    /// Number of outputs in flight.
    pub(in crate::ops) fn len(&self) -> usize {
        self.queue.len() + usize::from(self.delivering)
    }
}
