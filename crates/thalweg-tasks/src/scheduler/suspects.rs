//! Tasks that ran on a worker when it died, with others: each is tried alone, to find the cause.

use super::task::State;
use super::workers::{Worker, has};
use super::{Assignment, Deferred, Scheduler, TaskId, WorkerId};
use crate::task_types::TaskTypes;

/// The next task for a worker while suspects wait.
pub(super) enum Trial<W: TaskTypes> {
    /// Not involved.
    None,
    /// It gets nothing while a suspect runs there alone, or is about to.
    Wait,
    Begin(Assignment<W>),
}

impl<W: TaskTypes> Scheduler<W> {
    /// Queues a suspect whose dependencies are finished.
    pub(super) fn suspect(&mut self, id: TaskId) {
        self.suspects.push_back(id);
    }

    /// A suspect for an idle worker. One worker at a time is reserved for that.
    pub(super) fn next_suspect(&mut self, id: WorkerId) -> Trial<W> {
        let is_alone = |worker: &Worker<W>| worker.runs_alone && worker.asking == 0;
        if self.workers.get(id.0).is_some_and(is_alone) {
            return Trial::Wait;
        }
        let mut suspects = std::mem::take(&mut self.suspects);
        suspects.retain(|id| {
            self.task(*id)
                .is_some_and(|task| task.state == State::Ready)
        });
        self.suspects = suspects;
        let Some(worker) = self.workers.get(id.0) else {
            return Trial::None;
        };
        let fits = |suspect: &TaskId| {
            let task = self.task(*suspect);
            task.is_some_and(|task| has(&worker.all, task.resources()))
        };
        let Some(position) = self.suspects.iter().position(fits) else {
            return Trial::None;
        };
        if worker.running > 0 && worker.asking == 0 {
            if self.emptied.is_some_and(|emptied| emptied != id) {
                return Trial::None;
            }
            self.emptied = Some(id);
            return Trial::Wait;
        }
        // Tasks there that wait for an answer may wait for this one.
        let goes_alone = worker.running == 0;
        let Some(suspect) = self.suspects.remove(position) else {
            return Trial::None;
        };
        self.emptied = None;
        let Some(assignment) = self.assign(suspect, id) else {
            return Trial::None;
        };
        if let Some(worker) = self.workers.get_mut(id.0) {
            worker.runs_alone = goes_alone;
        }
        Trial::Begin(assignment)
    }

    /// Tasks of a worker wait for this many answers: perhaps for other tasks, which have to run.
    pub(crate) fn asks(&mut self, id: WorkerId, questions: usize, deferred: &mut Deferred<W>) {
        if let Some(worker) = self.workers.get_mut(id.0) {
            worker.asking += questions;
            if worker.runs_alone || self.emptied == Some(id) {
                self.emptied = self.emptied.filter(|emptied| *emptied != id);
                deferred.ready += 1;
            }
        }
    }

    /// An answer has been sent to a worker.
    pub(crate) fn is_answered(&mut self, id: WorkerId) {
        if let Some(worker) = self.workers.get_mut(id.0) {
            // It may be that of an earlier worker with the same index.
            worker.asking = worker.asking.saturating_sub(1);
        }
    }

    /// A worker has been given a task.
    pub(super) fn begins(&mut self, id: WorkerId) {
        if let Some(worker) = self.workers.get_mut(id.0) {
            worker.running += 1;
        }
    }

    /// A task of a worker has ended.
    pub(super) fn ends(&mut self, id: WorkerId, deferred: &mut Deferred<W>) {
        let waits = !self.suspects.is_empty();
        let Some(worker) = self.workers.get_mut(id.0) else {
            return;
        };
        // One given to a worker that died may come back when another has its name.
        worker.running = worker.running.saturating_sub(1);
        if std::mem::take(&mut worker.runs_alone) || waits {
            deferred.ready += 1;
        }
    }
}
