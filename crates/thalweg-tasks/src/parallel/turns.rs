//! When another thread is worth waking.

use super::pace::mean;
use std::time::Duration;

/// Recent jobs of threads, and their cost.
#[derive(Default)]
pub(super) struct Turns {
    /// Seconds per job; `None` until it is known.
    pub(super) seconds: Option<f64>,
    /// Number of jobs taken.
    pub(super) taken: u64,
    /// Whether a check of waiting jobs is scheduled.
    pub(super) is_watched: bool,
}

impl Turns {
    /// Whether this many jobs take longer than waking a thread for them.
    pub(super) fn is_worth_waking(&self, jobs: usize) -> bool {
        let longer = |seconds| seconds * jobs as f64 >= WAKING;
        self.seconds.is_none_or(longer)
    }

    /// Schedules a check of waiting jobs: returns the number of jobs taken so far, unless one is scheduled.
    pub(super) fn watch(&mut self) -> Option<u64> {
        (!std::mem::replace(&mut self.is_watched, true)).then_some(self.taken)
    }

    /// Records how long this many jobs took.
    pub(super) fn learn(&mut self, passed: Duration, jobs: u32) {
        if jobs > 0 {
            let each = passed.as_secs_f64() / f64::from(jobs);
            self.seconds = Some(self.seconds.map_or(each, |before| mean(before, each)));
        }
    }
}

/// Cost of waking a thread, in seconds of work.
#[cfg(not(thalweg_loom))]
const WAKING: f64 = 5e-5;

/// No time passes under loom.
#[cfg(thalweg_loom)]
const WAKING: f64 = 0.0;

/// How long waiting jobs may wait for a running one.
pub(super) const STALLED: Duration = Duration::from_millis(1);

#[cfg(all(test, not(thalweg_loom)))]
mod tests {
    use super::*;

    #[test]
    fn quick_jobs_stay_on_the_thread_that_is_awake() {
        let mut turns = Turns::default();
        assert!(turns.is_worth_waking(1), "nothing is known");
        turns.learn(Duration::from_micros(10), 10);
        assert!(!turns.is_worth_waking(5));
        assert!(turns.is_worth_waking(50));
    }

    #[test]
    fn each_slow_job_gets_its_own_thread() {
        let mut turns = Turns::default();
        turns.learn(Duration::from_micros(10), 10);
        turns.learn(Duration::from_millis(1), 1);
        assert!(turns.is_worth_waking(1));
    }
}
