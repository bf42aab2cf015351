//! Plain tasks on their way: they need nothing, and nothing more was said of them. Threads take them out of a queue and
//! put the outcome in its place, without the scheduler and its lock.

use super::TaskEngine;
use crate::scheduler::{Assignment, Entry, Output, Turn, Turns, WorkerId};
use crate::slot::{PlainStop, Slot, Watcher, Watchers};
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use crate::sync::{Mutex, lock};
use crate::task_types::{Failure, TaskTypes};
use crate::threads;
use std::sync::{Arc, Weak};

/// In how many parts the list of running tasks is, so that threads do not wait for each other there.
const PARTS: usize = 16;

/// What an engine of threads has for plain tasks.
pub(super) struct Plain<W: TaskTypes> {
    pub(super) turns: Arc<Turns<W>>,
    /// Whether there are ready tasks that are not in the queue: then the scheduler is to say who is next.
    has_other_turns: AtomicBool,
    /// How many times one ended without having begun.
    withdrawn: AtomicU64,
    is_closed: AtomicBool,
    parts: [Mutex<Part<W>>; PARTS],
}

struct Part<W: TaskTypes> {
    /// How many times one has begun.
    begun: u64,
    /// Those that run: who closes the engine has to tell those who wait for them.
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
            turns: Arc::default(),
            has_other_turns: AtomicBool::new(false),
            withdrawn: AtomicU64::new(0),
            is_closed: AtomicBool::new(false),
            parts: std::array::from_fn(|_| Mutex::new(Part::default())),
        }
    }
}

impl<W: TaskTypes> Plain<W> {
    /// The part that this thread writes to.
    fn part(&self) -> &Mutex<Part<W>> {
        &self.parts[threads::number() % PARTS]
    }

    pub(super) fn count_running(&self) -> usize {
        let parts = self.parts.iter();
        parts.map(|part| lock(part).running.len()).sum()
    }

    /// How many wait for their turn.
    pub(super) fn count_waiting(&self) -> usize {
        // What has left the queue is looked at first, so that there is never less of what has come.
        let begun: u64 = self.parts.iter().map(|part| lock(part).begun).sum();
        let left = begun + self.withdrawn.load(Ordering::Acquire);
        let waiting = self.turns.plain().saturating_sub(left);
        usize::try_from(waiting).unwrap_or(usize::MAX)
    }

    pub(super) fn all_running(&self) -> Vec<Weak<Slot<W>>> {
        let parts = self.parts.iter();
        parts.flat_map(|part| lock(part).running.clone()).collect()
    }

    /// Whether the scheduler has to be asked who is next.
    pub(super) fn has_other_turns(&self) -> bool {
        self.has_other_turns.load(Ordering::Acquire)
    }

    pub(super) fn note_other_turns(&self, are_there: bool) {
        self.has_other_turns.store(are_there, Ordering::Release);
    }
}

impl<W: TaskTypes> TaskEngine<W> {
    /// Takes a plain task.
    pub(super) fn submit_plain(
        self: &Arc<Self>,
        plain: &Plain<W>,
        program: W::Program,
    ) -> Arc<Slot<W>> {
        let number = plain.turns.count_plain();
        let slot = Slot::of_plain(number, self.clone(), program);
        self.queue_plain(plain, &slot);
        slot
    }

    fn queue_plain(self: &Arc<Self>, plain: &Plain<W>, slot: &Arc<Slot<W>>) {
        plain.turns.push(Entry::Plain(Arc::downgrade(slot)));
        // Either a thread that goes to sleep sees the task, or it is seen to be asleep. The same with one who closes.
        fence(Ordering::SeqCst);
        if self.idle.load(Ordering::Relaxed) > 0 {
            self.wake_one();
        }
        if plain.is_closed.load(Ordering::Relaxed) {
            self.close_plain(plain);
        }
    }

    /// The next task, if the scheduler need not be asked which it is; `Err` if it has to be.
    pub(super) fn next_plain(
        self: &Arc<Self>,
        plain: &Plain<W>,
        worker: WorkerId,
    ) -> Result<Option<Assignment<W>>, Ask> {
        loop {
            if plain.has_other_turns() {
                return Err(Ask);
            }
            let assignment = match plain.turns.pop() {
                None => return Ok(None),
                Some(Entry::Plain(slot)) => self.begin_plain(slot),
                Some(Entry::Scheduled(id)) => lock(&self.scheduler).assign_ready(id, worker),
            };
            if assignment.is_some() {
                return Ok(assignment);
            }
        }
    }

    /// Makes an assignment of whose turn it is. There is none if that task is not wanted any more.
    pub(super) fn begin_turn(self: &Arc<Self>, turn: Turn<W>) -> Option<Assignment<W>> {
        match turn {
            Turn::Scheduled(assignment) => Some(assignment),
            Turn::Plain(slot) => self.begin_plain(slot),
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
            // Who closed the engine may have looked through the list before.
            self.close_one(&assignment.slot);
        }
        Some(assignment)
    }

    /// Takes a plain task back that has been run.
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
        if let Some(slot) = slot.upgrade() {
            let watchers = slot.end(program, result, &self.telling);
            self.tell(watchers);
        }
    }

    /// Ends a task that is not done.
    pub(super) fn stop_plain(&self, slot: &Slot<W>, failure: Failure<W::Error>) -> PlainStop {
        let (stopped, watchers) = slot.stop(failure, &self.telling);
        if stopped == PlainStop::BeforeItBegan {
            self.withdraw_plain();
        }
        self.tell(watchers);
        stopped
    }

    /// Cancels a task if it has not begun. Returns whether it was cancelled.
    pub(super) fn stop_waiting_plain(&self, slot: &Slot<W>) -> bool {
        let (is_stopped, watchers) = slot.stop_waiting(Failure::Cancelled, &self.telling);
        if is_stopped {
            self.withdraw_plain();
        }
        self.tell(watchers);
        is_stopped
    }

    /// Takes note of one that ends without having begun.
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
        plain.turns.count_plain();
        self.queue_plain(plain, slot);
        true
    }

    /// Fails all that is not done.
    pub(super) fn close_plain(&self, plain: &Plain<W>) {
        plain.is_closed.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        while let Some(turn) = plain.turns.pop() {
            // What the scheduler knows it has failed.
            if let Entry::Plain(slot) = turn {
                self.close_one(&slot);
            }
        }
        for slot in plain.all_running() {
            self.close_one(&slot);
        }
    }

    fn close_one(&self, slot: &Weak<Slot<W>>) {
        if let Some(slot) = slot.upgrade() {
            self.stop_plain(&slot, Failure::Closed);
        }
    }
}

/// The scheduler is to be asked.
pub(super) struct Ask;
