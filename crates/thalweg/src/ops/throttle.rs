use std::marker::PhantomData;
use std::time::Duration;

use super::parts::{duration, label};
use crate::debug::shows;
use crate::failure::BuildError;
use crate::{Context, Element, EmitResult, IntoInterval, Never, Operator, Reconfigure, Stream};

/// Drops elements that follow the last emitted one too soon; see [`Stream::throttle`].
pub struct Throttle<T> {
    interval: Duration,
    /// The earliest time for the next element.
    next: Duration,
    _in: PhantomData<fn(T)>,
}

shows!([T] Throttle<T> { interval, next });

impl<T> Throttle<T> {
    /// At most one element per `interval`.
    ///
    /// # Errors
    /// The interval is zero, negative or invalid.
    pub fn new(interval: impl IntoInterval) -> Result<Self, BuildError> {
        Ok(Self {
            interval: duration("throttle", interval)?,
            next: Duration::ZERO,
            _in: PhantomData,
        })
    }
}

impl<T> Reconfigure for Throttle<T> {
    fn reconfigure(&mut self, new: Self) {
        self.interval = new.interval;
    }
}

impl<T: Element> Operator for Throttle<T> {
    type In = T;
    type Out = T;
    type Event = Never;
    const KIND: &'static str = "throttle";
    const NEEDS_RUNTIME: bool = true;
    const CLOSES: bool = false;

    fn update(&mut self, x: T, cx: &mut Context<'_, Self>) -> EmitResult {
        let now = cx.now();
        if now < self.next {
            return Ok(());
        }
        self.next = now.saturating_add(self.interval);
        cx.emit(x)
    }

    fn label(&self) -> Option<String> {
        label(self.interval)
    }
}

impl<T: Element> Stream<T> {
    /// Emits an element, and drops those that arrive within `interval` after it. `interval` is a duration, a number of
    /// seconds, or a text such as `"500ms"`.
    ///
    /// Rx calls this `throttleFirst`. To keep all elements, see [`rate_limit`](Self::rate_limit); to keep the last
    /// instead of the first, [`debounce`](Self::debounce) and [`sample`](Self::sample).
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use thalweg::{Stream, VirtualClock};
    /// let clock = VirtualClock::new();
    /// let source = Stream::on(&clock);
    /// let list = source.throttle("1s").sink_to_list();
    /// for x in 0..5 {
    ///     source.emit(x).wait()?;
    ///     clock.advance(Duration::from_millis(400));
    /// }
    /// assert_eq!(list.to_vec(), [0, 3]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn throttle(&self, interval: impl IntoInterval) -> Stream<T> {
        self.apply(Throttle::new(interval))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::test_inputs::{Bench, build_error, in_time, ms, schedules};

    proptest! {
        #[test]
        fn elements_within_the_interval_are_dropped(schedule in schedules()) {
            let mut next = 0;
            let mut expected = schedule.clone();
            expected.retain(|(at, _)| {
                let is_sent = *at >= next;
                if is_sent {
                    next = at + 1000;
                }
                is_sent
            });
            prop_assert_eq!(in_time(&schedule, |s| s.throttle("1s")), expected);
        }
    }

    #[test]
    fn dropped_elements_are_released_and_sent_ones_are_waited_for() {
        let bench = Bench::with_slow_sink(ms(100), |s| s.throttle("1s"));
        let first = bench.emit(1);
        assert!(bench.emit(2).is_ready());
        assert_eq!(bench.acked(), [2]);
        assert!(!first.is_ready());
        bench.advance_to(100);
        assert!(first.is_ready());
        assert_eq!(bench.acked(), [2, 1]);
    }

    #[test]
    fn an_invalid_interval_is_a_build_error() {
        let message = build_error(|s| s.throttle("often"));
        assert!(
            message.contains("`throttle`: invalid interval"),
            "{message}"
        );
    }
}
