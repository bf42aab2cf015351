//! Dependencies of tasks.

use super::task::State;
use super::{Deferred, Scheduler, TaskId};
use crate::slot::{Slot, Watcher};
use crate::task_types::TaskTypes;
use smallvec::SmallVec;
use std::sync::Arc;

impl<W: TaskTypes> Scheduler<W> {
    /// Counts the unfinished dependencies of a waiting task, and readies or fails it if there are none.
    pub(super) fn settle(&mut self, id: TaskId, deferred: &mut Deferred<W>) {
        let Some(task) = self.task(id) else { return };
        let dependencies: SmallVec<[TaskId; 4]> = task
            .dependencies
            .iter()
            .map(|dependency| dependency.id)
            .collect();
        let mut missing = 0;
        for (position, dependency) in dependencies.into_iter().enumerate() {
            let Some(task) = self.task(id) else { return };
            let slot = &task.dependencies[position];
            if dependency.is_plain() && slot.watch(needed_by(id, slot)).is_none() {
                missing += 1;
                continue;
            }
            if !task.accepts_failed_deps
                && let Some(failure) = slot.failure()
            {
                return self.fail(id, failure, deferred);
            }
            if !slot.is_done() {
                missing += 1;
                if let Some(dependency) = self.task_mut(dependency) {
                    dependency.dependents.push(id);
                }
            }
        }
        let Some(task) = self.task_mut(id) else {
            return;
        };
        task.missing = missing;
        if missing == 0 {
            self.make_ready(id, deferred);
        }
    }

    /// Continues with a task whose plain dependency has ended.
    pub(crate) fn need_has_ended(&mut self, id: TaskId, deferred: &mut Deferred<W>) {
        let Some(task) = self.task(id).filter(|task| task.state == State::Waiting) else {
            return;
        };
        let failure = task.dependencies.iter().find_map(|need| need.failure());
        match failure.filter(|_| !task.accepts_failed_deps) {
            Some(failure) => self.fail(id, failure, deferred),
            None => self.has_got_one(id, deferred),
        }
    }

    pub(super) fn has_got_one(&mut self, id: TaskId, deferred: &mut Deferred<W>) {
        let Some(task) = self.task_mut(id) else {
            return;
        };
        if task.state != State::Waiting {
            return;
        }
        if task.was_retried {
            let missing = task
                .dependencies
                .iter()
                .filter(|dependency| !dependency.is_done())
                .count();
            task.missing = u32::try_from(missing).unwrap_or(u32::MAX);
        } else {
            task.missing = task.missing.saturating_sub(1);
        }
        if task.missing == 0 {
            self.make_ready(id, deferred);
        }
    }
}

/// Tells the scheduler when a plain dependency of a task has ended.
fn needed_by<W: TaskTypes>(id: TaskId, need: &Slot<W>) -> Watcher {
    let engine = Arc::downgrade(&need.engine);
    Watcher::Call(Box::new(move || {
        if let Some(engine) = engine.upgrade() {
            engine.with(|scheduler, deferred| scheduler.need_has_ended(id, deferred));
        }
    }))
}
