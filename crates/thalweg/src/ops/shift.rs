use std::any::Any;
use std::marker::PhantomData;
use std::time::Duration;

use super::parts::{Queue, Timer, at_least_one, duration, label};
use crate::debug::shows;
use crate::failure::BuildError;
use crate::{
    Context, Delivery, Element, EmitResult, IntoInterval, IntoOperator, Never, Operator,
    Reconfigure, Stream,
};

/// Options of [`shift`](Stream::shift), for [`apply`](Stream::apply).
///
/// ```
/// use thalweg::{Stream, VirtualClock, ops::ShiftOptions};
///
/// let source = Stream::on(VirtualClock::new());
/// source.apply(ShiftOptions::by("1h").bound(1_000_000)).sink(|x: i32| println!("{x}"));
/// ```
pub struct ShiftOptions<T> {
    interval: Result<Duration, BuildError>,
    bound: usize,
    _in: PhantomData<fn(T)>,
}

shows!([T] ShiftOptions<T> { interval, bound });

impl<T> ShiftOptions<T> {
    /// Emits elements `interval` after their arrival.
    pub fn by(interval: impl IntoInterval) -> Self {
        Self {
            interval: duration("shift", interval),
            bound: Queue::<T>::DEFAULT_SIZE,
            _in: PhantomData,
        }
    }

    /// Maximum number of elements in flight before emitters wait: at least one, 65,536 by default. It limits how many
    /// can pass in an interval.
    pub fn bound(self, bound: usize) -> Self {
        Self { bound, ..self }
    }
}

impl<T: Element> IntoOperator for ShiftOptions<T> {
    type Operator = Shift<T>;

    fn into_operator(self) -> Result<Self::Operator, BuildError> {
        let bound = at_least_one("shift", "the number of elements on their way", self.bound)?;
        Ok(Shift {
            interval: self.interval?,
            queue: Queue::new(bound),
            timer: Timer::default(),
            delivering: false,
        })
    }
}

/// Emits elements some time after their arrival: the operator of the options [`ShiftOptions`].
pub struct Shift<T> {
    interval: Duration,
    /// The elements, with their due times.
    queue: Queue<(T, Duration)>,
    timer: Timer,
    delivering: bool,
}

shows!([T] Shift<T> { interval, delivering });

impl<T: Element> Shift<T> {
    /// Emits elements that are due, and sets the timer for the rest.
    fn send_due(&mut self, cx: &mut Context<'_, Self>) {
        while !self.delivering
            && let Some(&(_, due)) = self.queue.front()
        {
            if due > cx.now() {
                self.timer.set(due, cx);
                return;
            }
            if let Some(((x, _), acks)) = self.queue.pop() {
                self.delivering = cx.deliver(acks, x) == Delivery::Pending;
            }
        }
    }
}

impl<T> Reconfigure for Shift<T> {
    fn reconfigure(&mut self, new: Self) {
        self.interval = new.interval;
        self.queue.resize(new.queue.size());
    }
}

impl<T: Element> Operator for Shift<T> {
    type In = T;
    type Out = T;
    type Event = Never;
    const KIND: &'static str = "shift";
    const SUSPENDS: bool = true;
    const NEEDS_RUNTIME: bool = true;
    const CLOSES: bool = false;

    fn update(&mut self, x: T, cx: &mut Context<'_, Self>) -> EmitResult {
        let due = cx.now().saturating_add(self.interval);
        self.queue.push((x, due), cx);
        if self.queue.len() == 1 && !self.delivering {
            self.timer.set(due, cx);
        }
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

    fn withdraw(&mut self) {
        self.queue.withdraw();
    }

    fn in_flight(&self) -> usize {
        self.queue.len() + usize::from(self.delivering)
    }

    fn traverse(&self, visit: &mut dyn FnMut(&dyn Any)) {
        self.queue.iter().for_each(|(x, _)| visit(x));
    }

    fn label(&self) -> Option<String> {
        label(self.interval)
    }
}

impl<T: Element> Stream<T> {
    /// Emits every element `interval` after its arrival, or as soon afterwards as the one before has been accepted.
    /// `interval` is a duration, a number of seconds, or a text such as `"500ms"`.
    ///
    /// Emitters do not wait, unless more elements are in flight than the limit in the options [`ShiftOptions`]. No
    /// emitter waits for an element from here on, so failures downstream are unhandled, see
    /// [`on_unhandled`](Self::on_unhandled). A [`drain`](Self::drain) waits until all have been emitted.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use thalweg::{Stream, VirtualClock};
    /// let clock = VirtualClock::new();
    /// let source = Stream::on(&clock);
    /// let list = source.shift("10s").sink_to_list();
    /// source.emit(0).wait()?;
    /// clock.advance(Duration::from_secs(3));
    /// source.emit(3).wait()?;
    /// clock.advance(Duration::from_secs(7));
    /// assert_eq!(list.to_vec(), [0]);
    /// clock.advance(Duration::from_secs(3));
    /// assert_eq!(list.to_vec(), [0, 3]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn shift(&self, interval: impl IntoInterval) -> Stream<T> {
        self.apply(ShiftOptions::by(interval))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::test_inputs::{Bench, build_error, in_time, ms, schedules};
    use super::*;

    proptest! {
        #[test]
        fn every_element_is_shifted_by_the_interval(schedule in schedules()) {
            let expected: Vec<_> = schedule.iter().map(|(at, x)| (at + 1000, *x)).collect();
            prop_assert_eq!(in_time(&schedule, |s| s.shift("1s")), expected);
        }
    }

    #[test]
    fn emitters_wait_beyond_the_bound_without_delaying_elements() {
        let bench = Bench::new(|s| s.apply(ShiftOptions::by("1s").bound(1)));
        let first = bench.emit(1);
        bench.advance_to(400);
        let second = bench.emit(2);
        assert!(first.is_ready() && !second.is_ready());
        bench.advance_to(1000);
        assert!(second.is_ready());
        bench.advance_to(2000);
        assert_eq!(bench.take(), [(1000, 1), (1400, 2)]);
        assert_eq!(bench.acked(), [1, 2]);
    }

    #[test]
    fn each_element_waits_until_the_previous_one_is_accepted() {
        let bench = Bench::with_slow_sink(ms(700), |s| s.shift("1s"));
        for x in 0..3 {
            bench.advance_to(x * 100);
            assert!(bench.emit(x).is_ready());
        }
        assert_eq!(bench.drain(), [(1700, 0), (2400, 1), (3100, 2)]);
    }

    #[test]
    fn a_bound_of_zero_is_a_build_error() {
        let message = build_error(|s| s.apply(ShiftOptions::by("1s").bound(0)));
        assert!(
            message
                .ends_with("`shift`: the number of elements on their way is at least one, not 0"),
            "{message}"
        );
    }
}
