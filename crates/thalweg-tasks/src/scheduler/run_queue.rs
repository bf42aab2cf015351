//! The run queue of an engine of threads: first in, first out, without a lock.
//!
//! It contains all ready tasks of the default priority without dependencies, whether or not the scheduler knows them.

use super::TaskId;
use crate::slot::Slot;
use crate::task_types::TaskTypes;
#[cfg(not(thalweg_loom))]
use crossbeam_deque::{Injector, Steal};
use std::sync::Weak;
use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) enum Entry<W: TaskTypes> {
    Scheduled(TaskId),
    Plain(Weak<Slot<W>>),
}

/// See the [module](self).
pub(crate) struct RunQueue<W: TaskTypes> {
    #[cfg(not(thalweg_loom))]
    queue: Injector<Entry<W>>,
    /// Loom does not support the other.
    #[cfg(thalweg_loom)]
    queue: crate::sync::Mutex<std::collections::VecDeque<Entry<W>>>,
    /// Number of plain tasks queued so far.
    plain: AtomicU64,
}

impl<W: TaskTypes> Default for RunQueue<W> {
    fn default() -> Self {
        Self {
            #[cfg(not(thalweg_loom))]
            queue: Injector::new(),
            #[cfg(thalweg_loom)]
            queue: crate::sync::Mutex::default(),
            plain: AtomicU64::new(0),
        }
    }
}

impl<W: TaskTypes> RunQueue<W> {
    /// Counts a plain task that is about to be queued, and returns the count before.
    pub(crate) fn count_plain(&self) -> u64 {
        self.plain.fetch_add(1, Ordering::Relaxed)
    }

    /// Number of plain tasks queued so far.
    pub(crate) fn plain(&self) -> u64 {
        self.plain.load(Ordering::Acquire)
    }
}

#[cfg(not(thalweg_loom))]
impl<W: TaskTypes> RunQueue<W> {
    pub(crate) fn push(&self, entry: Entry<W>) {
        self.queue.push(entry);
    }

    pub(crate) fn pop(&self) -> Option<Entry<W>> {
        loop {
            match self.queue.steal() {
                Steal::Success(entry) => return Some(entry),
                Steal::Empty => return None,
                // Another thread was faster.
                Steal::Retry => std::hint::spin_loop(),
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}

#[cfg(thalweg_loom)]
impl<W: TaskTypes> RunQueue<W> {
    pub(crate) fn push(&self, entry: Entry<W>) {
        crate::sync::lock(&self.queue).push_back(entry);
    }

    pub(crate) fn pop(&self) -> Option<Entry<W>> {
        crate::sync::lock(&self.queue).pop_front()
    }

    pub(crate) fn is_empty(&self) -> bool {
        crate::sync::lock(&self.queue).is_empty()
    }
}
