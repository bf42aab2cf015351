use std::any::Any;
use std::marker::PhantomData;
use std::time::Duration;

use super::parts::{Queue, Timer, at_least_one, duration, label};
use crate::debug::shows;
use crate::failure::BuildError;
use crate::interval::next_tick;
use crate::{
    Context, Delivery, Element, EmitResult, IntoInterval, IntoOperator, Never, Operator,
    Reconfigure, Stream,
};

/// Options of [`delay`](Stream::delay), for [`apply`](Stream::apply).
///
/// ```
/// use thalweg::{Stream, VirtualClock, ops::DelayOptions};
///
/// let source = Stream::on(VirtualClock::new());
/// source.apply(DelayOptions::by("1s").bound(2)).sink(drop);
/// // One goes through at once, two wait their turn, and the emitter of the fourth waits as well.
/// let emitted: Vec<_> = (0..4).map(|x| source.emit(x)).collect();
/// assert!(emitted[2].is_ready() && !emitted[3].is_ready());
/// ```
pub struct DelayOptions<T> {
    interval: Result<Duration, BuildError>,
    bound: usize,
    in_next_round: bool,
    _in: PhantomData<fn(T)>,
}

shows!([T] DelayOptions<T> { interval, bound, in_next_round });

impl<T> DelayOptions<T> {
    /// At least `interval` between elements.
    pub fn by(interval: impl IntoInterval) -> Self {
        Self {
            interval: duration("delay", interval),
            bound: Queue::<T>::DEFAULT_SIZE,
            in_next_round: false,
            _in: PhantomData,
        }
    }

    /// Maximum number of queued elements before emitters wait: at least one, 65,536 by default.
    pub fn bound(self, bound: usize) -> Self {
        Self { bound, ..self }
    }

    /// An element that need not wait is emitted in the runtime's next iteration, not right after the current pass.
    pub fn in_next_round(self) -> Self {
        Self {
            in_next_round: true,
            ..self
        }
    }
}

impl<T: Element> IntoOperator for DelayOptions<T> {
    type Operator = Delay<T>;

    fn into_operator(self) -> Result<Self::Operator, BuildError> {
        let bound = at_least_one("delay", "the number of elements that may wait", self.bound)?;
        Ok(Delay {
            interval: self.interval?,
            queue: Queue::new(bound),
            next: Duration::ZERO,
            timer: Timer::default(),
            delivering: false,
            in_next_round: self.in_next_round,
        })
    }
}

/// Emits elements at a minimum distance: the operator of the options [`Delay`].
pub struct Delay<T> {
    interval: Duration,
    queue: Queue<T>,
    /// The earliest time for the next element.
    next: Duration,
    timer: Timer,
    delivering: bool,
    in_next_round: bool,
}

shows!([T] Delay<T> { interval, next, delivering, in_next_round });

impl<T: Element> Delay<T> {
    /// Requests a wake for the next element.
    fn await_next(&mut self, cx: &mut Context<'_, Self>) {
        if self.delivering || self.queue.len() == 0 {
            return;
        }
        if cx.now() < self.next {
            self.timer.set(self.next, cx);
        } else if self.in_next_round {
            self.next = cx.now();
            self.timer.set(self.next, cx);
        } else {
            cx.wake_soon();
        }
    }
}

impl<T> Reconfigure for Delay<T> {
    fn reconfigure(&mut self, new: Self) {
        self.interval = new.interval;
        self.queue.resize(new.queue.size());
        self.in_next_round = new.in_next_round;
    }
}

impl<T: Element> Operator for Delay<T> {
    type In = T;
    type Out = T;
    type Event = Never;
    const KIND: &'static str = "delay";
    const SUSPENDS: bool = true;
    const NEEDS_RUNTIME: bool = true;
    const CLOSES: bool = false;

    fn update(&mut self, x: T, cx: &mut Context<'_, Self>) -> EmitResult {
        self.queue.push(x, cx);
        self.await_next(cx);
        Ok(())
    }

    fn wake(&mut self, cx: &mut Context<'_, Self>) -> EmitResult {
        let has_waited = self.timer.rang(cx);
        if !self.delivering
            && cx.now() >= self.next
            && let Some((x, acks)) = self.queue.pop()
        {
            let now = cx.now();
            self.next = if has_waited {
                // However late this is, queued elements keep their earlier due times.
                next_tick(self.next, self.interval, now)
            } else {
                now.saturating_add(self.interval)
            };
            self.delivering = cx.deliver(acks, x) == Delivery::Pending;
        }
        self.await_next(cx);
        Ok(())
    }

    fn delivered(&mut self, cx: &mut Context<'_, Self>) -> EmitResult {
        self.delivering = false;
        self.await_next(cx);
        Ok(())
    }

    fn withdraw(&mut self) {
        self.queue.withdraw();
    }

    fn in_flight(&self) -> usize {
        self.queue.len() + usize::from(self.delivering)
    }

    fn traverse(&self, visit: &mut dyn FnMut(&dyn Any)) {
        self.queue.iter().for_each(|x| visit(x));
    }

    fn label(&self) -> Option<String> {
        label(self.interval)
    }
}

impl<T: Element> Stream<T> {
    /// Emits elements at least `interval` apart, the first at once. `interval` is a duration, a number of seconds, or a
    /// text such as `"500ms"`. An element that a busy loop delays does not delay the next one, which follows sooner.
    ///
    /// The name is streamz's. Elements are queued here, up to the limit in the options [`Delay`], and emitters do not
    /// wait; with [`rate_limit`](Self::rate_limit) they do. To move elements in time, use [`shift`](Self::shift).
    ///
    /// No emitter waits for an element from here on, so failures downstream are unhandled, see
    /// [`on_unhandled`](Self::on_unhandled). Each is emitted when the one before has been accepted, and a
    /// [`drain`](Self::drain) waits for all of them.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use thalweg::{Stream, VirtualClock};
    /// let clock = VirtualClock::new();
    /// let source = Stream::on(&clock);
    /// let list = source.delay("1s").sink_to_list();
    /// source.emit_many(0..3).wait()?;
    /// assert_eq!(list.to_vec(), [0]);
    /// clock.advance(Duration::from_secs(1));
    /// assert_eq!(list.to_vec(), [0, 1]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn delay(&self, interval: impl IntoInterval) -> Stream<T> {
        self.apply(DelayOptions::by(interval))
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
            prop_assert_eq!(in_time(&schedule, |s| s.delay("1s")), expected);
        }
    }

    #[test]
    fn emitters_wait_only_beyond_the_bound() {
        let bench = Bench::new(|s| s.apply(DelayOptions::by("1s").bound(2)));
        let emitted: Vec<_> = (0..5).map(|x| bench.emit(x)).collect();
        let ready = || emitted.iter().filter(|emitted| emitted.is_ready()).count();
        assert_eq!(ready(), 3);
        bench.advance_to(1000);
        assert_eq!(ready(), 4);
        bench.advance_to(2000);
        assert_eq!(ready(), 5);
        assert_eq!(bench.acked(), [0, 1, 2]);
    }

    #[test]
    fn each_element_is_sent_when_the_previous_one_is_accepted() {
        let bench = Bench::with_slow_sink(ms(1500), |s| s.delay("1s"));
        for x in 0..3 {
            assert!(bench.emit(x).is_ready());
        }
        assert_eq!(bench.drain(), [(1500, 0), (3000, 1), (4500, 2)]);
    }

    #[test]
    fn a_bound_of_zero_is_a_build_error() {
        let message = build_error(|s| s.apply(DelayOptions::by("1s").bound(0)));
        assert!(
            message
                .ends_with("`delay`: the number of elements that may wait is at least one, not 0"),
            "{message}"
        );
    }
}
