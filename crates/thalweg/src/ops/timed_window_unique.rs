use std::any::Any;
use std::convert::Infallible;
use std::hash::Hash;
use std::marker::PhantomData;
use std::time::Duration;

use super::parts::{Distinct, Keep, Tumbling, duration, label};
use crate::debug::shows;
use crate::failure::{BoxError, BuildError};
use crate::{
    Context, Element, EmitResult, IntoInterval, IntoOperator, Never, Operator, Reconfigure, Stream,
};

/// Options of [`timed_window_unique`](Stream::timed_window_unique): a key, which of several elements with one key is
/// kept, and whether empty windows are emitted; for [`apply`](Stream::apply).
///
/// ```
/// use std::time::Duration;
/// use thalweg::{Stream, VirtualClock, ops::{Keep, TimedWindowUniqueOptions}};
///
/// let clock = VirtualClock::new();
/// let source = Stream::on(&clock);
/// let options = TimedWindowUniqueOptions::every("1s").key(|word: &&str| word.len());
/// let list = source.apply(options.keep(Keep::Last).skip_empty()).sink_to_list();
/// source.emit_many(["f", "b", "fo", "ba", "foo", "bar"]).wait()?;
/// clock.advance(Duration::from_secs(3600));
/// assert_eq!(list.to_vec(), [["b", "ba", "bar"]]);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub struct TimedWindowUniqueOptions<T, K = T, F = fn(&T) -> Result<T, Infallible>> {
    interval: Result<Duration, BuildError>,
    keep: Keep,
    empty: bool,
    at_once: bool,
    key: F,
    _key: PhantomData<fn(&T) -> K>,
}

shows!([T, K, F] TimedWindowUniqueOptions<T, K, F> { interval, keep, empty, at_once });

impl<T: Clone> TimedWindowUniqueOptions<T> {
    /// Windows of length `interval` with different elements.
    pub fn every(interval: impl IntoInterval) -> Self {
        Self {
            interval: duration("timed_window_unique", interval),
            keep: Keep::First,
            empty: true,
            at_once: false,
            key: |x| Ok(x.clone()),
            _key: PhantomData,
        }
    }
}

impl<T, K, F> TimedWindowUniqueOptions<T, K, F> {
    /// Elements are compared by `key`.
    pub fn key<New>(
        self,
        mut key: impl FnMut(&T) -> New + Send + 'static,
    ) -> TimedWindowUniqueOptions<T, New, impl FnMut(&T) -> Result<New, Infallible> + Send + 'static>
    {
        self.try_key(move |x| Ok(key(x)))
    }

    /// The same with a function that may fail.
    pub fn try_key<New, E, Key>(self, key: Key) -> TimedWindowUniqueOptions<T, New, Key>
    where
        Key: FnMut(&T) -> Result<New, E> + Send + 'static,
    {
        TimedWindowUniqueOptions {
            interval: self.interval,
            keep: self.keep,
            empty: self.empty,
            at_once: self.at_once,
            key,
            _key: PhantomData,
        }
    }

    /// Which of several elements with the same key is kept.
    pub fn keep(self, keep: Keep) -> Self {
        Self { keep, ..self }
    }

    /// Windows without elements are not emitted.
    pub fn skip_empty(self) -> Self {
        Self {
            empty: false,
            ..self
        }
    }

    /// The first window starts at once, not with the first element.
    pub fn at_once(self) -> Self {
        Self {
            at_once: true,
            ..self
        }
    }
}

impl<T, K, E, F> IntoOperator for TimedWindowUniqueOptions<T, K, F>
where
    T: Element,
    K: Eq + Hash + Send + 'static,
    E: Into<BoxError>,
    F: FnMut(&T) -> Result<K, E> + Send + 'static,
{
    type Operator = TimedWindowUnique<T, K, F>;

    fn into_operator(self) -> Result<Self::Operator, BuildError> {
        let interval = self.interval?;
        Ok(TimedWindowUnique {
            interval,
            key: self.key,
            window: Distinct::new(self.keep),
            windows: Tumbling::new(interval, self.empty, self.at_once),
        })
    }
}

/// Emits the elements of each interval, one per key: the operator of the options [`TimedWindowUniqueOptions`].
pub struct TimedWindowUnique<T, K, F> {
    interval: Duration,
    key: F,
    window: Distinct<T, K>,
    windows: Tumbling<Vec<T>>,
}

shows!([T, K, F] TimedWindowUnique<T, K, F> { interval });

impl<T: Element, K: Eq + Hash, F> Reconfigure for TimedWindowUnique<T, K, F> {
    fn reconfigure(&mut self, new: Self) {
        self.interval = new.interval;
        self.key = new.key;
        self.window.reconfigure(new.window);
        self.windows.reconfigure(new.windows);
    }
}

impl<T, K, E, F> Operator for TimedWindowUnique<T, K, F>
where
    T: Element,
    K: Eq + Hash + Send + 'static,
    E: Into<BoxError>,
    F: FnMut(&T) -> Result<K, E> + Send + 'static,
{
    type In = T;
    type Out = Vec<T>;
    type Event = Never;
    const KIND: &'static str = "timed_window_unique";
    const SUSPENDS: bool = true;
    const NEEDS_RUNTIME: bool = true;
    const CLOSES: bool = false;

    fn update(&mut self, x: T, cx: &mut Context<'_, Self>) -> EmitResult {
        match (self.key)(&x) {
            Ok(key) => self.window.push(key, x, cx),
            Err(cause) => return cx.fail(x, cause),
        }
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
        for (key, x) in self.window.iter() {
            visit(key);
            visit(x);
        }
        self.windows.iter().for_each(|window| visit(window));
    }

    fn label(&self) -> Option<String> {
        label(self.interval)
    }
}

impl<T: Element> Stream<T> {
    /// Emits, at the end of every `interval`, the different elements that arrived in it: of equal ones the first is
    /// kept.
    ///
    /// Otherwise like [`timed_window`](Self::timed_window), empty windows included. For a key, to keep the last, and to
    /// skip empty windows see the options [`TimedWindowUniqueOptions`].
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use thalweg::{Stream, VirtualClock};
    /// let clock = VirtualClock::new();
    /// let source = Stream::on(&clock);
    /// let list = source.timed_window_unique("1s").sink_to_list();
    /// source.emit_many([1, 2, 1, 3, 1, 3, 3, 2]).wait()?;
    /// clock.advance(Duration::from_secs(2));
    /// assert_eq!(list.to_vec(), [vec![1, 2, 3], vec![]]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn timed_window_unique(&self, interval: impl IntoInterval) -> Stream<Vec<T>>
    where
        T: Eq + Hash,
    {
        self.apply(TimedWindowUniqueOptions::every(interval))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::test_inputs::{Bench, build_error, in_time, ms, schedules};
    use super::*;

    /// The plain model: timed windows without superseded elements.
    fn windows(schedule: &[(u64, usize)], keep: Keep) -> Vec<(u64, Vec<usize>)> {
        let whole = in_time(schedule, |s| {
            s.apply(super::super::TimedWindowOptions::every("1s").skip_empty())
        });
        whole
            .into_iter()
            .map(|(at, mut window)| {
                if keep == Keep::Last {
                    window.reverse();
                }
                let mut seen = Vec::new();
                window.retain(|x| {
                    let is_new = !seen.contains(&(x % 3));
                    seen.push(x % 3);
                    is_new
                });
                if keep == Keep::Last {
                    window.reverse();
                }
                (at, window)
            })
            .collect()
    }

    proptest! {
        #[test]
        fn one_element_per_key_is_kept(schedule in schedules(), last: bool) {
            let keep = if last { Keep::Last } else { Keep::First };
            let options = TimedWindowUniqueOptions::every("1s")
                .key(|x: &usize| x % 3)
                .keep(keep)
                .skip_empty();
            let sent = in_time(&schedule, |s| s.apply(options));
            prop_assert_eq!(sent, windows(&schedule, keep));
        }
    }

    #[test]
    fn dropped_elements_are_released_at_once() {
        let bench = Bench::with_slow_sink(ms(100), |s| s.timed_window_unique("1s"));
        for x in [1, 2, 1, 2] {
            assert!(bench.emit(x).is_ready());
        }
        assert_eq!(bench.acked(), [1, 2]);
        bench.advance_to(1099);
        assert_eq!(bench.acked(), [1, 2]);
        bench.advance_to(1100);
        assert_eq!(bench.acked(), [1, 2, 1, 2]);
        bench.advance_to(2100);
        assert_eq!(bench.take(), [(1100, vec![1, 2]), (2100, vec![])]);
    }

    #[test]
    fn a_failing_key_starts_no_timer() {
        let options =
            TimedWindowUniqueOptions::every("1s").try_key(|_: &i32| Err::<i32, _>("no key"));
        let bench = Bench::new(|s| s.apply(options));
        assert!(bench.block_on(bench.emit(1)).is_err());
        bench.clock.advance(ms(5000));
        assert_eq!(bench.take(), []);
    }

    #[test]
    fn an_invalid_interval_is_a_build_error() {
        let message = build_error(|s| s.timed_window_unique("soon"));
        assert!(
            message.contains("`timed_window_unique`: invalid interval"),
            "{message}"
        );
    }
}
