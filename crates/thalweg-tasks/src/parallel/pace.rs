//! Sizes of the batches that are sent to another process.

use std::time::Duration;

/// Target time of a batch in seconds, by the measured cost of its elements.
const LONGEST: f64 = 0.005;

/// Share of a round trip that a batch's work must reach to be worth the trip.
const WORTH: f64 = 0.25;

/// Minimum time of an element in seconds: the measured one may be zero.
const TINY: f64 = 1e-8;

/// Part of a fair share that need not wait for more.
const ENOUGH: f64 = 0.9;

/// How much of earlier numbers of elements is remembered after a batch.
const FADING: f64 = 0.9;

/// Measured cost of elements on an engine, and of the round trip.
///
/// Elements wait until there are enough of them to be worth the round trip, or until a batch is back. While nothing is
/// in flight, they wait for those that came with them before, if those were many: but only until their sender waits
/// itself, or for a moment. A batch is small enough to keep all useful workers busy, and takes no longer than a few
/// milliseconds.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Seconds per element; `None` until a batch has come back.
    seconds: Option<f64>,
    /// Seconds that a batch is in flight, besides the work.
    overhead: f64,
    /// Recent number of elements, including those in flight.
    recent_load: f64,
    /// Limit of elements per batch by their size, if there is one.
    fitting: Option<f64>,
}

impl Pace {
    /// Number of the `waiting` elements to send together now, if `width` batches may be in flight; 0 if they are to
    /// wait. `is_all`: no more will arrive.
    pub(super) fn room(
        &mut self,
        waiting: usize,
        batches: usize,
        away: usize,
        width: usize,
        is_all: bool,
    ) -> usize {
        if waiting == 0 || batches >= width {
            return 0;
        }
        if self.seconds.is_none() {
            return 1;
        }
        self.recent_load = self.recent_load.max((waiting + away) as f64);
        let share = self.share(width);
        let enough = self.worth().min(ENOUGH * share);
        let is_short = match batches {
            // The one more may be what the sender waits with.
            0 => self.recent_load > width as f64 && waiting as f64 + 1.0 < enough && !is_all,
            _ => (waiting as f64) < enough,
        };
        if is_short {
            return 0;
        }
        let share = if enough > 1.0 {
            share
        } else {
            waiting as f64 / width as f64
        };
        (share.ceil() as usize).clamp(1, self.at_most())
    }

    /// How long a batch is in flight, besides the work.
    pub(super) fn overhead(&self) -> Duration {
        Duration::try_from_secs_f64(self.overhead).unwrap_or_default()
    }

    /// Number of elements that are worth a trip.
    fn worth(&self) -> f64 {
        WORTH * self.overhead / self.seconds.unwrap_or(0.0).max(TINY)
    }

    /// A fair share of the elements, for as many batches as they are worth.
    fn share(&self, width: usize) -> f64 {
        let width = width as f64;
        if self.recent_load <= width {
            return self.recent_load / width;
        }
        let batches = self.recent_load / self.worth().max(1.0);
        let share = self.recent_load / batches.ceil().clamp(1.0, width);
        self.fitting.map_or(share, |fitting| share.min(fitting))
    }

    /// Records how many elements were sent together; `is_full`: more would have exceeded the size limit.
    pub(super) fn went(&mut self, elements: usize, is_full: bool) {
        let elements = elements as f64;
        self.fitting = match self.fitting {
            _ if is_full => Some(elements),
            Some(fitting) if elements >= fitting => Some(2.0 * fitting),
            fitting => fitting,
        };
    }

    /// Records that fewer elements arrive than before.
    pub(super) fn forget_load(&mut self) {
        self.recent_load = 0.0;
    }

    /// Maximum number of elements per batch.
    pub(super) fn at_most(&self) -> usize {
        let Some(seconds) = self.seconds else {
            return 1;
        };
        ((LONGEST / seconds.max(TINY)) as usize).max(1)
    }

    /// Records a returned batch: its number of elements, its seconds of work, and its total seconds.
    pub(super) fn learn(&mut self, elements: usize, worked: f64, passed: f64) {
        self.recent_load *= FADING;
        let each = worked.max(0.0) / elements.max(1) as f64;
        self.seconds = Some(self.seconds.map_or(each, |before| mean(before, each)));
        let overhead = (passed - worked).max(0.0);
        self.overhead = if self.overhead == 0.0 {
            overhead
        } else {
            mean(self.overhead, overhead)
        };
    }
}

/// An exponentially weighted mean.
pub(super) fn mean(before: f64, now: f64) -> f64 {
    0.7 * before + 0.3 * now
}

#[cfg(all(test, not(thalweg_loom)))]
mod tests {
    use super::*;

    fn after(each: f64, overhead: f64) -> Pace {
        let mut pace = Pace::default();
        pace.learn(1, each, each + overhead);
        pace
    }

    #[test]
    fn the_first_element_is_sent_alone_to_measure_its_duration() {
        assert_eq!(Pace::default().room(100, 0, 0, 2, false), 1);
    }

    #[test]
    fn slow_elements_are_sent_alone() {
        assert_eq!(after(0.005, 0.0).room(100, 0, 0, 2, false), 1);
        assert_eq!(after(0.001, 0.0).room(100, 0, 0, 2, false), 5);
    }

    #[test]
    fn elements_are_split_among_as_many_workers_as_pay_off() {
        assert_eq!(after(1e-6, 1e-4).room(100, 0, 0, 2, false), 50);
        assert_eq!(after(1e-6, 1e-4).room(100, 1, 0, 4, false), 25);
        assert_eq!(after(1e-7, 1e-4).room(100, 0, 0, 2, false), 100);
    }

    #[test]
    fn a_trickle_does_not_wait() {
        assert_eq!(after(1e-7, 1e-4).room(1, 0, 0, 2, false), 1);
        // One is in flight, and this one is half of all there are.
        assert_eq!(after(1e-7, 1e-4).room(1, 1, 1, 2, false), 1);
    }

    #[test]
    fn a_small_batch_waits_for_more_while_many_are_in_flight() {
        assert_eq!(after(1e-7, 1e-4).room(3, 1, 100, 2, false), 0);
        // Where the work is longer than the overhead, nothing waits.
        assert_eq!(after(1e-3, 1e-4).room(3, 1, 4, 2, false), 2);
        assert_eq!(
            after(1e-7, 1e-4).room(3, 2, 100, 2, false),
            0,
            "no place is free"
        );
    }

    #[test]
    fn the_first_of_a_burst_waits_for_the_others() {
        let mut pace = after(1e-7, 1e-4);
        assert_eq!(pace.room(6, 0, 0, 2, false), 6);
        assert_eq!(pace.room(1, 0, 0, 2, false), 0);
        assert_eq!(pace.room(6, 0, 0, 2, false), 6);
        assert_eq!(pace.room(5, 0, 0, 2, false), 6, "that is nearly all");
        // Until it is known that there are none.
        assert_eq!(pace.room(2, 0, 0, 2, true), 6);
        pace.forget_load();
        assert_eq!(pace.room(1, 0, 0, 2, false), 1);
    }

    #[test]
    fn a_load_is_remembered_while_its_elements_come_one_by_one() {
        let mut pace = after(1e-7, 1e-2);
        assert_eq!(pace.room(100, 0, 0, 1, true), 100);
        pace.learn(100, 1e-5, 1e-2);
        for waiting in 1..80 {
            assert_eq!(pace.room(waiting, 0, 0, 1, false), 0, "{waiting}");
        }
        assert_eq!(pace.room(80, 0, 0, 1, false), 90);
    }

    #[test]
    fn large_elements_wait_for_at_most_one_batch() {
        let mut pace = after(1e-7, 1e-4);
        assert_eq!(pace.room(40, 0, 0, 2, false), 40);
        pace.went(4, true);
        assert_eq!(pace.room(4, 0, 0, 2, false), 4);
        // They may become smaller again.
        pace.went(4, false);
        assert_eq!(pace.room(8, 0, 0, 2, false), 8);
    }
}
