use std::any::Any;
use std::time::Duration;

use super::parts::{Timer, duration, label};
use crate::debug::shows;
use crate::failure::BuildError;
use crate::{
    Acks, Context, Delivery, Element, EmitResult, IntoInterval, Never, Operator, Reconfigure,
    Stream,
};

/// Emits an element once no other has followed for a while; see [`Stream::debounce`].
pub struct Debounce<T> {
    interval: Duration,
    last: Option<(T, Acks)>,
    due: Duration,
    timer: Timer,
    delivering: bool,
}

shows!([T] Debounce<T> { interval, due, delivering });

impl<T> Debounce<T> {
    /// Emits an element after `interval` without another.
    ///
    /// # Errors
    /// The interval is zero, negative or invalid.
    pub fn new(interval: impl IntoInterval) -> Result<Self, BuildError> {
        Ok(Self {
            interval: duration("debounce", interval)?,
            last: None,
            due: Duration::ZERO,
            timer: Timer::default(),
            delivering: false,
        })
    }
}

impl<T: Element> Debounce<T> {
    /// Emits the element if it is due, or sets the timer.
    fn send_due(&mut self, cx: &mut Context<'_, Self>) {
        if self.delivering || self.last.is_none() {
            return;
        }
        if cx.now() < self.due {
            // One timer for all elements: when it rings, it finds out that it was postponed.
            if !self.timer.is_set() {
                self.timer.set(self.due, cx);
            }
        } else if let Some((x, acks)) = self.last.take() {
            self.delivering = cx.deliver(acks, x) == Delivery::Pending;
        }
    }
}

impl<T> Reconfigure for Debounce<T> {
    fn reconfigure(&mut self, new: Self) {
        self.interval = new.interval;
        self.timer.outdate();
    }
}

impl<T: Element> Operator for Debounce<T> {
    type In = T;
    type Out = T;
    type Event = Never;
    const KIND: &'static str = "debounce";
    const NEEDS_RUNTIME: bool = true;
    const CLOSES: bool = false;

    fn update(&mut self, x: T, cx: &mut Context<'_, Self>) -> EmitResult {
        self.last = Some((x, cx.acks()));
        self.due = cx.now().saturating_add(self.interval);
        self.send_due(cx);
        Ok(())
    }

    fn wake(&mut self, cx: &mut Context<'_, Self>) -> EmitResult {
        if self.timer.rang(cx) {
            self.send_due(cx);
        }
        Ok(())
    }

    fn delivered(&mut self, cx: &mut Context<'_, Self>) -> EmitResult {
        self.delivering = false;
        self.send_due(cx);
        Ok(())
    }

    fn flush(&mut self, cx: &mut Context<'_, Self>) -> EmitResult {
        self.due = cx.now();
        self.send_due(cx);
        Ok(())
    }

    fn in_flight(&self) -> usize {
        usize::from(self.delivering)
    }

    fn buffered(&self) -> usize {
        usize::from(self.last.is_some())
    }

    fn traverse(&self, visit: &mut dyn FnMut(&dyn Any)) {
        self.last.iter().for_each(|(x, _)| visit(x));
    }

    fn label(&self) -> Option<String> {
        label(self.interval)
    }
}

impl<T: Element> Stream<T> {
    /// Emits an element when no other has followed within `interval`, and drops it otherwise. `interval` is a duration,
    /// a number of seconds, or a text such as `"500ms"`.
    ///
    /// As in Rx, a waiting element is emitted at the end: a [`drain`](Self::drain) does not wait for it. An element
    /// that is due while the one before is still being processed downstream waits, and may be superseded meanwhile.
    /// Emitters never wait, so failures downstream are unhandled, see [`on_unhandled`](Self::on_unhandled).
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use thalweg::{Stream, VirtualClock};
    /// let clock = VirtualClock::new();
    /// let source = Stream::on(&clock);
    /// let list = source.debounce("1s").sink_to_list();
    /// for text in ["f", "fl", "flo", "flow"] {
    ///     source.emit(text).wait()?;
    ///     clock.advance(Duration::from_millis(400));
    /// }
    /// clock.advance(Duration::from_secs(1));
    /// assert_eq!(list.to_vec(), ["flow"]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn debounce(&self, interval: impl IntoInterval) -> Stream<T> {
        self.apply(Debounce::new(interval))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::test_inputs::{Bench, build_error, in_time, ms, schedules};

    proptest! {
        #[test]
        fn an_element_is_sent_after_a_pause(schedule in schedules()) {
            let next = schedule.iter().skip(1).map(|(at, _)| *at).chain([u64::MAX]);
            let expected: Vec<_> = schedule
                .iter()
                .zip(next)
                .filter(|((at, _), next)| at + 1000 <= *next)
                .map(|((at, x), _)| (at + 1000, *x))
                .collect();
            prop_assert_eq!(in_time(&schedule, |s| s.debounce("1s")), expected);
        }
    }

    #[test]
    fn superseded_elements_are_released() {
        let bench = Bench::new(|s| s.debounce("1s"));
        assert!(bench.emit(1).is_ready() && bench.emit(2).is_ready());
        assert_eq!(bench.acked(), [1]);
        bench.advance_to(1000);
        assert_eq!(bench.acked(), [1, 2]);
    }

    #[test]
    fn an_element_due_during_a_delivery_waits_and_can_be_superseded() {
        let bench = Bench::with_slow_sink(ms(5000), |s| s.debounce("1s"));
        for (at, x) in [(0, 1), (1500, 2), (3000, 3)] {
            bench.advance_to(at);
            assert!(bench.emit(x).is_ready());
        }
        bench.advance_to(20_000);
        assert_eq!(bench.take(), [(6000, 1), (11_000, 3)]);
    }

    #[test]
    fn a_drain_sends_the_last_at_once() {
        let bench = Bench::new(|s| s.debounce("1h"));
        assert!(bench.emit(1).is_ready());
        bench.advance_to(10);
        assert_eq!(bench.drain(), [(10, 1)]);
        assert_eq!(bench.acked(), [1]);
    }

    #[test]
    fn a_negative_interval_is_a_build_error() {
        let message = build_error(|s| s.debounce(-1.0));
        assert!(
            message.contains("`debounce`: invalid interval -1.0: it is negative"),
            "{message}"
        );
    }
}
