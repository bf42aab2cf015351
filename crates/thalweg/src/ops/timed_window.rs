use std::any::Any;
use std::marker::PhantomData;
use std::time::Duration;

use super::parts::{Group, Tumbling, duration, label};
use crate::debug::shows;
use crate::failure::BuildError;
use crate::{
    Context, Element, EmitResult, IntoInterval, IntoOperator, Never, Operator, Reconfigure, Stream,
};

/// Options of [`timed_window`](Stream::timed_window), for [`apply`](Stream::apply).
///
/// ```
/// use std::time::Duration;
/// use thalweg::{Stream, VirtualClock, ops::TimedWindowOptions};
///
/// let clock = VirtualClock::new();
/// let source = Stream::on(&clock);
/// let list = source.apply(TimedWindowOptions::every("1s").skip_empty()).sink_to_list();
/// source.emit_many([1, 2]).wait()?;
/// clock.advance(Duration::from_secs(3600));
/// source.emit(3).wait()?;
/// clock.advance(Duration::from_secs(3600));
/// assert_eq!(list.to_vec(), [vec![1, 2], vec![3]]);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub struct TimedWindowOptions<T> {
    interval: Result<Duration, BuildError>,
    empty: bool,
    at_once: bool,
    _in: PhantomData<fn(T)>,
}

shows!([T] TimedWindowOptions<T> { interval, empty, at_once });

impl<T> TimedWindowOptions<T> {
    /// Windows of length `interval`.
    pub fn every(interval: impl IntoInterval) -> Self {
        Self {
            interval: duration("timed_window", interval),
            empty: true,
            at_once: false,
            _in: PhantomData,
        }
    }

    /// Windows without elements are not emitted.
    pub fn skip_empty(self) -> Self {
        Self {
            empty: false,
            ..self
        }
    }

    /// The first window starts at once, not with the first element.
    ///
    /// ```
    /// use std::time::Duration;
    /// use thalweg::{Stream, VirtualClock, ops::TimedWindowOptions};
    ///
    /// let clock = VirtualClock::new();
    /// let source = Stream::on(&clock);
    /// let list = source.apply(TimedWindowOptions::every("10s").at_once()).sink_to_list();
    /// clock.advance(Duration::from_secs(15));
    /// source.emit(1).wait()?;
    /// clock.advance(Duration::from_secs(5));
    /// assert_eq!(list.to_vec(), [vec![], vec![1]]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn at_once(self) -> Self {
        Self {
            at_once: true,
            ..self
        }
    }
}

impl<T: Element> IntoOperator for TimedWindowOptions<T> {
    type Operator = TimedWindow<T>;

    fn into_operator(self) -> Result<Self::Operator, BuildError> {
        let interval = self.interval?;
        Ok(TimedWindow {
            interval,
            window: Group::default(),
            windows: Tumbling::new(interval, self.empty, self.at_once),
        })
    }
}

/// Emits the elements of each interval: the operator of the options [`TimedWindowOptions`].
pub struct TimedWindow<T> {
    interval: Duration,
    window: Group<T>,
    windows: Tumbling<Vec<T>>,
}

shows!([T] TimedWindow<T> { interval });

impl<T: Element> Reconfigure for TimedWindow<T> {
    fn reconfigure(&mut self, new: Self) {
        self.interval = new.interval;
        self.windows.reconfigure(new.windows);
    }
}

impl<T: Element> Operator for TimedWindow<T> {
    type In = T;
    type Out = Vec<T>;
    type Event = Never;
    const KIND: &'static str = "timed_window";
    const SUSPENDS: bool = true;
    const NEEDS_RUNTIME: bool = true;
    const CLOSES: bool = false;

    fn update(&mut self, x: T, cx: &mut Context<'_, Self>) -> EmitResult {
        self.window.push(x, cx);
        self.windows.added(cx);
        Ok(())
    }

    fn wake(&mut self, cx: &mut Context<'_, Self>) -> EmitResult {
        let is_empty = self.window.is_empty();
        self.windows.wake(is_empty, || self.window.take(), cx);
        Ok(())
    }

    fn begins_at_once(&self) -> bool {
        self.windows.begins_at_once()
    }

    fn delivered(&mut self, cx: &mut Context<'_, Self>) -> EmitResult {
        self.windows.delivered(cx);
        Ok(())
    }

    fn flush(&mut self, cx: &mut Context<'_, Self>) -> EmitResult {
        let is_empty = self.window.is_empty();
        self.windows.flush(is_empty, || self.window.take(), cx);
        Ok(())
    }

    fn in_flight(&self) -> usize {
        self.windows.in_flight()
    }

    fn buffered(&self) -> usize {
        self.window.len()
    }

    fn traverse(&self, visit: &mut dyn FnMut(&dyn Any)) {
        self.window.iter().for_each(|x| visit(x));
        self.windows.iter().for_each(|window| visit(window));
    }

    fn label(&self) -> Option<String> {
        label(self.interval)
    }
}

impl<T: Element> Stream<T> {
    /// Emits, at the end of every `interval`, the elements that arrived in it. `interval` is a duration, a number of
    /// seconds, or a text such as `"500ms"`.
    ///
    /// The first interval starts with the first element, and each other one at the end of the one before, without
    /// drift. As in streamz, an interval without elements gives an empty window; to skip it see the options
    /// [`TimedWindowOptions`].
    ///
    /// No emitter waits for a window, so failures downstream are unhandled, see [`on_unhandled`](Self::on_unhandled).
    /// But there is back pressure: while downstream processes a window, emitters wait, and the next window grows until
    /// an interval ends after that. A [`drain`](Self::drain) emits the last window at once, and stops the timer, which
    /// otherwise ticks as long as the pipeline lives. On a [`VirtualClock`](crate::VirtualClock) with this timer there
    /// is always another time to advance to: waiting there for something that never happens does not panic, but goes on
    /// for ever.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use thalweg::{Stream, VirtualClock};
    /// let clock = VirtualClock::new();
    /// let source = Stream::on(&clock);
    /// let list = source.timed_window("1s").sink_to_list();
    /// source.emit_many([1, 2]).wait()?;
    /// clock.advance(Duration::from_millis(2500));
    /// source.emit(3).wait()?;
    /// clock.block_on(source.drain("1s"))?;
    /// assert_eq!(list.to_vec(), [vec![1, 2], vec![], vec![3]]);
    /// assert_eq!(clock.now(), Duration::from_millis(2500));
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn timed_window(&self, interval: impl IntoInterval) -> Stream<Vec<T>> {
        self.apply(TimedWindowOptions::every(interval))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::test_inputs::{Bench, build_error, in_time, ms, schedules};
    use super::*;

    /// The plain model: the elements of each second since the first element.
    fn windows(schedule: &[(u64, usize)]) -> Vec<(u64, Vec<usize>)> {
        let Some((origin, _)) = schedule.first() else {
            return Vec::new();
        };
        let mut windows: Vec<(u64, Vec<usize>)> = Vec::new();
        for (at, x) in schedule {
            let end = origin + ((at - origin) / 1000 + 1) * 1000;
            match windows.last_mut() {
                Some((last, window)) if *last == end => window.push(*x),
                _ => windows.push((end, vec![*x])),
            }
        }
        windows
    }

    proptest! {
        #[test]
        fn windows_follow_the_clock(schedule in schedules()) {
            let expected = windows(&schedule);
            let sent = in_time(&schedule, |s| s.apply(TimedWindowOptions::every("1s").skip_empty()));
            prop_assert_eq!(&sent, &expected);

            let bench = Bench::new(|s| s.timed_window("1s"));
            for (at, x) in &schedule {
                bench.advance_to(*at);
                drop(bench.emit(*x));
            }
            bench.clock.advance(ms(3000));
            let all = bench.take();
            // Every second one, without drift, empty or not.
            let ends = all.iter().map(|(at, _)| *at);
            prop_assert!(ends.clone().skip(1).eq(ends.map(|at| at + 1000).take(all.len().saturating_sub(1))));
            let filled: Vec<_> = all.into_iter().filter(|(_, w)| !w.is_empty()).collect();
            prop_assert_eq!(filled, expected);
        }
    }

    #[test]
    fn no_ticks_before_the_first_element_or_after_a_drain() {
        let bench = Bench::new(|s| s.timed_window("1s"));
        bench.clock.advance(ms(5500));
        assert_eq!(bench.take(), []);
        assert!(bench.emit(1).is_ready());
        bench.clock.advance(ms(2000));
        assert_eq!(bench.take(), [(6500, vec![1]), (7500, vec![])]);
        assert!(bench.emit(2).is_ready());
        bench.clock.advance(ms(300));
        assert_eq!(bench.drain(), [(7800, vec![2])]);
        bench.clock.advance(ms(5000));
        assert_eq!(bench.take(), []);
    }

    #[test]
    fn a_drain_sends_no_empty_window() {
        let bench = Bench::new(|s| s.timed_window("1s"));
        assert!(bench.emit(1).is_ready());
        bench.clock.advance(ms(1000));
        assert_eq!(bench.take(), [(1000, vec![1])]);
        assert_eq!(bench.drain(), []);
    }

    #[test]
    fn during_a_delivery_emitters_wait_and_the_next_window_grows() {
        let bench = Bench::with_slow_sink(ms(1500), |s| s.timed_window("1s"));
        assert!(bench.emit(1).is_ready());
        bench.advance_to(1100);
        let waiting = [bench.emit(2), bench.emit(3)];
        bench.advance_to(2400);
        // An interval has ended meanwhile.
        assert!(waiting.iter().all(|emitted| !emitted.is_ready()));
        bench.advance_to(2500);
        assert!(waiting.iter().all(|emitted| emitted.is_ready()));
        assert!(bench.emit(4).is_ready());
        assert_eq!(bench.take(), [(2500, vec![1])]);
        assert_eq!(bench.acked(), [1]);
        bench.advance_to(4500);
        assert_eq!(bench.take(), [(4500, vec![2, 3, 4])]);
    }

    #[test]
    fn ticks_end_with_the_pipeline() {
        let bench = Bench::new(|s| s.timed_window("1s"));
        assert!(bench.emit(1).is_ready());
        let clock = bench.clock.clone();
        drop(bench);
        // A leftover timer would make this run for ever.
        let ended = std::panic::catch_unwind(|| clock.block_on(std::future::pending::<()>()));
        assert!(ended.is_err(), "no timer is left");
    }

    #[test]
    fn a_negative_interval_is_a_build_error() {
        let message = build_error(|s| s.timed_window(-1));
        assert!(
            message.contains("`timed_window`: invalid interval -1: it is negative"),
            "{message}"
        );
    }

    #[test]
    fn a_timed_window_is_named_after_its_interval() {
        let source = Stream::<i32>::on(crate::VirtualClock::new());
        assert_eq!(source.timed_window(0.05).name(), "timed_window(50ms)#2");
    }
}
