use std::time::Duration;

use crate::interval::next_tick;
use crate::{Context, Operator};

/// The wake time of an operator.
#[derive(Default)]
pub(in crate::ops) struct Timer {
    at: Option<Duration>,
    is_outdated: bool,
}

impl Timer {
    /// Requests `wake` at the given time or earlier. A timer that is set is not postponed: set it again when
    /// [`rang`](Self::rang) says that it has rung.
    pub(in crate::ops) fn set<Op: Operator>(&mut self, at: Duration, cx: &mut Context<'_, Op>) {
        if !self.is_set() || self.at.is_none_or(|set| at < set) {
            self.at = Some(at);
            self.is_outdated = false;
            cx.wake_at(at);
        }
    }

    /// Lets the next time replace the current one, whichever is earlier: the interval has changed. Until then it rings
    /// at the current one.
    pub(in crate::ops) fn outdate(&mut self) {
        self.is_outdated = true;
    }

    /// Whether the time has come, true once: `wake` may be called for other reasons.
    pub(in crate::ops) fn rang<Op: Operator>(&mut self, cx: &Context<'_, Op>) -> bool {
        let rang = self.at.is_some_and(|at| at <= cx.now());
        if rang {
            self.at = None;
        }
        rang
    }

    pub(in crate::ops) fn is_set(&self) -> bool {
        self.at.is_some() && !self.is_outdated
    }
}

/// Resolution of clocks: some round to nanoseconds.
const LEAST: Duration = Duration::from_micros(1);

/// Ticks at a fixed distance, which do not drift however late they are noticed. They start with the first query.
pub(in crate::ops) struct Ticks {
    interval: Duration,
    origin: Option<Duration>,
}

impl Ticks {
    /// An interval of zero ends as soon as the clock has advanced.
    pub(in crate::ops) fn every(interval: Duration) -> Self {
        Self {
            interval: if interval.is_zero() { LEAST } else { interval },
            origin: None,
        }
    }

    /// Uses another interval, counted from the next tick.
    pub(in crate::ops) fn reconfigure(&mut self, new: Self) {
        *self = new;
    }

    /// The first tick after `now`.
    pub(in crate::ops) fn after(&mut self, now: Duration) -> Duration {
        next_tick(*self.origin.get_or_insert(now), self.interval, now)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_first_tick_is_one_interval_after_the_first_query() {
        let mut ticks = Ticks::every(Duration::from_secs(2));
        assert_eq!(ticks.after(Duration::from_secs(3)).as_secs(), 5);
        assert_eq!(ticks.after(Duration::from_secs(4)).as_secs(), 5);
        assert_eq!(ticks.after(Duration::from_secs(5)).as_secs(), 7);
    }

    proptest! {
        #[test]
        fn ticks_do_not_drift(
            interval in 1..u64::MAX / 4,
            origin in 0..u64::MAX / 4,
            later in 0..u64::MAX / 4,
        ) {
            let nanos = Duration::from_nanos;
            let mut ticks = Ticks::every(nanos(interval));
            ticks.after(nanos(origin));
            let tick = ticks.after(nanos(origin + later));
            prop_assert!(tick > nanos(origin + later));
            prop_assert!(tick <= nanos(origin + later + interval));
            prop_assert_eq!((tick - nanos(origin)).as_nanos() % u128::from(interval), 0);
        }
    }
}
