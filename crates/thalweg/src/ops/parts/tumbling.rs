use std::time::Duration;

use super::{Outbox, Ticks, Timer};
use crate::{Acks, Context, Element, Operator};

/// Consecutive windows: when one ends, and how it is emitted.
///
/// Time is divided into windows of one length from the first element on. A window is not emitted while the one before
/// is still being processed downstream: it grows until the next end, and emitters wait.
pub(in crate::ops) struct Tumbling<W> {
    ticks: Ticks,
    timer: Timer,
    outbox: Outbox<W>,
    empty: bool,
    at_once: bool,
    flushed: bool,
}

impl<W: Element> Tumbling<W> {
    /// `empty`: whether windows without elements are emitted. `at_once`: whether the first begins before there is an
    /// element.
    pub(in crate::ops) fn new(interval: Duration, empty: bool, at_once: bool) -> Self {
        Self {
            ticks: Ticks::every(interval),
            timer: Timer::default(),
            outbox: Outbox::default(),
            // Nothing arrives in no time.
            empty: empty && !interval.is_zero(),
            at_once: at_once && !interval.is_zero(),
            flushed: false,
        }
    }

    /// Uses another length after the current window.
    pub(in crate::ops) fn reconfigure(&mut self, new: Self) {
        self.ticks.reconfigure(new.ticks);
        self.timer.outdate();
        self.empty = new.empty;
    }

    /// Call this when the current element has been added to the window.
    pub(in crate::ops) fn added<Op: Operator<Out = W>>(&mut self, cx: &mut Context<'_, Op>) {
        self.await_end(cx);
        self.outbox.hold_up(cx);
    }

    /// Call this on every `wake`. If the window ends now it is emitted; `take` returns its content, or none if it is
    /// empty.
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

    /// Emits the last window, unless it is empty.
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

    /// Whether to wake the operator when it is in place.
    pub(in crate::ops) fn begins_at_once(&self) -> bool {
        self.at_once
    }

    /// Queued windows.
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
