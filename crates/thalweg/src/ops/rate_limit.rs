use std::any::Any;
use std::collections::VecDeque;
use std::time::Duration;

use super::parts::{duration, label};
use crate::debug::shows;
use crate::failure::BuildError;
use crate::interval::next_tick;
use crate::{
    Context, Element, EmitResult, IntoInterval, Lease, Never, Operator, Reconfigure, Stream,
};

/// Emits at most one element per interval; see [`Stream::rate_limit`].
pub struct RateLimit<T> {
    interval: Duration,
    queue: VecDeque<(T, Lease)>,
    /// The earliest time for the next element.
    next: Duration,
}

shows!([T] RateLimit<T> { interval, next });

impl<T> RateLimit<T> {
    /// At most one element per `interval`.
    ///
    /// # Errors
    /// The interval is zero, negative or invalid.
    pub fn new(interval: impl IntoInterval) -> Result<Self, BuildError> {
        Ok(Self {
            interval: duration("rate_limit", interval)?,
            queue: VecDeque::new(),
            next: Duration::ZERO,
        })
    }
}

impl<T> Reconfigure for RateLimit<T> {
    fn reconfigure(&mut self, new: Self) {
        self.interval = new.interval;
    }
}

impl<T: Element> Operator for RateLimit<T> {
    type In = T;
    type Out = T;
    type Event = Never;
    const KIND: &'static str = "rate_limit";
    const SUSPENDS: bool = true;
    const NEEDS_RUNTIME: bool = true;
    const CLOSES: bool = false;

    fn update(&mut self, x: T, cx: &mut Context<'_, Self>) -> EmitResult {
        let now = cx.now();
        if self.queue.is_empty() && now >= self.next {
            self.next = now.saturating_add(self.interval);
            return cx.emit(x);
        }
        if self.queue.is_empty() {
            cx.wake_at(self.next);
        }
        let lease = cx.hold();
        self.queue.push_back((x, lease));
        Ok(())
    }

    fn wake(&mut self, cx: &mut Context<'_, Self>) -> EmitResult {
        let now = cx.now();
        if now >= self.next
            && let Some((x, lease)) = self.queue.pop_front()
        {
            // However late this is, waiting elements keep their earlier due times.
            self.next = next_tick(self.next, self.interval, now);
            cx.under(lease, |cx| cx.emit(x));
            if !self.queue.is_empty() {
                cx.wake_at(self.next);
            }
        }
        Ok(())
    }

    fn withdraw(&mut self) {
        self.queue.retain(|(_, lease)| lease.stays());
    }

    fn in_flight(&self) -> usize {
        self.queue.len()
    }

    fn traverse(&self, visit: &mut dyn FnMut(&dyn Any)) {
        self.queue.iter().for_each(|(x, _)| visit(x));
    }

    fn label(&self) -> Option<String> {
        label(self.interval)
    }
}

impl<T: Element> Stream<T> {
    /// Emits at most one element per `interval`, the first at once. Other elements wait, and so do their emitters.
    ///
    /// While elements wait, time is divided into intervals from the first of them on, with one element each: a busy
    /// loop that wakes it late does not lower the rate, and a missed interval is not made up for.
    ///
    /// `interval` is a duration, a number of seconds, or a text such as `"500ms"`.
    ///
    /// ```
    /// # use thalweg::{Stream, VirtualClock};
    /// # use std::time::Duration;
    /// let clock = VirtualClock::new();
    /// let source = Stream::on(&clock);
    /// let list = source.rate_limit("500ms").sink_to_list();
    /// let emitted: Vec<_> = (0..3).map(|x| source.emit(x)).collect();
    /// assert_eq!(list.to_vec(), [0]);
    /// clock.advance(Duration::from_millis(500));
    /// assert_eq!(list.to_vec(), [0, 1]);
    /// assert!(emitted[1].is_ready() && !emitted[2].is_ready());
    /// ```
    pub fn rate_limit(&self, interval: impl IntoInterval) -> Stream<T> {
        self.apply(RateLimit::new(interval))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::test_inputs::{Bench, build_error, in_time, ms, schedules};
    use super::*;

    proptest! {
        #[test]
        fn elements_are_an_interval_apart(schedule in schedules()) {
            let mut next = 0;
            let expected: Vec<_> = schedule
                .iter()
                .map(|(at, x)| {
                    let sent = next.max(*at);
                    next = sent + 1000;
                    (sent, *x)
                })
                .collect();
            prop_assert_eq!(in_time(&schedule, |s| s.rate_limit("1s")), expected);
        }
    }

    #[test]
    fn emitters_wait_until_their_element_is_accepted() {
        let bench = Bench::with_slow_sink(ms(300), |s| s.rate_limit("1s"));
        let emitted = [bench.emit(1), bench.emit(2)];
        bench.advance_to(300);
        assert!(emitted[0].is_ready() && !emitted[1].is_ready());
        bench.advance_to(1299);
        assert!(!emitted[1].is_ready());
        assert_eq!(bench.acked(), [1]);
        bench.advance_to(1300);
        assert!(emitted[1].is_ready());
        assert_eq!(bench.acked(), [1, 2]);
    }

    #[test]
    fn a_drain_waits_for_delayed_elements() {
        let bench = Bench::new(|s| s.rate_limit("1min"));
        let _waiting = [bench.emit(1), bench.emit(2), bench.emit(3)];
        assert_eq!(bench.drain(), [(0, 1), (60_000, 2), (120_000, 3)]);
    }

    #[test]
    fn a_later_failure_is_reported_to_the_emitter() {
        let clock = crate::VirtualClock::new();
        let source = Stream::on(&clock);
        let list = source
            .rate_limit("1s")
            .try_map(|x: &i32| if *x == 2 { Err("two") } else { Ok(*x) })
            .sink_to_list();
        let emitted = [1, 2, 3].map(|x| source.emit(x));
        let results = emitted.map(|emitted| clock.block_on(emitted).is_ok());
        assert_eq!(results, [true, false, true]);
        assert_eq!(list.to_vec(), [1, 3]);
    }

    #[test]
    fn a_negative_interval_is_a_build_error() {
        let message = build_error(|s| s.rate_limit(-1));
        assert!(
            message.contains("`rate_limit`: invalid interval -1: it is negative"),
            "{message}"
        );
    }
}
