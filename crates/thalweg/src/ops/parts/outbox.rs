use std::collections::VecDeque;

use crate::{Acks, Context, Delivery, Element, EmitResult, Lease, Operator};

/// The way out of an operator that also sends when no element has just come: in order, and with
/// back pressure. What nobody waits for goes one at a time, each when the one before has been
/// taken; meanwhile, those who emit wait.
pub(in crate::ops) struct Outbox<T> {
    queue: VecDeque<(T, Lease)>,
    delivering: bool,
    /// The emitters of elements that came meanwhile.
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
    /// Sends what the current element has completed, and carries `acks`.
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

    /// Sends something that nobody waits for, and that carries `acks`.
    pub(in crate::ops) fn post<Op: Operator<Out = T>>(
        &mut self,
        acks: Acks,
        x: T,
        cx: &mut Context<'_, Op>,
    ) {
        self.queue.push_back((x, Lease::accepted(acks)));
        self.work_off(cx);
    }

    /// Has the emitter of the current element wait until the way is clear, unless the element is part of what is
    /// being taken.
    pub(in crate::ops) fn hold_up<Op: Operator<Out = T>>(&mut self, cx: &mut Context<'_, Op>) {
        if !self.is_clear() && !cx.has_come_back() {
            let lease = cx.hold();
            self.waiting.push(Lease {
                acks: Acks::none(),
                ..lease
            });
        }
    }

    /// To be called when what was sent has been taken.
    pub(in crate::ops) fn delivered<Op: Operator<Out = T>>(&mut self, cx: &mut Context<'_, Op>) {
        self.delivering = false;
        self.work_off(cx);
    }

    fn work_off<Op: Operator<Out = T>>(&mut self, cx: &mut Context<'_, Op>) {
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
    /// Whether everything has been taken.
    pub(in crate::ops) fn is_clear(&self) -> bool {
        !self.delivering && self.queue.is_empty()
    }

    /// Elements that wait for their turn.
    pub(in crate::ops) fn iter(&self) -> impl Iterator<Item = &T> {
        self.queue.iter().map(|(x, _)| x)
    }

    /// How much is in flight.
    pub(in crate::ops) fn len(&self) -> usize {
        self.queue.len() + usize::from(self.delivering)
    }
}
