//! Sizes of the batches that are sent to another process.

/// Time that a batch may take, in seconds, by what its elements have taken so far.
const LONGEST: f64 = 0.005;

/// The share of a round trip that a batch's work has to make up to be worth the trip.
const WORTH: f64 = 0.25;

/// Least time of an element, in seconds: what is measured may be nothing.
const TINY: f64 = 1e-8;

/// The part of a fair share that need not wait for more.
const ENOUGH: f64 = 0.9;

/// How slowly it is forgotten how many elements there were.
const FADING: f64 = 0.99;

/// Measured cost of elements on an engine, and of the way there.
///
/// An element that comes while nothing is in flight goes at once. While batches are in flight, elements wait until
/// there are enough of them to be worth the round trip, or until a batch is back. A batch is no larger than keeps all
/// of the engine busy, and takes no longer than a few milliseconds.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Seconds per element; `None` until a batch has come back.
    seconds: Option<f64>,
    /// Seconds that a batch is in flight, besides the work.
    trip: f64,
    /// Elements that there were lately, those on their way included.
    crowd: f64,
}

impl Pace {
    /// How many of the `waiting` elements may go together now, where `width` batches may be on their way; 0 if they
    /// are to wait.
    pub(super) fn room(
        &mut self,
        waiting: usize,
        batches: usize,
        away: usize,
        width: usize,
    ) -> usize {
        if waiting == 0 || batches >= width {
            return 0;
        }
        if self.seconds.is_none() {
            return 1;
        }
        self.crowd = ((waiting + away) as f64).max(FADING * self.crowd);
        let enough = self.enough(width);
        if batches > 0 && (waiting as f64) < enough {
            return 0;
        }
        let many = if enough > 1.0 {
            self.crowd
        } else {
            waiting as f64
        };
        let share = (many / width as f64).ceil().max(1.0) as usize;
        share.min(self.at_most())
    }

    /// How many elements are worth a trip, but no more than a fair share.
    fn enough(&self, width: usize) -> f64 {
        let worth = WORTH * self.trip / self.seconds.unwrap_or(0.0).max(TINY);
        worth.min(ENOUGH * self.crowd / width as f64)
    }

    /// How many elements a batch may have.
    pub(super) fn at_most(&self) -> usize {
        let Some(seconds) = self.seconds else {
            return 1;
        };
        ((LONGEST / seconds.max(TINY)) as usize).max(1)
    }

    /// Takes note of a batch that has come back: how many elements it had, for how many seconds they were worked on,
    /// and how many seconds passed in all.
    pub(super) fn learn(&mut self, elements: usize, worked: f64, passed: f64) {
        let each = worked.max(0.0) / elements.max(1) as f64;
        self.seconds = Some(self.seconds.map_or(each, |before| mean(before, each)));
        let trip = (passed - worked).max(0.0);
        self.trip = if self.trip == 0.0 {
            trip
        } else {
            mean(self.trip, trip)
        };
    }
}

/// A mean in which what was long ago counts ever less.
pub(super) fn mean(before: f64, now: f64) -> f64 {
    0.7 * before + 0.3 * now
}

#[cfg(all(test, not(thalweg_loom)))]
mod tests {
    use super::*;

    fn after(each: f64, trip: f64) -> Pace {
        let mut pace = Pace::default();
        pace.learn(1, each, each + trip);
        pace
    }

    #[test]
    fn one_goes_first_to_see_how_long_it_takes() {
        assert_eq!(Pace::default().room(100, 0, 0, 2), 1);
    }

    #[test]
    fn slow_elements_go_alone() {
        assert_eq!(after(0.005, 0.0).room(100, 0, 0, 2), 1);
        assert_eq!(after(0.001, 0.0).room(100, 0, 0, 2), 5);
    }

    #[test]
    fn quick_elements_are_shared_out() {
        assert_eq!(after(1e-7, 1e-4).room(100, 0, 0, 2), 50);
        assert_eq!(after(1e-7, 1e-4).room(100, 1, 0, 4), 25);
    }

    #[test]
    fn a_trickle_does_not_wait() {
        assert_eq!(after(1e-7, 1e-4).room(1, 0, 0, 2), 1);
        // One is in flight, and this one is half of all there are.
        assert_eq!(after(1e-7, 1e-4).room(1, 1, 1, 2), 1);
    }

    #[test]
    fn few_wait_for_more_while_many_are_on_their_way() {
        assert_eq!(after(1e-7, 1e-4).room(3, 1, 100, 2), 0);
        // Where the work is longer than the way, nothing waits.
        assert_eq!(after(1e-3, 1e-4).room(3, 1, 4, 2), 2);
        assert_eq!(after(1e-7, 1e-4).room(3, 2, 100, 2), 0, "no place is free");
    }
}
