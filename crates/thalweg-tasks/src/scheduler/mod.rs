//! Decides which task runs where and when: a state machine that runs nothing, waits for nothing and reads no clock.
//!
//! Workers request a task when they have room for one ([`next`](Scheduler::next)), and return it with its result
//! ([`finish`](Scheduler::finish)). Work for outside of the scheduler's lock, such as waking waiters and dropping
//! values, is left in [`Deferred`].

mod ending;
mod needs;
mod ready;
mod run_queue;
mod suspects;
mod task;
mod workers;

#[cfg(all(test, not(thalweg_loom)))]
mod tests;

use crate::engine::TaskEngine;
use crate::panics::dispose;
use crate::slot::{Slot, SlotState, Watcher, Watchers};
use crate::task_types::{Failure, TaskTypes};
use ready::Ready;
pub(crate) use run_queue::{Entry, RunQueue};
use slab::Slab;
use smallvec::SmallVec;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use suspects::Trial;
pub use task::{Assignment, Dependencies, Options, TaskSpec};
pub(crate) use task::{Next, TaskId};
use task::{State, Task};
#[cfg(any(feature = "processes", all(test, not(thalweg_loom))))]
pub(crate) use workers::Lost;
use workers::Worker;
pub(crate) use workers::WorkerId;

/// A task that was alone on this many workers when they died is not given to another.
pub(crate) const DEATHS: u32 = 3;

/// Result of a task: here, or stored at its worker.
pub enum Output<V> {
    /// The value.
    Inline(V),
    /// The worker has kept the value.
    Stored,
}

impl<V> fmt::Debug for Output<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Inline(..) => "Inline",
            Self::Stored => "Stored",
        })
    }
}

/// Work to do after the scheduler's lock has been released.
pub struct Deferred<W: TaskTypes> {
    /// Waiters of finished tasks.
    pub(crate) watchers: Vec<Watcher>,
    /// Values to drop: they are the user's, and dropping them may call anything.
    to_drop: Vec<ToDrop<W>>,
    /// Number of tasks that have become ready.
    pub(crate) ready: usize,
    /// Values that workers need not keep any longer.
    pub(crate) forgotten: Vec<(WorkerId, TaskId)>,
}

impl<W: TaskTypes> fmt::Debug for Deferred<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deferred")
            .field("ready", &self.ready)
            .finish_non_exhaustive()
    }
}

#[expect(dead_code, reason = "they are there to be dropped")]
enum ToDrop<W: TaskTypes> {
    Parts(W::Program, Dependencies<W>),
    SlotState(SlotState<W>),
    Error(W::Error),
    Value(W::Value),
    Slot(Arc<Slot<W>>),
}

impl<W: TaskTypes> Default for Deferred<W> {
    fn default() -> Self {
        Self {
            watchers: Vec::new(),
            to_drop: Vec::new(),
            ready: 0,
            forgotten: Vec::new(),
        }
    }
}

impl<W: TaskTypes> Deferred<W> {
    /// Wakes and drops.
    pub(crate) fn run(&mut self) {
        for watcher in self.watchers.drain(..) {
            watcher.fire();
        }
        self.to_drop.drain(..).for_each(dispose);
        self.ready = 0;
    }
}

/// Result of cancelling a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stopped {
    /// It was finished, or is unknown.
    No,
    /// It had not started.
    BeforeItBegan,
    /// It is running there, and nobody waits for it any longer.
    Running(WorkerId),
}

/// See the [module](self).
pub(crate) struct Scheduler<W: TaskTypes> {
    tasks: Slab<Task<W>>,
    generation: u32,
    ready: Ready,
    /// Shared with the threads of the engine, if its workers are threads.
    run_queue: Option<Arc<RunQueue<W>>>,
    /// Ready tasks that need a free resource of their worker.
    constrained: Vec<TaskId>,
    /// Ready tasks that have to run alone.
    suspects: VecDeque<TaskId>,
    /// The worker that gets no more tasks until it is idle, for a suspect.
    emptied: Option<WorkerId>,
    workers: Slab<Worker<W>>,
    /// The resources that workers have had, with the largest amount of each: those of a dead worker come back with its
    /// replacement.
    most: workers::Amounts,
    closed: bool,
}

impl<W: TaskTypes> Default for Scheduler<W> {
    fn default() -> Self {
        Self {
            tasks: Slab::new(),
            generation: 0,
            ready: Ready::default(),
            run_queue: None,
            constrained: Vec::new(),
            suspects: VecDeque::new(),
            emptied: None,
            workers: Slab::new(),
            most: workers::Amounts::new(),
            closed: false,
        }
    }
}

impl<W: TaskTypes> Scheduler<W> {
    /// A scheduler that shares a run queue with threads.
    pub(crate) fn with_run_queue(run_queue: Arc<RunQueue<W>>) -> Self {
        Self {
            run_queue: Some(run_queue),
            ..Self::default()
        }
    }

    /// Submits a task. It becomes ready at once if its dependencies are finished.
    pub(crate) fn submit(
        &mut self,
        spec: TaskSpec<W>,
        engine: &Arc<TaskEngine<W>>,
        deferred: &mut Deferred<W>,
    ) -> Arc<Slot<W>> {
        self.generation = self.generation.wrapping_add(1);
        let entry = self.tasks.vacant_entry();
        let id = TaskId {
            index: u32::try_from(entry.key()).expect("there are fewer than four billion tasks"),
            generation: self.generation,
        };
        let key = spec
            .options
            .as_ref()
            .and_then(|options| options.key.clone());
        let slot = Arc::new(Slot::new(id, engine.clone(), key));
        entry.insert(Task {
            generation: id.generation,
            state: State::Waiting,
            missing: 0,
            retries: spec.options.as_ref().map_or(0, |options| options.retries),
            deaths: 0,
            blame: 0,
            attempt: 0,
            ended: false,
            is_suspect: false,
            was_retried: false,
            accepts_failed_deps: spec.accepts_failed_deps,
            slot: Arc::downgrade(&slot),
            program: Some(spec.program),
            dependencies: spec.dependencies,
            dependents: SmallVec::new(),
            options: spec.options,
            kept: None,
        });
        let refusal = match self.closed {
            true => Some(Failure::Closed),
            false => self.lacking(id),
        };
        match refusal {
            Some(failure) => self.fail(id, Arc::new(failure), deferred),
            None => self.settle(id, deferred),
        }
        slot
    }

    /// Queues a task whose dependencies are finished.
    fn make_ready(&mut self, id: TaskId, deferred: &mut Deferred<W>) {
        let Some(task) = self.task_mut(id) else {
            return;
        };
        task.state = State::Ready;
        deferred.ready += 1;
        let (priority, begins) = (task.priority(), task.dependencies.is_empty());
        if task.is_suspect {
            return self.suspect(id);
        }
        if !task.resources().is_empty() {
            self.constrained.push(id);
            return;
        }
        let local = task
            .dependencies
            .iter()
            .find_map(|dependency| dependency.away());
        if let Some(worker) = local.and_then(|local| self.workers.get_mut(local.0)) {
            worker.local.push_front(id, priority);
        } else if !begins {
            self.ready.push_front(id, priority);
        } else if priority == 0.0
            && let Some(queue) = &self.run_queue
        {
            queue.push(Entry::Scheduled(id));
        } else {
            self.ready.push_back(id, priority);
        }
    }

    /// The next task for a worker that has room for one.
    ///
    /// With `steal`, it may be one that prefers another worker.
    pub(crate) fn next(&mut self, worker: WorkerId, steal: bool) -> Option<Next<W>> {
        match self.next_suspect(worker) {
            Trial::None => {}
            Trial::Wait => return None,
            Trial::Begin(assignment) => return Some(Next::Scheduled(assignment)),
        }
        if !self.constrained.is_empty()
            && let Some(id) = self.pick_choosy(worker)
        {
            return self.assign(id, worker).map(Next::Scheduled);
        }
        loop {
            match self.pop(worker, steal)? {
                Entry::Plain(slot) => return Some(Next::Plain(slot)),
                Entry::Scheduled(id) => {
                    if let Some(assignment) = self.assign_ready(id, worker) {
                        return Some(Next::Scheduled(assignment));
                    }
                }
            }
        }
    }

    /// Whether a task is ready that is not in the run queue.
    pub(crate) fn has_other_ready(&self) -> bool {
        !(self.ready.is_empty() && self.constrained.is_empty() && self.suspects.is_empty())
    }

    /// Gives a worker a task from the run queue, if it is still ready.
    pub(crate) fn assign_ready(&mut self, id: TaskId, worker: WorkerId) -> Option<Assignment<W>> {
        let is_ready = self.task(id).is_some_and(|task| task.state == State::Ready);
        is_ready.then(|| self.assign(id, worker))?
    }

    /// A task that prefers the worker, or one without preference, or one that prefers another.
    fn pop(&mut self, worker: WorkerId, steal: bool) -> Option<Entry<W>> {
        if let Some(id) = self.workers.get_mut(worker.0)?.local.pop() {
            return Some(Entry::Scheduled(id));
        }
        if let Some(queue) = &self.run_queue {
            if let Some(id) = self.ready.pop_urgent() {
                return Some(Entry::Scheduled(id));
            }
            let entry = queue.pop();
            if entry.is_some() {
                return entry;
            }
        }
        let id = self.ready.pop().map(Entry::Scheduled);
        if id.is_some() || !steal {
            return id;
        }
        self.workers
            .iter_mut()
            .find_map(|(_, other)| other.local.pop().map(Entry::Scheduled))
    }

    /// The task with the highest priority among those that need resources the worker has.
    fn pick_choosy(&mut self, worker: WorkerId) -> Option<TaskId> {
        let mut constrained = std::mem::take(&mut self.constrained);
        constrained.retain(|id| {
            self.task(*id)
                .is_some_and(|task| task.state == State::Ready)
        });
        let free = &self.workers.get(worker.0)?.free;
        let mut best: Option<(usize, f64)> = None;
        for (position, id) in constrained.iter().enumerate() {
            let Some(task) = self.task(*id) else { continue };
            let priority = task.priority();
            if workers::has(free, task.resources()) && best.is_none_or(|(_, most)| priority > most)
            {
                best = Some((position, priority));
            }
        }
        let id = best.map(|(position, _)| constrained.remove(position));
        self.constrained = constrained;
        id
    }

    fn assign(&mut self, id: TaskId, worker: WorkerId) -> Option<Assignment<W>> {
        let task = self.tasks.get_mut(id.index as usize)?;
        task.state = State::Running(worker);
        task.attempt += 1;
        let assignment = Assignment {
            id,
            attempt: task.attempt,
            program: task.program.take()?,
            dependencies: std::mem::take(&mut task.dependencies),
            slot: task.slot.clone(),
            options: task.options.clone(),
        };
        if let Some(worker) = self.workers.get_mut(worker.0) {
            workers::take(&mut worker.free, task.resources());
        }
        self.begins(worker);
        Some(assignment)
    }

    /// Takes a finished task back.
    pub(crate) fn finish(
        &mut self,
        assignment: Assignment<W>,
        result: Result<Output<W::Value>, W::Error>,
        deferred: &mut Deferred<W>,
    ) {
        let id = assignment.id;
        let Some(worker) = self.take_back(assignment, deferred) else {
            deferred.to_drop.extend(match result {
                Ok(Output::Inline(value)) => Some(ToDrop::Value(value)),
                Ok(Output::Stored) => None,
                Err(error) => Some(ToDrop::Error(error)),
            });
            return;
        };
        if let Some(task) = self.task_mut(id) {
            // It has ended, and its worker lives.
            task.is_suspect = false;
        }
        match result {
            Ok(output) => self.succeed(id, output, worker, deferred),
            Err(error) => {
                let Some(task) = self.task_mut(id) else {
                    return;
                };
                if task.retries > 0 {
                    task.retries -= 1;
                    deferred.to_drop.push(ToDrop::Error(error));
                    // Its dependencies may have been lost while it ran.
                    self.settle(id, deferred);
                } else {
                    self.fail(id, Arc::new(Failure::Raised(error)), deferred);
                }
            }
        }
    }

    /// Removes a running task from its worker, and releases its resources. Returns where it ran, unless nobody waits
    /// for it any longer.
    fn take_back(
        &mut self,
        assignment: Assignment<W>,
        deferred: &mut Deferred<W>,
    ) -> Option<WorkerId> {
        let Assignment {
            id,
            program,
            dependencies,
            ..
        } = assignment;
        let Some(task) = self.tasks.get_mut(id.index as usize) else {
            deferred.to_drop.push(ToDrop::Parts(program, dependencies));
            return None;
        };
        let State::Running(worker) = task.state else {
            deferred.to_drop.push(ToDrop::Parts(program, dependencies));
            return None;
        };
        self.ends(worker, deferred);
        let task = self.tasks.get_mut(id.index as usize)?;
        if let Some(worker) = self.workers.get_mut(worker.0) {
            workers::give_back(&mut worker.free, task.resources());
            if !task.resources().is_empty() && !self.constrained.is_empty() {
                // Another may have been waiting for these resources.
                deferred.ready += 1;
            }
        }
        task.program = Some(program);
        task.dependencies = dependencies;
        task.state = State::Waiting;
        // A slot that is upgraded under the lock must not be dropped under it.
        match task.slot.upgrade() {
            None => {
                self.remove(id, deferred);
                None
            }
            Some(slot) if task.ended => {
                task.state = State::Failed;
                deferred.to_drop.push(ToDrop::Slot(slot));
                None
            }
            Some(slot) => {
                deferred.to_drop.push(ToDrop::Slot(slot));
                Some(worker)
            }
        }
    }

    fn succeed(
        &mut self,
        id: TaskId,
        output: Output<W::Value>,
        worker: WorkerId,
        deferred: &mut Deferred<W>,
    ) {
        let Some(task) = self.task_mut(id) else {
            return;
        };
        let Some(slot) = task.slot.upgrade() else {
            return;
        };
        let dependents = std::mem::take(&mut task.dependents);
        let before = match output {
            Output::Inline(value) => {
                self.remove(id, deferred);
                slot.put(SlotState::Done(value))
            }
            Output::Stored => {
                task.state = State::Stored(worker);
                deferred.to_drop.extend(task.kept.take().map(ToDrop::Slot));
                slot.put(SlotState::Away(worker, Watchers::new()))
            }
        };
        Self::announce(before, deferred);
        deferred.to_drop.push(ToDrop::Slot(slot));
        for dependent in dependents {
            self.has_got_one(dependent, deferred);
        }
    }

    fn announce(before: SlotState<W>, deferred: &mut Deferred<W>) {
        match before {
            SlotState::Pending(watchers) | SlotState::Away(_, watchers) => {
                deferred.watchers.extend(watchers)
            }
            other => deferred.to_drop.push(ToDrop::SlotState(other)),
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Number of running tasks, and of those assigned to a worker.
    pub(crate) fn running(&self) -> usize {
        self.tasks
            .iter()
            .filter(|(_, task)| task.is_running())
            .count()
    }

    /// The running tasks, and those assigned to a worker: their numbers and names.
    pub(crate) fn names_of_running(&self) -> Vec<(u64, Option<Box<str>>)> {
        let name = |task: &Task<W>| {
            task.options
                .as_ref()
                .and_then(|options| options.key.clone())
        };
        let running = self.ids().filter_map(|id| Some((id, self.task(id)?)));
        let running = running.filter(|(_, task)| task.is_running());
        running
            .map(|(id, task)| (id.number(), name(task)))
            .collect()
    }

    /// Number of tasks that wait for their turn or for others.
    pub(crate) fn waiting(&self) -> usize {
        let waits = |task: &Task<W>| matches!(task.state, State::Waiting | State::Ready);
        self.tasks.iter().filter(|(_, task)| waits(task)).count()
    }

    fn ids(&self) -> impl Iterator<Item = TaskId> {
        self.tasks.iter().map(|(index, task)| TaskId {
            index: u32::try_from(index).expect("there are fewer than four billion tasks"),
            generation: task.generation,
        })
    }

    /// Where a task runs, if that run continues and is waited for.
    pub(crate) fn runs_at(&self, id: TaskId, attempt: u32) -> Option<WorkerId> {
        match self.task(id)? {
            Task {
                state: State::Running(worker),
                ended: false,
                attempt: current,
                ..
            } if *current == attempt => Some(*worker),
            _ => None,
        }
    }

    /// The worker of a task, if somebody waits for its outcome.
    pub(crate) fn worker_of(&self, id: TaskId) -> Option<WorkerId> {
        match self.task(id)? {
            Task {
                state: State::Running(worker),
                ended: false,
                ..
            } => Some(*worker),
            _ => None,
        }
    }

    /// Whether waiters have got an outcome.
    fn has_ended(&self, id: TaskId) -> bool {
        self.task(id)
            .is_none_or(|task| task.ended || matches!(task.state, State::Stored(_) | State::Failed))
    }

    fn task(&self, id: TaskId) -> Option<&Task<W>> {
        self.tasks
            .get(id.index as usize)
            .filter(|task| task.generation == id.generation)
    }

    fn task_mut(&mut self, id: TaskId) -> Option<&mut Task<W>> {
        self.tasks
            .get_mut(id.index as usize)
            .filter(|task| task.generation == id.generation)
    }

    fn remove(&mut self, id: TaskId, deferred: &mut Deferred<W>) {
        if self.task(id).is_some() {
            let mut task = self.tasks.remove(id.index as usize);
            deferred.to_drop.extend(task.kept.take().map(ToDrop::Slot));
            if let Some(program) = task.program.take() {
                let dependencies = std::mem::take(&mut task.dependencies);
                deferred.to_drop.push(ToDrop::Parts(program, dependencies));
            }
        }
    }
}
