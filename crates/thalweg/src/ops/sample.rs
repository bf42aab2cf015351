use std::any::Any;
use std::time::Duration;

use super::parts::{Ticks, Timer, duration, label};
use crate::debug::shows;
use crate::failure::BuildError;
use crate::{
    Acks, Context, Delivery, Element, EmitResult, IntoInterval, Never, Operator, Reconfigure,
    Stream,
};

/// Emits the newest element at regular times; see [`Stream::sample`].
pub struct Sample<T> {
    interval: Duration,
    latest: Option<(T, Acks)>,
    ticks: Ticks,
    timer: Timer,
    delivering: bool,
}

shows!([T] Sample<T> { interval, delivering });

impl<T> Sample<T> {
    /// Emits the newest element every `interval`.
    ///
    /// # Errors
    /// The interval is zero, negative or invalid.
    pub fn new(interval: impl IntoInterval) -> Result<Self, BuildError> {
        let interval = duration("sample", interval)?;
        Ok(Self {
            interval,
            latest: None,
            ticks: Ticks::every(interval),
            timer: Timer::default(),
            delivering: false,
        })
    }
}

impl<T: Element> Sample<T> {
    fn await_tick(&mut self, cx: &mut Context<'_, Self>) {
        if self.latest.is_some() && !self.delivering && !self.timer.is_set() {
            let tick = self.ticks.after(cx.now());
            self.timer.set(tick, cx);
        }
    }

    fn send(&mut self, cx: &mut Context<'_, Self>) {
        if !self.delivering
            && let Some((x, acks)) = self.latest.take()
        {
            self.delivering = cx.deliver(acks, x) == Delivery::Pending;
        }
    }
}

impl<T> Reconfigure for Sample<T> {
    fn reconfigure(&mut self, new: Self) {
        self.interval = new.interval;
        self.ticks.reconfigure(new.ticks);
        self.timer.outdate();
    }
}

impl<T: Element> Operator for Sample<T> {
    type In = T;
    type Out = T;
    type Event = Never;
    const KIND: &'static str = "sample";
    const NEEDS_RUNTIME: bool = true;
    const CLOSES: bool = false;

    fn update(&mut self, x: T, cx: &mut Context<'_, Self>) -> EmitResult {
        self.latest = Some((x, cx.acks()));
        self.await_tick(cx);
        Ok(())
    }

    fn wake(&mut self, cx: &mut Context<'_, Self>) -> EmitResult {
        if self.timer.rang(cx) {
            self.send(cx);
        }
        Ok(())
    }

    fn delivered(&mut self, cx: &mut Context<'_, Self>) -> EmitResult {
        self.delivering = false;
        self.await_tick(cx);
        Ok(())
    }

    fn flush(&mut self, cx: &mut Context<'_, Self>) -> EmitResult {
        self.send(cx);
        Ok(())
    }

    fn in_flight(&self) -> usize {
        usize::from(self.delivering)
    }

    fn buffered(&self) -> usize {
        usize::from(self.latest.is_some())
    }

    fn traverse(&self, visit: &mut dyn FnMut(&dyn Any)) {
        self.latest.iter().for_each(|(x, _)| visit(x));
    }

    fn label(&self) -> Option<String> {
        label(self.interval)
    }
}

impl<T: Element> Stream<T> {
    /// Emits, at the end of every `interval`, the last element that arrived in it; the others are dropped, and an
    /// interval without elements is skipped. `interval` is a duration, a number of seconds, or a text such as
    /// `"500ms"`.
    ///
    /// The first interval starts with the first element, and each other one at the end of the one before, without
    /// drift. A waiting element is emitted at the end: a [`drain`](Self::drain) does not wait for it. While downstream
    /// processes an element no other is emitted. Emitters never wait, so failures downstream are unhandled, see
    /// [`on_unhandled`](Self::on_unhandled).
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use thalweg::{Stream, VirtualClock};
    /// let clock = VirtualClock::new();
    /// let source = Stream::on(&clock);
    /// let list = source.sample("1s").sink_to_list();
    /// for x in 0..5 {
    ///     source.emit(x).wait()?;
    ///     clock.advance(Duration::from_millis(400));
    /// }
    /// assert_eq!(list.to_vec(), [2, 4]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn sample(&self, interval: impl IntoInterval) -> Stream<T> {
        self.apply(Sample::new(interval))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::test_inputs::{Bench, build_error, in_time, ms, schedules};

    proptest! {
        #[test]
        fn the_last_element_of_each_interval_is_sent(schedule in schedules()) {
            let mut expected: Vec<(u64, usize)> = Vec::new();
            for (at, x) in &schedule {
                let origin = schedule[0].0;
                let end = origin + ((at - origin) / 1000 + 1) * 1000;
                match expected.last_mut() {
                    Some((last, y)) if *last == end => *y = *x,
                    _ => expected.push((end, *x)),
                }
            }
            prop_assert_eq!(in_time(&schedule, |s| s.sample("1s")), expected);
        }
    }

    #[test]
    fn no_element_is_sent_while_one_is_being_delivered() {
        let bench = Bench::with_slow_sink(ms(1500), |s| s.sample("1s"));
        for x in 0..4_u64 {
            bench.advance_to(x * 800);
            assert!(bench.emit(x).is_ready());
        }
        bench.advance_to(20_000);
        assert_eq!(bench.take(), [(2500, 1), (4500, 3)]);
        assert_eq!(bench.acked(), [0, 2, 1, 3]);
    }

    #[test]
    fn a_drain_sends_the_last_at_once() {
        let bench = Bench::new(|s| s.sample("1h"));
        assert!(bench.emit(1).is_ready() && bench.emit(2).is_ready());
        assert_eq!(bench.drain(), [(0, 2)]);
    }

    #[test]
    fn a_negative_interval_is_a_build_error() {
        let message = build_error(|s| s.sample(-1));
        assert!(
            message.contains("`sample`: invalid interval -1: it is negative"),
            "{message}"
        );
    }
}
