//! Plain tasks, which have no dependencies and no options. They go through a queue to a thread, bypassing the scheduler
//! and its lock.

use super::TaskEngine;
use crate::panics::dispose;
use crate::scheduler::{Assignment, Entry, Next, Output, RunQueue, WorkerId};
use crate::slot::{PlainStop, Slot, Watcher, Watchers};
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use crate::sync::{Mutex, lock};
use crate::task_types::{Ending, Failure, TaskTypes};
use crate::threads;
use std::sync::{Arc, Weak};

/// Number of parts of the list of running tasks. Threads would contend for a single one.
const PARTS: usize = 16;

/// State of plain tasks in an engine of threads.
pub(super) struct Plain<W: TaskTypes> {
    pub(super) run_queue: Arc<RunQueue<W>>,
    /// Whether tasks are ready that are not in the queue: then the scheduler decides which is next.
    has_other_ready: AtomicBool,
    /// Number of tasks that ended before they started.
    withdrawn: AtomicU64,
    is_closed: AtomicBool,
    parts: [Mutex<Part<W>>; PARTS],
}

struct Part<W: TaskTypes> {
    /// Number of tasks that started on the threads of this part.
    begun: u64,
    /// Running tasks. They fail when the engine is closed.
    running: Vec<Weak<Slot<W>>>,
}

impl<W: TaskTypes> Default for Part<W> {
    fn default() -> Self {
        Self {
            begun: 0,
            running: Vec::new(),
        }
    }
}

impl<W: TaskTypes> Default for Plain<W> {
    fn default() -> Self {
        Self {
            run_queue: Arc::default(),
            has_other_ready: AtomicBool::new(false),
            withdrawn: AtomicU64::new(0),
            is_closed: AtomicBool::new(false),
            parts: std::array::from_fn(|_| Mutex::new(Part::default())),
        }
    }
}

impl<W: TaskTypes> Plain<W> {
    /// The part of this thread.
    fn part(&self) -> &Mutex<Part<W>> {
        &self.parts[threads::number() % PARTS]
    }

    pub(super) fn count_running(&self) -> usize {
        let parts = self.parts.iter();
        parts.map(|part| lock(part).running.len()).sum()
    }

    /// Number of waiting tasks.
    pub(super) fn count_waiting(&self) -> usize {
        // Departures are read first, so that they never outnumber arrivals.
        let begun: u64 = self.parts.iter().map(|part| lock(part).begun).sum();
        let left = begun + self.withdrawn.load(Ordering::Acquire);
        let waiting = self.run_queue.plain().saturating_sub(left);
        usize::try_from(waiting).unwrap_or(usize::MAX)
    }

    pub(super) fn all_running(&self) -> Vec<Weak<Slot<W>>> {
        let parts = self.parts.iter();
        parts.flat_map(|part| lock(part).running.clone()).collect()
    }

    /// Whether the scheduler decides which task is next.
    pub(super) fn has_other_ready(&self) -> bool {
        self.has_other_ready.load(Ordering::Acquire)
    }

    pub(super) fn note_other_ready(&self, are_there: bool) {
        self.has_other_ready.store(are_there, Ordering::Release);
    }
}

impl<W: TaskTypes> TaskEngine<W> {
    /// Submits a plain task.
    pub(super) fn submit_plain(
        self: &Arc<Self>,
        plain: &Plain<W>,
        program: W::Program,
    ) -> Arc<Slot<W>> {
        let number = plain.run_queue.count_plain();
        let slot = Slot::of_plain(number, self.clone(), program);
        self.queue_plain(plain, &slot);
        slot
    }

    fn queue_plain(self: &Arc<Self>, plain: &Plain<W>, slot: &Arc<Slot<W>>) {
        plain.run_queue.push(Entry::Plain(Arc::downgrade(slot)));
        // Either a thread that goes to sleep sees the task, or its sleep is seen here. The same holds for closing.
        fence(Ordering::SeqCst);
        if self.idle.load(Ordering::Relaxed) > 0 {
            self.wake_one();
        }
        if plain.is_closed.load(Ordering::Relaxed) {
            self.close_plain(plain, Ending::Closed);
        }
    }

    /// Takes the next task from the run queue, or fails if the scheduler decides which is next.
    pub(super) fn next_plain(
        self: &Arc<Self>,
        plain: &Plain<W>,
        worker: WorkerId,
    ) -> Result<Option<Assignment<W>>, AskScheduler> {
        loop {
            if plain.has_other_ready() {
                return Err(AskScheduler);
            }
            let assignment = match plain.run_queue.pop() {
                None => return Ok(None),
                Some(Entry::Plain(slot)) => self.begin_plain(slot),
                Some(Entry::Scheduled(id)) => lock(&self.scheduler).assign_ready(id, worker),
            };
            if assignment.is_some() {
                return Ok(assignment);
            }
        }
    }

    /// Starts the next task. Returns `None` if nobody wants it any more.
    pub(super) fn begin_next(self: &Arc<Self>, next: Next<W>) -> Option<Assignment<W>> {
        match next {
            Next::Scheduled(assignment) => Some(assignment),
            Next::Plain(slot) => self.begin_plain(slot),
        }
    }

    fn begin_plain(self: &Arc<Self>, slot: Weak<Slot<W>>) -> Option<Assignment<W>> {
        let plain = self.plain.as_ref()?;
        let assignment = Assignment::of_plain(slot)?;
        let mut part = lock(plain.part());
        part.begun += 1;
        part.running.push(assignment.slot.clone());
        drop(part);
        if plain.is_closed.load(Ordering::SeqCst) {
            // The engine may have been closed before the task was in the list.
            self.close_one(&assignment.slot, Ending::Closed);
        }
        Some(assignment)
    }

    /// Takes a plain task back after its run.
    pub(super) fn finish_plain(
        self: &Arc<Self>,
        assignment: Assignment<W>,
        result: Result<Output<W::Value>, W::Error>,
    ) {
        let Assignment { slot, program, .. } = assignment;
        let result = result.map(|output| match output {
            Output::Inline(value) => value,
            Output::Stored => unreachable!("a thread keeps no values"),
        });
        if let Some(plain) = &self.plain {
            let running = &mut lock(plain.part()).running;
            if let Some(place) = running.iter().position(|other| other.ptr_eq(&slot)) {
                running.swap_remove(place);
            }
        }
        let Some(slot) = slot.upgrade() else {
            return dispose((program, result));
        };
        let watchers = slot.end(program, result, &self.telling);
        self.tell(watchers);
        dispose(slot);
    }

    /// Fails an unfinished task.
    pub(super) fn stop_plain(&self, slot: &Slot<W>, failure: Failure<W::Error>) -> PlainStop {
        let (stopped, watchers) = slot.stop(failure, &self.telling);
        if stopped == PlainStop::BeforeItBegan {
            self.withdraw_plain();
        }
        self.tell(watchers);
        stopped
    }

    /// Cancels a task if it has not started. Returns whether it was cancelled.
    pub(super) fn stop_waiting_plain(&self, slot: &Slot<W>) -> bool {
        let (is_stopped, watchers) = slot.stop_waiting(Failure::Cancelled, &self.telling);
        if is_stopped {
            self.withdraw_plain();
        }
        self.tell(watchers);
        is_stopped
    }

    /// Counts a task that ended before it started.
    pub(crate) fn withdraw_plain(&self) {
        if let Some(plain) = &self.plain {
            plain.withdrawn.fetch_add(1, Ordering::Release);
        }
    }

    fn tell(&self, watchers: Watchers) {
        if !watchers.is_empty() {
            watchers.into_iter().for_each(Watcher::fire);
            self.telling.fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// Runs a failed task again. Returns whether it was one.
    pub(super) fn retry_plain(self: &Arc<Self>, slot: &Arc<Slot<W>>) -> bool {
        let (Some(plain), Some(_failure)) = (&self.plain, slot.wait_again()) else {
            return false;
        };
        plain.run_queue.count_plain();
        self.queue_plain(plain, slot);
        true
    }

    /// Fails all unfinished tasks.
    pub(super) fn close_plain(&self, plain: &Plain<W>, ending: Ending) {
        plain.is_closed.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        while let Some(entry) = plain.run_queue.pop() {
            // The scheduler fails its own tasks.
            if let Entry::Plain(slot) = entry {
                self.close_one(&slot, ending);
            }
        }
        for slot in plain.all_running() {
            self.close_one(&slot, ending);
        }
    }

    fn close_one(&self, slot: &Weak<Slot<W>>, ending: Ending) {
        if let Some(slot) = slot.upgrade() {
            self.stop_plain(&slot, ending.failure());
            dispose(slot);
        }
    }
}

/// The scheduler decides which task is next.
pub(super) struct AskScheduler;
