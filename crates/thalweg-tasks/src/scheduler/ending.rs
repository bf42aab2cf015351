//! Failures, cancellation and retries of tasks.

use super::task::State;
use super::{Deferred, Dependencies, Entry, Scheduler, Stopped, TaskId, ToDrop, WorkerId};
use crate::slot::{Slot, SlotState, Watchers};
use crate::task_types::{Failure, TaskTypes};
use std::sync::Arc;

impl<W: TaskTypes> Scheduler<W> {
    /// Fails a task and all that need it.
    pub(super) fn fail(
        &mut self,
        id: TaskId,
        failure: Arc<Failure<W::Error>>,
        deferred: &mut Deferred<W>,
    ) {
        let mut failing = vec![id];
        let mut accepts_failed_deps = Vec::new();
        while let Some(next) = failing.pop() {
            let Some(task) = self.task_mut(next) else {
                continue;
            };
            if task.accepts_failed_deps && next != id {
                accepts_failed_deps.push(next);
                continue;
            }
            if task.is_running() {
                task.ended = true;
            } else {
                task.state = State::Failed;
            }
            failing.extend(std::mem::take(&mut task.dependents));
            deferred.to_drop.extend(task.kept.take().map(ToDrop::Slot));
            if let Some(slot) = task.slot.upgrade() {
                if !slot.is_done() {
                    Self::announce(slot.put(SlotState::Failed(failure.clone())), deferred);
                }
                deferred.to_drop.push(ToDrop::Slot(slot));
            }
        }
        for id in accepts_failed_deps {
            self.has_got_one(id, deferred);
        }
    }

    /// Ends an unfinished task without a result: waiting ones get the failure.
    pub(crate) fn stop(
        &mut self,
        id: TaskId,
        failure: Failure<W::Error>,
        deferred: &mut Deferred<W>,
    ) -> Stopped {
        let stopped = match self.task(id).map(|task| task.state) {
            Some(State::Running(worker)) if !self.has_ended(id) => Stopped::Running(worker),
            Some(State::Waiting | State::Ready) => Stopped::BeforeItBegan,
            _ => return Stopped::No,
        };
        self.fail(id, Arc::new(failure), deferred);
        stopped
    }

    /// Runs a failed task again, with those that it failed because of.
    ///
    /// Returns whether there was something to run again.
    pub(crate) fn retry(&mut self, id: TaskId, deferred: &mut Deferred<W>) -> bool {
        let mut again = vec![id];
        let mut order = Vec::new();
        while let Some(id) = again.pop() {
            let Some(task) = self.task_mut(id) else {
                continue;
            };
            if task.state != State::Failed || task.program.is_none() {
                continue;
            }
            let Some(slot) = task.slot.upgrade() else {
                continue;
            };
            task.state = State::Waiting;
            task.ended = false;
            task.was_retried = true;
            task.deaths = 0;
            task.blame = 0;
            task.is_suspect = false;
            task.retries = task.options.as_ref().map_or(0, |options| options.retries);
            again.extend(task.dependencies.iter().map(|dependency| dependency.id));
            deferred.to_drop.push(ToDrop::SlotState(
                slot.put(SlotState::Pending(Watchers::new())),
            ));
            deferred.to_drop.push(ToDrop::Slot(slot));
            order.push(id);
            self.retry_plain_needs(id, deferred);
        }
        for id in &order {
            self.settle(*id, deferred);
        }
        !order.is_empty()
    }

    /// Runs the failed plain dependencies of a task again.
    fn retry_plain_needs(&self, id: TaskId, deferred: &mut Deferred<W>) {
        let (Some(task), Some(queue)) = (self.task(id), &self.run_queue) else {
            return;
        };
        for need in task.dependencies.iter().filter(|need| need.id.is_plain()) {
            if let Some(failure) = need.wait_again() {
                queue.count_plain();
                queue.push(Entry::Plain(Arc::downgrade(need)));
                deferred.to_drop.push(ToDrop::SlotState(failure));
                deferred.ready += 1;
            }
        }
    }

    /// Reads the program of a failed task, and its dependencies.
    pub(crate) fn look_at_failed<R>(
        &self,
        id: TaskId,
        look: impl FnOnce(&W::Program, &Dependencies<W>) -> R,
    ) -> Option<R> {
        let task = self.task(id)?;
        let program = task.program.as_ref()?;
        (task.state == State::Failed).then(|| look(program, &task.dependencies))
    }

    /// Nobody wants the task any more. Returns where it runs: it is taken back when it ends.
    pub(crate) fn abandon(&mut self, id: TaskId, deferred: &mut Deferred<W>) -> Option<WorkerId> {
        match self.task(id)?.state {
            State::Running(worker) => return Some(worker),
            State::Stored(worker) => {
                deferred.forgotten.push((worker, id));
                self.remove(id, deferred);
            }
            State::Waiting | State::Ready | State::Failed => self.remove(id, deferred),
        }
        None
    }

    /// Runs a task to its end even if nobody waits for it.
    pub(crate) fn keep(&mut self, slot: &Arc<Slot<W>>) {
        if let Some(task) = self.task_mut(slot.id)
            && !slot.is_done()
        {
            task.kept = Some(slot.clone());
        }
    }

    /// Fails all unfinished tasks, and all later ones.
    ///
    /// Returns how many tasks are still running.
    pub(crate) fn close(
        &mut self,
        failure: Failure<W::Error>,
        deferred: &mut Deferred<W>,
    ) -> usize {
        self.closed = true;
        self.fail_all(&Arc::new(failure), deferred);
        self.running()
    }

    /// Fails all unfinished tasks.
    pub(crate) fn fail_all(
        &mut self,
        failure: &Arc<Failure<W::Error>>,
        deferred: &mut Deferred<W>,
    ) {
        let ids: Vec<_> = self.ids().collect();
        for id in ids {
            if !self.has_ended(id) {
                self.fail(id, failure.clone(), deferred);
            }
        }
        self.ready.clear();
        self.constrained.clear();
        self.suspects.clear();
    }
}
