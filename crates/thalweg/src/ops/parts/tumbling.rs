use std::time::Duration;

use super::{Outbox, Ticks, Timer};
use crate::{Acks, Context, Element, Operator};

/// Windows that follow each other: when one ends, and how it is sent.
///
/// Time is cut into windows of one length from the first element on. A window is not sent while
/// the one before is still being taken: it grows until the next end, and those who emit wait.
pub(in crate::ops) struct Tumbling<W> {
    ticks: Ticks,
    timer: Timer,
    outbox: Outbox<W>,
    empty: bool,
    at_once: bool,
    flushed: bool,
}

impl<W: Element> Tumbling<W> {
    /// `empty`: whether windows without elements are sent. `at_once`: whether the first begins before
    /// there is an element.
    pub(in crate::ops) fn new(interval: Duration, empty: bool, at_once: bool) -> Self {
        Self {
            ticks: Ticks::every(interval),
            timer: Timer::default(),
            outbox: Outbox::default(),
            // In no time nothing comes.
            empty: empty && !interval.is_zero(),
            at_once: at_once && !interval.is_zero(),
            flushed: false,
        }
    }

    /// Windows of another length, once the one that has begun is over.
    pub(in crate::ops) fn reconfigure(&mut self, new: Self) {
        self.ticks.reconfigure(new.ticks);
        self.empty = new.empty;
    }

    /// To be called when the current element has become part of the window.
    pub(in crate::ops) fn added<Op: Operator<Out = W>>(&mut self, cx: &mut Context<'_, Op>) {
        self.await_end(cx);
        self.outbox.hold_up(cx);
    }

    /// To be called on every `wake`. If the window ends now it is sent; `take` takes it, or says
    /// that it is empty.
    pub(in crate::ops) fn wake<Op: Operator<Out = W>>(
        &mut self,
        is_empty: bool,
        take: impl FnOnce() -> (Acks, W),
        cx: &mut Context<'_, Op>,
    ) {
        if !self.timer.rang(cx) {
            if self.at_once && !self.flushed {
                self.await_end(cx);
            }
            return;
        }
        let sends_empty = self.empty && !self.flushed;
        let is_sent = self.outbox.is_clear() && (!is_empty || sends_empty);
        if sends_empty || !(is_empty || is_sent) {
            self.await_end(cx);
        }
        if is_sent {
            let (acks, window) = take();
            self.outbox.post(acks, window, cx);
        }
    }

    /// Sends the last window of all, unless it is empty.
    pub(in crate::ops) fn flush<Op: Operator<Out = W>>(
        &mut self,
        is_empty: bool,
        take: impl FnOnce() -> (Acks, W),
        cx: &mut Context<'_, Op>,
    ) {
        self.flushed = true;
        if !is_empty {
            let (acks, window) = take();
            self.outbox.post(acks, window, cx);
        }
    }

    pub(in crate::ops) fn delivered<Op: Operator<Out = W>>(&mut self, cx: &mut Context<'_, Op>) {
        self.outbox.delivered(cx);
    }

    /// Whether it is to be woken when it is in place.
    pub(in crate::ops) fn begins_at_once(&self) -> bool {
        self.at_once
    }

    /// The windows that wait for their turn.
    pub(in crate::ops) fn iter(&self) -> impl Iterator<Item = &W> {
        self.outbox.iter()
    }

    pub(in crate::ops) fn in_flight(&self) -> usize {
        self.outbox.len()
    }

    fn await_end<Op: Operator>(&mut self, cx: &mut Context<'_, Op>) {
        if !self.timer.is_set() {
            let end = self.ticks.after(cx.now());
            self.timer.set(end, cx);
        }
    }
}
