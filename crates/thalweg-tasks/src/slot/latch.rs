//! Waiting for several tasks at once.

use super::{Slot, Watcher};
use crate::place::wait_aside;
use crate::spin::look;
use crate::task_types::{Failure, TaskTypes};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// Waits until all are finished; returns false at the deadline.
pub fn wait_all<W: TaskTypes>(slots: &[Arc<Slot<W>>], deadline: Option<Instant>) -> bool {
    Latch::over(slots).wait(deadline)
}

/// Waits until all are finished, or one has failed. Returns the first failure in order, if there is one.
pub(crate) fn wait_all_or_failure<'a, W: TaskTypes>(
    slots: impl Iterator<Item = &'a Arc<Slot<W>>> + Clone,
) -> Result<(), Arc<Failure<W::Error>>> {
    let first_pending = slots.clone().find(|slot| !slot.is_done());
    if let Some(failure) = first_pending.and_then(|slot| slot.engine.forked()) {
        return Err(failure);
    }
    let latch = Latch::until_failure(slots.clone());
    latch.wait(None);
    match latch.has_failure() {
        false => Ok(()),
        true => match { slots }.find_map(|slot| slot.failure()) {
            Some(failure) => Err(failure),
            // It has been retried.
            None => Ok(()),
        },
    }
}

/// Checks before sleeping, which together take about as long as waking up.
const LOOKS: u32 = 2_000;

/// A latch that opens when a number of tasks are finished.
pub struct Latch {
    left: AtomicUsize,
    /// One of the tasks has failed, which opens a latch that waits for the first failure.
    has_failure: AtomicBool,
    waiter: Thread,
}

impl fmt::Debug for Latch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Latch")
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}

impl Latch {
    /// Creates a latch that opens when all are finished. The creating thread is the waiting one.
    pub fn over<'a, W: TaskTypes>(slots: impl IntoIterator<Item = &'a Arc<Slot<W>>>) -> Arc<Self> {
        // One too many, so that it stays closed until all are registered.
        let latch = Self::new(1);
        for slot in slots {
            latch.count_up();
            if let Some(watcher) = slot.watch(Watcher::latch(&latch)) {
                watcher.fire();
            }
        }
        latch.count_down();
        latch
    }

    /// Creates a latch that opens when all are finished, or one has failed. The creating thread is the waiting one.
    pub fn until_failure<'a, W: TaskTypes>(
        slots: impl IntoIterator<Item = &'a Arc<Slot<W>>>,
    ) -> Arc<Self> {
        let latch = Self::new(1);
        for slot in slots {
            if slot.watch_for_failure(&latch) {
                latch.note_failure();
                latch.open();
                return latch;
            }
        }
        latch.count_down();
        latch
    }

    /// Adds a task that has to be finished before it opens.
    pub(super) fn count_up(&self) {
        self.left.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that a task has failed; the next notification opens the latch.
    pub(super) fn note_failure(&self) {
        self.has_failure.store(true, Ordering::Release);
    }

    fn has_failure(&self) -> bool {
        self.has_failure.load(Ordering::Acquire)
    }

    /// Counts a finished task, and opens if one has failed.
    pub(super) fn count_down_or_open(&self) {
        match self.has_failure() {
            true => self.open(),
            false => self.count_down(),
        }
    }

    pub(crate) fn count_down(&self) {
        // It may have been opened before all were finished.
        let one_less = |left: usize| left.checked_sub(1);
        let before = self
            .left
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, one_less);
        if before == Ok(1) {
            self.waiter.unpark();
        }
    }

    fn open(&self) {
        self.left.store(0, Ordering::Release);
        self.waiter.unpark();
    }

    /// Creates a latch that opens after this many events.
    pub(crate) fn new(count: usize) -> Arc<Self> {
        Arc::new(Self {
            left: AtomicUsize::new(count),
            has_failure: AtomicBool::new(false),
            waiter: thread::current(),
        })
    }

    /// Whether all are finished.
    pub fn is_open(&self) -> bool {
        self.left.load(Ordering::Acquire) == 0
    }

    /// Waits until it is open. Returns whether it is. A task that waits for long gives its place to another.
    pub fn wait(&self, deadline: Option<Instant>) -> bool {
        wait_aside(deadline, |deadline| self.wait_here(deadline))
    }

    fn wait_here(&self, deadline: Option<Instant>) -> bool {
        if look(LOOKS, || self.is_open()) {
            return true;
        }
        while !self.is_open() {
            match deadline.map(|at| at.saturating_duration_since(Instant::now())) {
                None => thread::park(),
                Some(Duration::ZERO) => return false,
                Some(left) => thread::park_timeout(left),
            }
        }
        true
    }
}
