//! Which task runs where, and when: a state machine that runs nothing, waits for nothing and reads no clock.
//!
//! Workers ask for a task when they have room for one ([`next`](Scheduler::next)), and bring it back with its
//! result ([`finish`](Scheduler::finish)). What has to be done outside of the scheduler's lock, such as waking those
//! who wait and dropping what is not needed any more, is left in [`Effects`].

mod ending;
mod ready;
mod suspects;
mod task;
mod workers;

#[cfg(all(test, not(thalweg_loom)))]
mod tests;

use crate::engine::Home;
use crate::slot::{Slot, Standing, Watcher};
use crate::world::{Failure, World};
use ready::Ready;
use slab::Slab;
use smallvec::SmallVec;
use std::collections::VecDeque;
use std::sync::Arc;
use suspects::Trial;
pub use task::{Assignment, Needs, Options, Spec, TaskId};
use task::{State, Task};
#[cfg(any(feature = "processes", all(test, not(thalweg_loom))))]
pub(crate) use workers::Lost;
use workers::Worker;
pub use workers::WorkerId;

/// A task that so many workers died of while it ran alone is not given to another.
pub(crate) const DEATHS: u32 = 3;

/// What a worker made of a task.
pub enum Product<V> {
    /// The value.
    Here(V),
    /// The worker has kept the value.
    Kept,
}

/// What is to be done once the scheduler's lock has been let go of.
pub struct Effects<W: World> {
    /// Those who wait for a task that is done now.
    pub(crate) watchers: Vec<Watcher>,
    /// What is to be dropped: in it are values of the user's, whose end may call anything.
    trash: Vec<Trash<W>>,
    /// How many tasks have become ready to run.
    pub(crate) ready: usize,
    /// Values that workers need not keep any longer.
    pub(crate) forgotten: Vec<(WorkerId, TaskId)>,
}

#[expect(dead_code, reason = "they are there to be dropped")]
enum Trash<W: World> {
    Parts(W::Program, Needs<W>),
    Standing(Standing<W>),
    Error(W::Error),
    Value(W::Value),
    Slot(Arc<Slot<W>>),
}

impl<W: World> Default for Effects<W> {
    fn default() -> Self {
        Self {
            watchers: Vec::new(),
            trash: Vec::new(),
            ready: 0,
            forgotten: Vec::new(),
        }
    }
}

impl<W: World> Effects<W> {
    /// Wakes and drops.
    pub(crate) fn carry_out(&mut self) {
        for watcher in self.watchers.drain(..) {
            watcher.fire();
        }
        self.trash.clear();
        self.ready = 0;
    }
}

/// What came of the attempt to cancel a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stopped {
    /// It was done, or is not known.
    No,
    /// It had not begun.
    BeforeItBegan,
    /// It is running there, and nobody waits for it any longer.
    Running(WorkerId),
}

/// See the [module](self).
pub struct Scheduler<W: World> {
    tasks: Slab<Task<W>>,
    generation: u32,
    ready: Ready,
    /// Tasks that are ready, and that want something their worker has to have left.
    choosy: Vec<TaskId>,
    /// Tasks that are ready, and that are to run alone.
    suspects: VecDeque<TaskId>,
    /// The worker that gets nothing more until it has nothing to do, for a suspect.
    emptied: Option<WorkerId>,
    workers: Slab<Worker<W>>,
    closed: bool,
}

impl<W: World> Default for Scheduler<W> {
    fn default() -> Self {
        Self {
            tasks: Slab::new(),
            generation: 0,
            ready: Ready::default(),
            choosy: Vec::new(),
            suspects: VecDeque::new(),
            emptied: None,
            workers: Slab::new(),
            closed: false,
        }
    }
}

impl<W: World> Scheduler<W> {
    /// Takes a task. It becomes ready at once if all it needs is done.
    pub(crate) fn submit(
        &mut self,
        spec: Spec<W>,
        home: &Arc<Home<W>>,
        effects: &mut Effects<W>,
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
        let slot = Arc::new(Slot::new(id, home.clone(), key));
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
            tolerant: spec.tolerant,
            slot: Arc::downgrade(&slot),
            program: Some(spec.program),
            needs: spec.needs,
            dependents: SmallVec::new(),
            options: spec.options,
            kept: None,
        });
        if self.closed {
            self.fail(id, Arc::new(Failure::Closed), effects);
        } else {
            self.settle(id, effects);
        }
        slot
    }

    /// Finds out what a waiting task still needs, and readies or fails it if that is nothing.
    fn settle(&mut self, id: TaskId, effects: &mut Effects<W>) {
        let Some(task) = self.task(id) else { return };
        let needs: SmallVec<[TaskId; 4]> = task.needs.iter().map(|need| need.id).collect();
        let mut missing = 0;
        for (position, need) in needs.into_iter().enumerate() {
            let Some(task) = self.task(id) else { return };
            let slot = &task.needs[position];
            if !task.tolerant
                && let Some(failure) = slot.failure()
            {
                return self.fail(id, failure, effects);
            }
            if !slot.is_done() {
                missing += 1;
                if let Some(need) = self.task_mut(need) {
                    need.dependents.push(id);
                }
            }
        }
        let Some(task) = self.task_mut(id) else {
            return;
        };
        task.missing = missing;
        if missing == 0 {
            self.make_ready(id, effects);
        }
    }

    /// Queues a task that has all it needs.
    fn make_ready(&mut self, id: TaskId, effects: &mut Effects<W>) {
        let Some(task) = self.task_mut(id) else {
            return;
        };
        task.state = State::Ready;
        effects.ready += 1;
        let (priority, begins) = (task.priority(), task.needs.is_empty());
        if task.is_suspect {
            return self.suspect(id);
        }
        if !task.resources().is_empty() {
            self.choosy.push(id);
            return;
        }
        let near = task.needs.iter().find_map(|need| need.away());
        if let Some(worker) = near.and_then(|near| self.workers.get_mut(near.0)) {
            worker.near.push_front(id, priority);
        } else if begins {
            self.ready.push_back(id, priority);
        } else {
            self.ready.push_front(id, priority);
        }
    }

    /// The next task for a worker that has room for one.
    ///
    /// With `steal`, it may be one that would have been near another worker.
    pub(crate) fn next(&mut self, worker: WorkerId, steal: bool) -> Option<Assignment<W>> {
        match self.next_suspect(worker) {
            Trial::None => {}
            Trial::Wait => return None,
            Trial::Begin(assignment) => return Some(assignment),
        }
        if !self.choosy.is_empty()
            && let Some(id) = self.pick_choosy(worker)
        {
            return self.assign(id, worker);
        }
        loop {
            let id = self.pop(worker, steal)?;
            if self.task(id).is_some_and(|task| task.state == State::Ready) {
                return self.assign(id, worker);
            }
        }
    }

    /// A task near the worker, or one for any, or one that would have been near another.
    fn pop(&mut self, worker: WorkerId, steal: bool) -> Option<TaskId> {
        if let Some(id) = self.workers.get_mut(worker.0)?.near.pop() {
            return Some(id);
        }
        let id = self.ready.pop();
        if id.is_some() || !steal {
            return id;
        }
        self.workers
            .iter_mut()
            .find_map(|(_, other)| other.near.pop())
    }

    /// The task with the highest priority of those that want something the worker has.
    fn pick_choosy(&mut self, worker: WorkerId) -> Option<TaskId> {
        let mut choosy = std::mem::take(&mut self.choosy);
        choosy.retain(|id| {
            self.task(*id)
                .is_some_and(|task| task.state == State::Ready)
        });
        let free = &self.workers.get(worker.0)?.free;
        let mut best: Option<(usize, f64)> = None;
        for (position, id) in choosy.iter().enumerate() {
            let Some(task) = self.task(*id) else { continue };
            let priority = task.priority();
            if workers::has(free, task.resources()) && best.is_none_or(|(_, most)| priority > most)
            {
                best = Some((position, priority));
            }
        }
        let id = best.map(|(position, _)| choosy.remove(position));
        self.choosy = choosy;
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
            needs: std::mem::take(&mut task.needs),
            slot: task.slot.clone(),
            options: task.options.clone(),
        };
        if let Some(worker) = self.workers.get_mut(worker.0) {
            workers::take(&mut worker.free, task.resources());
        }
        self.begins(worker);
        Some(assignment)
    }

    /// Takes a task back that has been run.
    pub(crate) fn finish(
        &mut self,
        assignment: Assignment<W>,
        result: Result<Product<W::Value>, W::Error>,
        effects: &mut Effects<W>,
    ) {
        let id = assignment.id;
        let Some(worker) = self.take_back(assignment, effects) else {
            effects.trash.extend(match result {
                Ok(Product::Here(value)) => Some(Trash::Value(value)),
                Ok(Product::Kept) => None,
                Err(error) => Some(Trash::Error(error)),
            });
            return;
        };
        if let Some(task) = self.task_mut(id) {
            // It has come to its end, and its worker lives.
            task.is_suspect = false;
        }
        match result {
            Ok(product) => self.succeed(id, product, worker, effects),
            Err(error) => {
                let Some(task) = self.task_mut(id) else {
                    return;
                };
                if task.retries > 0 {
                    task.retries -= 1;
                    effects.trash.push(Trash::Error(error));
                    // What it needs may have been lost while it ran.
                    self.settle(id, effects);
                } else {
                    self.fail(id, Arc::new(Failure::Raised(error)), effects);
                }
            }
        }
    }

    /// Puts a task back that was running, and what it took. Says where it ran, unless nobody
    /// waits for it any longer.
    fn take_back(
        &mut self,
        assignment: Assignment<W>,
        effects: &mut Effects<W>,
    ) -> Option<WorkerId> {
        let Assignment {
            id, program, needs, ..
        } = assignment;
        let Some(task) = self.tasks.get_mut(id.index as usize) else {
            effects.trash.push(Trash::Parts(program, needs));
            return None;
        };
        let State::Running(worker) = task.state else {
            effects.trash.push(Trash::Parts(program, needs));
            return None;
        };
        self.ends(worker, effects);
        let task = self.tasks.get_mut(id.index as usize)?;
        if let Some(worker) = self.workers.get_mut(worker.0) {
            workers::give_back(&mut worker.free, task.resources());
            if !task.resources().is_empty() && !self.choosy.is_empty() {
                // Another may have been waiting for what this one had.
                effects.ready += 1;
            }
        }
        task.program = Some(program);
        task.needs = needs;
        task.state = State::Waiting;
        // A slot that is taken hold of under the lock may be dropped under it by nobody.
        match task.slot.upgrade() {
            None => {
                self.remove(id, effects);
                None
            }
            Some(slot) if task.ended => {
                task.state = State::Failed;
                effects.trash.push(Trash::Slot(slot));
                None
            }
            Some(slot) => {
                effects.trash.push(Trash::Slot(slot));
                Some(worker)
            }
        }
    }

    fn succeed(
        &mut self,
        id: TaskId,
        product: Product<W::Value>,
        worker: WorkerId,
        effects: &mut Effects<W>,
    ) {
        let Some(task) = self.task_mut(id) else {
            return;
        };
        let Some(slot) = task.slot.upgrade() else {
            return;
        };
        let dependents = std::mem::take(&mut task.dependents);
        let before = match product {
            Product::Here(value) => {
                self.remove(id, effects);
                slot.put(Standing::Done(value))
            }
            Product::Kept => {
                task.state = State::Stored(worker);
                effects.trash.extend(task.kept.take().map(Trash::Slot));
                slot.put(Standing::Away(worker, Vec::new()))
            }
        };
        Self::announce(before, effects);
        effects.trash.push(Trash::Slot(slot));
        for dependent in dependents {
            self.has_got_one(dependent, effects);
        }
    }

    fn has_got_one(&mut self, id: TaskId, effects: &mut Effects<W>) {
        let Some(task) = self.task_mut(id) else {
            return;
        };
        if task.state != State::Waiting {
            return;
        }
        if task.was_retried {
            let missing = task.needs.iter().filter(|need| !need.is_done()).count();
            task.missing = u32::try_from(missing).unwrap_or(u32::MAX);
        } else {
            task.missing -= 1;
        }
        if task.missing == 0 {
            self.make_ready(id, effects);
        }
    }

    fn announce(before: Standing<W>, effects: &mut Effects<W>) {
        match before {
            Standing::Pending(watchers) | Standing::Away(_, watchers) => {
                effects.watchers.extend(watchers)
            }
            other => effects.trash.push(Trash::Standing(other)),
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    /// How many tasks run, or are with a worker to be run.
    pub(crate) fn running(&self) -> usize {
        self.tasks
            .iter()
            .filter(|(_, task)| task.is_running())
            .count()
    }

    /// The tasks that run, or are with a worker to be run: their numbers and their names.
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

    /// How many tasks wait for their turn or for others.
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

    /// Where a task runs, if that run goes on and is waited for.
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

    /// Which worker a task is with, if somebody waits for its outcome.
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

    /// Whether those who wait for it have got an outcome.
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

    fn remove(&mut self, id: TaskId, effects: &mut Effects<W>) {
        if self.task(id).is_some() {
            let mut task = self.tasks.remove(id.index as usize);
            effects.trash.extend(task.kept.take().map(Trash::Slot));
            if let Some(program) = task.program.take() {
                let needs = std::mem::take(&mut task.needs);
                effects.trash.push(Trash::Parts(program, needs));
            }
        }
    }
}
