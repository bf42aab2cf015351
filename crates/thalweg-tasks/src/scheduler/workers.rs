//! Workers of the scheduler, and the handling of their tasks when they die.

use super::ready::Ready;
use super::task::State;
use super::{Assignment, DEATHS, Deferred, Scheduler, TaskId, ToDrop};
use crate::slot::{SlotState, Watchers};
use crate::task_types::{Failure, TaskTypes};
use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::Arc;

/// Id of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WorkerId(pub(super) usize);

/// Tasks and values of a worker that died.
pub(crate) struct Lost<W: TaskTypes> {
    /// The tasks that were running.
    pub running: Vec<Assignment<W>>,
    /// Those that only waited for an answer.
    pub waiting: Vec<Assignment<W>>,
    pub not_begun: Vec<Assignment<W>>,
}

impl<W: TaskTypes> Default for Lost<W> {
    fn default() -> Self {
        Self {
            running: Vec::new(),
            waiting: Vec::new(),
            not_begun: Vec::new(),
        }
    }
}

/// This many deaths with others running count as much as one while running alone.
const BLAME: u32 = 4;

pub(super) struct Worker<W: TaskTypes> {
    /// Tasks that need values at this worker.
    pub local: Ready,
    /// Resources that tasks take while they run, with the free amounts.
    pub free: Amounts,
    /// Total amounts.
    pub all: Amounts,
    /// Number of its tasks.
    pub running: usize,
    /// It has one task, and is to get no other.
    pub runs_alone: bool,
    /// Number of answers that its tasks wait for.
    pub asking: usize,
    task_types: PhantomData<fn(W)>,
}

/// Amounts of resources by name. An engine of many threads has as many names: the turns of its actors.
pub(super) type Amounts = HashMap<Box<str>, f64>;

/// Whether that amount is free.
pub(super) fn has(free: &Amounts, wanted: &[(Box<str>, f64)]) -> bool {
    wanted
        .iter()
        .all(|(name, amount)| free.get(name).is_some_and(|left| left >= amount))
}

pub(super) fn take(free: &mut Amounts, wanted: &[(Box<str>, f64)]) {
    for (name, amount) in wanted {
        if let Some(left) = free.get_mut(name) {
            *left -= amount;
        }
    }
}

pub(super) fn give_back(free: &mut Amounts, taken: &[(Box<str>, f64)]) {
    for (name, amount) in taken {
        if let Some(left) = free.get_mut(name) {
            *left += amount;
        }
    }
}

/// Raises each amount to at least the given one.
fn raise(amounts: &mut Amounts, others: &[(Box<str>, f64)]) {
    for (name, amount) in others {
        amounts
            .entry(name.clone())
            .and_modify(|most| *most = most.max(*amount))
            .or_insert(*amount);
    }
}

impl<W: TaskTypes> Scheduler<W> {
    /// Adds a worker with these resources.
    pub(crate) fn add_worker(&mut self, resources: &[(Box<str>, f64)]) -> WorkerId {
        raise(&mut self.most, resources);
        let mut all = Amounts::new();
        raise(&mut all, resources);
        let worker = Worker {
            local: Ready::default(),
            free: all.clone(),
            all,
            running: 0,
            runs_alone: false,
            asking: 0,
            task_types: PhantomData,
        };
        WorkerId(self.workers.insert(worker))
    }

    /// The failure of a task that no worker could ever run.
    pub(super) fn lacking(&self, id: TaskId) -> Option<Failure<W::Error>> {
        let wanted = self.task(id)?.resources();
        if has(&self.most, wanted) {
            return None;
        }
        let wanted: Vec<_> = wanted
            .iter()
            .map(|(name, amount)| format!("{amount} of `{name}`"))
            .collect();
        Some(Failure::NoResources {
            wanted: wanted.join(" and "),
        })
    }

    /// A worker has died. Tasks it was running may be the cause; those it had not started are not.
    ///
    /// A task that ran alone is the cause: it fails unless it has retries left. Of several nobody knows which it was:
    /// each is tried alone. Those that waited for an answer are unlikely causes.
    pub(crate) fn worker_lost(
        &mut self,
        worker: WorkerId,
        lost: Lost<W>,
        reason: &str,
        deferred: &mut Deferred<W>,
    ) {
        let alone = lost.running.len() == 1;
        for assignment in lost.not_begun {
            self.give_back(assignment, deferred);
        }
        let waiting = lost.waiting.into_iter().map(|task| (task, false));
        let running = lost.running.into_iter().map(|task| (task, true));
        for (assignment, ran) in waiting.chain(running) {
            let id = assignment.id;
            if self.take_back(assignment, deferred).is_none() {
                continue;
            }
            let Some(task) = self.task_mut(id) else {
                continue;
            };
            task.deaths += 1;
            let deaths = task.deaths;
            let alone = alone && ran;
            task.blame += if alone { BLAME } else { 1 };
            if task.blame >= DEATHS * BLAME || (alone && task.retries == 0) {
                let name = task.program.as_ref().and_then(W::name);
                let reason = match name {
                    Some(name) => format!("{reason}, in {name}"),
                    None => reason.to_owned(),
                };
                self.fail(
                    id,
                    Arc::new(Failure::KilledWorker { reason, deaths }),
                    deferred,
                );
                continue;
            }
            if alone {
                task.retries -= 1;
            }
            task.is_suspect = ran;
            self.settle(id, deferred);
        }
        self.make_lost_values_again(worker, deferred);
        self.workers.remove(worker.0);
        if self.emptied == Some(worker) {
            self.emptied = None;
        }
        if !self.suspects.is_empty() {
            deferred.ready += 1;
        }
    }

    /// Takes an unstarted task back.
    pub(crate) fn give_back(&mut self, assignment: Assignment<W>, deferred: &mut Deferred<W>) {
        let id = assignment.id;
        if self.take_back(assignment, deferred).is_some() {
            // Its dependencies may be lost by now.
            self.settle(id, deferred);
        }
    }

    /// Reruns the tasks whose values were at a dead worker.
    fn make_lost_values_again(&mut self, worker: WorkerId, deferred: &mut Deferred<W>) {
        let lost: Vec<_> = self
            .ids()
            .filter(|id| {
                self.task(*id)
                    .is_some_and(|task| task.state == State::Stored(worker))
            })
            .collect();
        let local = self
            .workers
            .get_mut(worker.0)
            .map(|worker| std::mem::take(&mut worker.local));
        if lost.is_empty() && local.is_none_or(|mut local| local.pop().is_none()) {
            return;
        }
        for id in &lost {
            let Some(task) = self.task_mut(*id) else {
                continue;
            };
            task.state = State::Waiting;
            if let Some(slot) = task.slot.upgrade() {
                Self::announce(slot.put(SlotState::Pending(Watchers::new())), deferred);
                deferred.to_drop.push(ToDrop::Slot(slot));
            }
        }
        // The dependencies have changed. This is so rare that all of them are computed anew.
        let unsettled: Vec<_> = self
            .ids()
            .filter(|id| {
                self.task(*id)
                    .is_some_and(|task| matches!(task.state, State::Waiting | State::Ready))
            })
            .collect();
        self.ready.clear();
        self.constrained.clear();
        self.suspects.clear();
        for (_, worker) in &mut self.workers {
            worker.local.clear();
        }
        for (_, task) in &mut self.tasks {
            task.dependents.clear();
        }
        for id in &unsettled {
            if let Some(task) = self.task_mut(*id) {
                task.state = State::Waiting;
            }
        }
        if self.closed {
            return self.fail_all(&Arc::new(Failure::Closed), deferred);
        }
        for id in unsettled {
            self.settle(id, deferred);
        }
    }

    /// A value at a worker cannot be fetched.
    pub(crate) fn cannot_come(
        &mut self,
        id: super::TaskId,
        error: W::Error,
        deferred: &mut Deferred<W>,
    ) {
        let slot = self.task(id).and_then(|task| task.slot.upgrade());
        let (Some(slot), Some(task)) = (slot, self.task_mut(id)) else {
            deferred.to_drop.push(ToDrop::Error(error));
            return;
        };
        task.state = State::Failed;
        Self::announce(
            slot.put(SlotState::Failed(Arc::new(Failure::Raised(error)))),
            deferred,
        );
        deferred.to_drop.push(ToDrop::Slot(slot));
    }

    /// A value has been fetched from a worker.
    pub(crate) fn has_come(
        &mut self,
        worker: WorkerId,
        id: super::TaskId,
        value: W::Value,
        deferred: &mut Deferred<W>,
    ) {
        let stored = self
            .task(id)
            .is_some_and(|task| task.state == State::Stored(worker));
        let slot = self
            .task(id)
            .filter(|_| stored)
            .and_then(|task| task.slot.upgrade());
        let Some(slot) = slot else {
            deferred.to_drop.push(ToDrop::Value(value));
            return;
        };
        Self::announce(slot.put(SlotState::Done(value)), deferred);
        deferred.to_drop.push(ToDrop::Slot(slot));
        deferred.forgotten.push((worker, id));
        self.remove(id, deferred);
    }
}
