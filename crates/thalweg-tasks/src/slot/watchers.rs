//! Those who are told of the end of a task.

use super::Latch;
use smallvec::SmallVec;
use std::fmt;
use std::sync::{Arc, Weak};
use std::task::Waker;

/// Number of watchers from which on those that have given up are looked for.
const MANY: usize = 16;

/// Watchers of a task. Most tasks have one.
pub(crate) type Watchers = SmallVec<[Watcher; 1]>;

/// A watcher to call when a task has ended.
pub(crate) enum Watcher {
    /// The waiting thread holds the latch: it is gone once the thread has given up.
    Latch(Weak<Latch>),
    /// A latch that opens at the first failure.
    UntilFailure(Weak<Latch>),
    Waker(Waker),
    Call(Box<dyn FnOnce() + Send>),
    /// A call that nobody wants any more once the interest is gone.
    WhileWanted(Weak<()>, Box<dyn FnOnce() + Send>),
}

impl Watcher {
    pub(crate) fn latch(latch: &Arc<Latch>) -> Self {
        Self::Latch(Arc::downgrade(latch))
    }

    pub(super) fn until_failure(latch: &Arc<Latch>) -> Self {
        Self::UntilFailure(Arc::downgrade(latch))
    }

    pub(crate) fn fire(self) {
        match self {
            Self::Latch(latch) => {
                if let Some(latch) = latch.upgrade() {
                    latch.count_down();
                }
            }
            Self::UntilFailure(latch) => {
                if let Some(latch) = latch.upgrade() {
                    latch.count_down_or_open();
                }
            }
            Self::Waker(waker) => waker.wake(),
            Self::WhileWanted(interest, _) if interest.strong_count() == 0 => {}
            Self::WhileWanted(_, call) | Self::Call(call) => call(),
        }
    }

    /// Notes that the task has failed, before the watcher is notified.
    pub(super) fn note_failure(&self) {
        if let Self::UntilFailure(latch) = self
            && let Some(latch) = latch.upgrade()
        {
            latch.note_failure();
        }
    }

    fn is_wanted(&self) -> bool {
        match self {
            Self::Latch(latch) | Self::UntilFailure(latch) => latch.strong_count() > 0,
            Self::WhileWanted(interest, _) => interest.strong_count() > 0,
            Self::Waker(_) | Self::Call(_) => true,
        }
    }
}

/// Adds a watcher. A task that runs for days may be waited for in many short waits, so those that have given up are
/// removed now and then. They are returned: dropping them may run any code, so not under the lock.
pub(super) fn add(watchers: &mut Watchers, watcher: Watcher) -> Watchers {
    let mut given_up = Watchers::new();
    if watchers.len() >= MANY && watchers.len() == watchers.capacity() {
        let (wanted, unwanted) = std::mem::take(watchers)
            .into_iter()
            .partition(Watcher::is_wanted);
        (*watchers, given_up) = (wanted, unwanted);
        // Not again before as many have been added.
        watchers.reserve(watchers.len().max(MANY));
    }
    watchers.push(watcher);
    given_up
}

/// Interest in the ends of tasks: notifications that were registered with it are withdrawn when it is dropped.
#[derive(Default)]
pub struct Interest(Arc<()>);

impl Interest {
    pub(super) fn watcher(&self, call: impl FnOnce() + Send + 'static) -> Watcher {
        Watcher::WhileWanted(Arc::downgrade(&self.0), Box::new(call))
    }
}

impl fmt::Debug for Interest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interest").finish_non_exhaustive()
    }
}

#[cfg(all(test, not(thalweg_loom)))]
mod tests {
    use super::*;

    #[test]
    fn watchers_that_have_given_up_are_removed() {
        let mut watchers = Watchers::new();
        let (wanted, latch) = (Interest::default(), Latch::new(1));
        for _ in 0..100 {
            add(&mut watchers, wanted.watcher(|| {}));
            add(&mut watchers, Watcher::latch(&latch));
        }
        for _ in 0..10_000 {
            add(&mut watchers, Interest::default().watcher(|| {}));
            add(&mut watchers, Watcher::latch(&Latch::new(1)));
            add(&mut watchers, Watcher::until_failure(&Latch::new(1)));
        }
        let left = watchers.iter().filter(|watcher| watcher.is_wanted());
        assert_eq!(left.count(), 200);
        assert!(watchers.len() < 1_000, "{}", watchers.len());
    }

    #[test]
    fn those_that_all_are_wanted_are_seldom_looked_at() {
        let (mut watchers, mut grown, wanted) = (Watchers::new(), 0, Interest::default());
        for _ in 0..100_000 {
            let before = watchers.capacity();
            add(&mut watchers, wanted.watcher(|| {}));
            grown += usize::from(watchers.capacity() != before);
        }
        assert!(grown < 30, "{grown}");
    }
}
