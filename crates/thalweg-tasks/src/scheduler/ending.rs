//! Ends of tasks other than a result, and new beginnings.

use super::task::State;
use super::{Effects, Needs, Scheduler, Stopped, TaskId, Trash, WorkerId};
use crate::slot::{Slot, Standing};
use crate::world::{Failure, World};
use std::sync::Arc;

impl<W: World> Scheduler<W> {
    /// Fails a task and all that need it.
    pub(super) fn fail(
        &mut self,
        id: TaskId,
        failure: Arc<Failure<W::Error>>,
        effects: &mut Effects<W>,
    ) {
        let mut failing = vec![id];
        let mut tolerant = Vec::new();
        while let Some(next) = failing.pop() {
            let Some(task) = self.task_mut(next) else {
                continue;
            };
            if task.tolerant && next != id {
                tolerant.push(next);
                continue;
            }
            if task.is_running() {
                task.ended = true;
            } else {
                task.state = State::Failed;
            }
            failing.extend(std::mem::take(&mut task.dependents));
            effects.trash.extend(task.kept.take().map(Trash::Slot));
            if let Some(slot) = task.slot.upgrade() {
                if !slot.is_done() {
                    Self::announce(slot.put(Standing::Failed(failure.clone())), effects);
                }
                effects.trash.push(Trash::Slot(slot));
            }
        }
        for id in tolerant {
            self.has_got_one(id, effects);
        }
    }

    /// Ends a task without a result, if it is not done: those who wait get the failure.
    pub(crate) fn stop(
        &mut self,
        id: TaskId,
        failure: Failure<W::Error>,
        effects: &mut Effects<W>,
    ) -> Stopped {
        let stopped = match self.task(id).map(|task| task.state) {
            Some(State::Running(worker)) if !self.has_ended(id) => Stopped::Running(worker),
            Some(State::Waiting | State::Ready) => Stopped::BeforeItBegan,
            _ => return Stopped::No,
        };
        self.fail(id, Arc::new(failure), effects);
        stopped
    }

    /// Runs a failed task again, and those that it failed because of.
    ///
    /// Returns whether there was something to run again.
    pub(crate) fn retry(&mut self, id: TaskId, effects: &mut Effects<W>) -> bool {
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
            again.extend(task.needs.iter().map(|need| need.id));
            effects
                .trash
                .push(Trash::Standing(slot.put(Standing::Pending(Vec::new()))));
            effects.trash.push(Trash::Slot(slot));
            order.push(id);
        }
        for id in &order {
            self.settle(*id, effects);
        }
        !order.is_empty()
    }

    /// Looks at the program of a failed task, and at what it needs.
    pub(crate) fn look_at_failed<R>(
        &self,
        id: TaskId,
        look: impl FnOnce(&W::Program, &Needs<W>) -> R,
    ) -> Option<R> {
        let task = self.task(id)?;
        let program = task.program.as_ref()?;
        (task.state == State::Failed).then(|| look(program, &task.needs))
    }

    /// Nobody wants the task any more. Says where it runs: it is taken back when it ends.
    pub(crate) fn abandon(&mut self, id: TaskId, effects: &mut Effects<W>) -> Option<WorkerId> {
        match self.task(id)?.state {
            State::Running(worker) => return Some(worker),
            State::Stored(worker) => {
                effects.forgotten.push((worker, id));
                self.remove(id, effects);
            }
            State::Waiting | State::Ready | State::Failed => self.remove(id, effects),
        }
        None
    }

    /// Sees a task through to its end even if nobody waits for it.
    pub(crate) fn keep(&mut self, slot: &Arc<Slot<W>>) {
        if let Some(task) = self.task_mut(slot.id)
            && !slot.is_done()
        {
            task.kept = Some(slot.clone());
        }
    }

    /// Fails all that is not done, and everything that comes.
    ///
    /// Returns how many tasks are still running.
    pub(crate) fn close(&mut self, effects: &mut Effects<W>) -> usize {
        self.closed = true;
        self.fail_all(&Arc::new(Failure::Closed), effects);
        self.running()
    }

    /// Fails all that is not done.
    pub(crate) fn fail_all(&mut self, failure: &Arc<Failure<W::Error>>, effects: &mut Effects<W>) {
        let ids: Vec<_> = self.ids().collect();
        for id in ids {
            if !self.has_ended(id) {
                self.fail(id, failure.clone(), effects);
            }
        }
        self.ready.clear();
        self.choosy.clear();
        self.suspects.clear();
    }
}
