//! How workers fetch tasks, wait for them, and return them.

use super::TaskEngine;
use super::timers::Run;
use crate::scheduler::{Assignment, Deferred, Next, Output, Scheduler, WorkerId};
use crate::spin::look;
use crate::sync::atomic::{Ordering, fence};
use crate::sync::lock;
use crate::task_types::TaskTypes;
use std::sync::Arc;

/// Maximum number of checks of an idle thread before it goes to sleep.
#[cfg(not(thalweg_loom))]
const LOOKS: u32 = 4_000;

/// The value is only a hint, so loom need not see it.
#[cfg(thalweg_loom)]
const LOOKS: u32 = 0;

impl<W: TaskTypes> TaskEngine<W> {
    /// The next task for a worker, if there is one.
    pub fn next(self: &Arc<Self>, worker: WorkerId) -> Option<Assignment<W>> {
        let assignment = match &self.plain {
            Some(plain) => match self.next_plain(plain, worker) {
                Ok(assignment) => assignment,
                Err(_) => self.ask_for_next(worker),
            },
            None => self.ask_for_next(worker),
        };
        assignment.inspect(|assignment| self.begin(assignment))
    }

    /// Asks the scheduler for the next task.
    fn ask_for_next(self: &Arc<Self>, worker: WorkerId) -> Option<Assignment<W>> {
        loop {
            let mut scheduler = lock(&self.scheduler);
            let next = scheduler.next(worker, true);
            self.note_other_ready(&scheduler);
            drop(scheduler);
            if let Some(assignment) = self.begin_next(next?) {
                return Some(assignment);
            }
        }
    }

    /// Takes a finished task back, and returns the next one for the worker.
    pub fn finish(
        self: &Arc<Self>,
        assignment: Assignment<W>,
        result: Result<Output<W::Value>, W::Error>,
        worker: Option<WorkerId>,
        deferred: &mut Deferred<W>,
    ) -> Option<Assignment<W>> {
        if assignment.id.is_plain() {
            self.finish_plain(assignment, result);
            return self.next(worker?);
        }
        let mut scheduler = lock(&self.scheduler);
        scheduler.finish(assignment, result, deferred);
        let next = worker.and_then(|worker| scheduler.next(worker, true));
        if matches!(next, Some(Next::Scheduled(_))) {
            // The one that is returned needs no wake.
            deferred.ready = deferred.ready.saturating_sub(1);
        }
        self.let_go(scheduler, deferred);
        match self.begin_next(next?) {
            Some(assignment) => {
                self.begin(&assignment);
                Some(assignment)
            }
            None => self.next(worker?),
        }
    }

    fn begin(self: &Arc<Self>, assignment: &Assignment<W>) {
        if let Some(limit) = assignment.time_limit() {
            self.timers.set(self, limit, Run::of(assignment, limit));
        }
    }

    /// The next task for a worker process.
    pub(crate) fn next_outside(
        self: &Arc<Self>,
        worker: WorkerId,
        steal: bool,
    ) -> Option<Assignment<W>> {
        let next = lock(&self.scheduler).next(worker, steal);
        let assignment = self.begin_next(next?);
        assignment.inspect(|assignment| self.begin(assignment))
    }

    /// Waits for the next task for a worker. There is none when the engine has been closed, or when the thread need not
    /// continue.
    pub fn take(
        self: &Arc<Self>,
        worker: WorkerId,
        goes_on: impl Fn() -> bool,
    ) -> Option<Assignment<W>> {
        let seen = self.readied.load(Ordering::Acquire);
        if let Some(assignment) = self.next(worker) {
            return Some(assignment);
        }
        look(LOOKS, || {
            self.readied.load(Ordering::Acquire) != seen || self.has_queued()
        });
        let mut scheduler = lock(&self.scheduler);
        loop {
            if scheduler.is_closed() {
                return None;
            }
            // First: it may have been woken for a task that no other thread was woken for.
            if let Some(next) = scheduler.next(worker, true) {
                self.note_other_ready(&scheduler);
                drop(scheduler);
                if let Some(assignment) = self.begin_next(next) {
                    self.begin(&assignment);
                    return Some(assignment);
                }
                scheduler = lock(&self.scheduler);
                continue;
            }
            if !goes_on() {
                return None;
            }
            self.idle.fetch_add(1, Ordering::Relaxed);
            // Either this thread sees a new plain task, or its submitter sees a sleeper.
            fence(Ordering::SeqCst);
            if self.has_queued() {
                self.idle.fetch_sub(1, Ordering::Relaxed);
                continue;
            }
            scheduler = self
                .work
                .wait(scheduler)
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            // A spurious wake-up may count as a call, but the totals stay right.
            let woken = match self.called.load(Ordering::Relaxed) {
                0 => &self.idle,
                _ => &self.called,
            };
            woken.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Whether the run queue has a task.
    fn has_queued(&self) -> bool {
        let plain = self.plain.as_ref();
        plain.is_some_and(|plain| !plain.run_queue.is_empty())
    }

    /// Whether a task may be ready: one in the run queue, or one that may need resources in use.
    pub(crate) fn may_have_ready(&self) -> bool {
        let plain = self.plain.as_ref();
        self.has_queued() || plain.is_some_and(|plain| plain.has_other_ready())
    }

    /// Notes whether tasks are ready that are not in the run queue. Called under the scheduler's lock.
    pub(super) fn note_other_ready(&self, scheduler: &Scheduler<W>) {
        if let Some(plain) = &self.plain {
            plain.note_other_ready(scheduler.has_other_ready());
        }
    }

    /// Marks up to `count` sleeping threads as called, and returns how many to wake. Called under the scheduler's lock.
    pub(super) fn call(&self, count: usize) -> usize {
        let sleepers = self.idle.load(Ordering::Relaxed).min(count);
        if sleepers > 0 {
            self.idle.fetch_sub(sleepers, Ordering::Relaxed);
            self.called.fetch_add(sleepers, Ordering::Relaxed);
        }
        sleepers
    }

    /// Wakes a sleeping thread, if there is one.
    pub(super) fn wake_one(&self) {
        let scheduler = lock(&self.scheduler);
        let sleepers = self.call(1);
        drop(scheduler);
        if sleepers > 0 {
            self.work.notify_one();
        }
    }

    pub(crate) fn wake_all(&self) {
        // With the lock, so that no thread is between checking and going to sleep.
        let scheduler = lock(&self.scheduler);
        self.readied.fetch_add(1, Ordering::Release);
        self.call(usize::MAX);
        self.work.notify_all();
        drop(scheduler);
    }
}
