//! The scheduler with its lock, and the threads that wait for work.

mod abandoned;
mod callbacks;
mod detached;
#[cfg(all(test, thalweg_loom))]
mod loom_tests;
mod plain;
#[cfg(all(test, not(thalweg_loom)))]
mod tests;
mod timers;
mod workers;

use crate::fork::OwnerProcess;
use crate::history::{TaskHistory, TaskRun};
use crate::scheduler::{
    Deferred, Dependencies, Options, Scheduler, Stopped, TaskId, TaskSpec, WorkerId,
};
use crate::slot::{Latch, PlainStop, Slot, Watcher};
use crate::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use crate::sync::{Condvar, Mutex, MutexGuard, lock};
use crate::task_types::{Ending, Failure, TaskTypes};
pub(crate) use callbacks::Callbacks;
use detached::Detached;
use plain::Plain;
use std::fmt;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use timers::{Run, Timers};

/// A scheduler shared by a client and its workers.
pub struct TaskEngine<W: TaskTypes> {
    scheduler: Mutex<Scheduler<W>>,
    /// Present if the workers are threads.
    plain: Option<Plain<W>>,
    /// Threads wait here for tasks.
    work: Condvar,
    /// Number of sleeping threads that were not called. Changed under the scheduler's lock, like `called`.
    idle: AtomicUsize,
    /// Number of sleeping threads that were called.
    called: AtomicUsize,
    /// Number of readied tasks; checked before going to sleep.
    readied: AtomicUsize,
    /// Number of values placed where outcomes would be.
    placed: AtomicU32,
    timers: Timers,
    /// Number of tasks that exceeded their time limit.
    time_limits: AtomicUsize,
    pub(crate) history: TaskHistory,
    /// Number of threads that are about to wake those who wait for finished tasks.
    telling: AtomicUsize,
    callbacks: Arc<Callbacks>,
    detached: Detached<W>,
    /// The process that has its threads.
    owner: OwnerProcess,
    outside: Box<dyn RemoteWorkers<W>>,
}

impl<W: TaskTypes> fmt::Debug for TaskEngine<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskEngine")
            .field("idle", &self.idle)
            .field("readied", &self.readied)
            .field("time_limits", &self.time_limits)
            .field("telling", &self.telling)
            .field("owner", &self.owner)
            .finish_non_exhaustive()
    }
}

/// Workers that do not fetch tasks by themselves.
pub(crate) trait RemoteWorkers<W: TaskTypes>: Send + Sync {
    /// There is work. Called without any lock.
    fn look(&self, _home: &Arc<TaskEngine<W>>) {}

    /// Values are no longer needed. Called without any lock.
    fn forget(&self, _forgotten: Vec<(WorkerId, TaskId)>) {}

    /// An available value is wanted here. Called without any lock.
    fn fetch(&self, _worker: WorkerId, _id: TaskId) {}

    /// How long a task has been running there.
    fn ran_for(&self, _worker: WorkerId, _id: TaskId) -> Ran {
        Ran::SinceItWasGiven
    }

    /// Whether a task that was given to a worker has started. Called with the scheduler's lock.
    fn has_begun(&self, _worker: WorkerId, _id: TaskId) -> bool {
        true
    }

    /// A task that was given to a worker is no longer wanted; it need not run if it has not started.
    fn skip(&self, _worker: WorkerId, _id: TaskId) {}

    /// Stops a running task. Returns whether that is possible.
    fn kill(&self, _worker: WorkerId, _id: TaskId) -> bool {
        false
    }
}

/// How long a task has been running.
pub(crate) enum Ran {
    SinceItWasGiven,
    NotYet,
    For(Duration),
}

/// All workers are threads, which fetch tasks themselves.
pub(crate) struct NoRemoteWorkers;

impl<W: TaskTypes> RemoteWorkers<W> for NoRemoteWorkers {}

/// Maximum wait for callbacks when an engine is closed.
const SETTLE: Duration = Duration::from_secs(1);

impl<W: TaskTypes> TaskEngine<W> {
    pub(crate) fn new(outside: Box<dyn RemoteWorkers<W>>) -> Arc<Self> {
        Self::with_plain(outside, None)
    }

    fn with_plain(outside: Box<dyn RemoteWorkers<W>>, plain: Option<Plain<W>>) -> Arc<Self> {
        let scheduler = match &plain {
            Some(plain) => Scheduler::with_run_queue(plain.run_queue.clone()),
            None => Scheduler::default(),
        };
        Arc::new(Self {
            scheduler: Mutex::new(scheduler),
            plain,
            work: Condvar::new(),
            idle: AtomicUsize::new(0),
            called: AtomicUsize::new(0),
            readied: AtomicUsize::new(0),
            placed: AtomicU32::new(0),
            timers: Timers::default(),
            time_limits: AtomicUsize::new(0),
            history: TaskHistory::default(),
            telling: AtomicUsize::new(0),
            callbacks: Arc::default(),
            detached: Detached::default(),
            owner: OwnerProcess::here(),
            outside,
        })
    }

    /// Creates an engine whose workers are threads, started by [`ThreadPool::start`](crate::host::ThreadPool::start).
    pub fn threads() -> Arc<Self> {
        Self::with_plain(Box::new(NoRemoteWorkers), Some(Plain::default()))
    }

    /// The owner's process id, if this process is a fork of it: then this is a copy of the engine without its threads,
    /// and with locks that may stay locked for ever.
    pub fn owner_elsewhere(&self) -> Option<u32> {
        self.owner.elsewhere()
    }

    /// Runs `f` with the scheduler, and its deferred work once the lock is released.
    pub(crate) fn with<R>(
        self: &Arc<Self>,
        change: impl FnOnce(&mut Scheduler<W>, &mut Deferred<W>) -> R,
    ) -> R {
        let mut deferred = Deferred::default();
        let mut scheduler = lock(&self.scheduler);
        let result = change(&mut scheduler, &mut deferred);
        self.let_go(scheduler, &mut deferred);
        result
    }

    /// Releases the lock, wakes and drops.
    fn let_go(
        self: &Arc<Self>,
        scheduler: MutexGuard<'_, Scheduler<W>>,
        deferred: &mut Deferred<W>,
    ) {
        let ready = deferred.ready;
        let sleepers = self.call(ready);
        self.note_other_ready(&scheduler);
        let tells = !deferred.watchers.is_empty();
        if tells {
            self.telling.fetch_add(1, Ordering::AcqRel);
        }
        drop(scheduler);
        if ready > 0 {
            self.readied.fetch_add(ready, Ordering::Release);
            for _ in 0..sleepers {
                self.work.notify_one();
            }
        }
        if !deferred.forgotten.is_empty() {
            self.outside.forget(std::mem::take(&mut deferred.forgotten));
        }
        deferred.run();
        if tells {
            self.telling.fetch_sub(1, Ordering::AcqRel);
        }
        if ready > 0 {
            self.outside.look(self);
        }
    }

    /// Submits a task.
    pub fn submit(self: &Arc<Self>, spec: TaskSpec<W>) -> Arc<Slot<W>> {
        if let Some(failure) = self.forked() {
            return self.failed(failure);
        }
        if let Some(plain) = self.plain.as_ref().filter(|_| spec.is_plain()) {
            return self.submit_plain(plain, spec.program);
        }
        if !self.has_dependencies_of(&spec) {
            return self.failed(Arc::new(Failure::OtherClient));
        }
        self.with(|scheduler, deferred| scheduler.submit(spec, self, deferred))
    }

    /// Whether all dependencies of a task are tasks of this engine: no other scheduler says when they have ended.
    fn has_dependencies_of(self: &Arc<Self>, spec: &TaskSpec<W>) -> bool {
        let mut dependencies = spec.dependencies.iter();
        dependencies.all(|slot| Arc::ptr_eq(&slot.engine, self))
    }

    /// Submits many tasks.
    pub fn submit_all(
        self: &Arc<Self>,
        specs: impl IntoIterator<Item = TaskSpec<W>>,
        mut taken: impl FnMut(Arc<Slot<W>>),
    ) {
        if self.owner_elsewhere().is_some() {
            return specs.into_iter().for_each(|spec| taken(self.submit(spec)));
        }
        let Some(plain) = &self.plain else {
            return self.with(|scheduler, deferred| {
                for spec in specs {
                    taken(match self.has_dependencies_of(&spec) {
                        true => scheduler.submit(spec, self, deferred),
                        false => self.failed(Arc::new(Failure::OtherClient)),
                    });
                }
            });
        };
        for spec in specs {
            taken(match spec.is_plain() {
                true => self.submit_plain(plain, spec.program),
                false => self.submit(spec),
            });
        }
    }

    /// Stores a value where the outcome of a task would be.
    pub fn place(self: &Arc<Self>, value: W::Value, key: Option<Box<str>>) -> Arc<Slot<W>> {
        let id = TaskId::placed(self.placed.fetch_add(1, Ordering::Relaxed));
        let slot = Slot::new(id, self.clone(), key);
        slot.put(crate::slot::SlotState::Done(value));
        Arc::new(slot)
    }

    /// Stores a failure in place of the outcome of a task that cannot be submitted.
    pub(crate) fn refuse(self: &Arc<Self>, error: W::Error) -> Arc<Slot<W>> {
        self.failed(Arc::new(Failure::Raised(error)))
    }

    fn failed(self: &Arc<Self>, failure: Arc<Failure<W::Error>>) -> Arc<Slot<W>> {
        let slot = Slot::new(TaskId::NONE, self.clone(), None);
        slot.put(crate::slot::SlotState::Failed(failure));
        Arc::new(slot)
    }

    /// The error in a fork of the engine's process.
    pub(crate) fn forked(&self) -> Option<Arc<Failure<W::Error>>> {
        let owner = self.owner_elsewhere()?;
        Some(Arc::new(Failure::Forked { owner }))
    }

    /// Fetches the values of all tasks. The latch opens when they are here, unless they are lost on the way.
    pub fn bring(self: &Arc<Self>, slots: &[Arc<Slot<W>>]) -> Arc<Latch> {
        let away: Vec<_> = slots.iter().filter(|slot| slot.away().is_some()).collect();
        let latch = Latch::new(away.len());
        for slot in away {
            self.when_here(slot, Watcher::latch(&latch));
        }
        latch
    }

    pub(crate) fn when_here(self: &Arc<Self>, slot: &Slot<W>, watcher: Watcher) {
        if let Some(worker) = slot.watch_here(watcher) {
            self.outside.fetch(worker, slot.id);
        }
    }

    /// Cancels a task. With `force`, a running one is stopped.
    ///
    /// # Errors
    /// It runs on a thread and is to be stopped by force: it has been cancelled, but continues.
    pub fn cancel(self: &Arc<Self>, slot: &Slot<W>, force: bool) -> Result<bool, CannotStop> {
        if self.owner_elsewhere().is_some() {
            return Ok(false);
        }
        if slot.id.is_plain() {
            return match self.stop_plain(slot, Failure::Cancelled) {
                PlainStop::Running if force => Err(CannotStop),
                stopped => Ok(stopped != PlainStop::No),
            };
        }
        let stopped =
            self.with(|scheduler, deferred| scheduler.stop(slot.id, Failure::Cancelled, deferred));
        match stopped {
            Stopped::No => Ok(false),
            Stopped::Running(worker) if force && !self.outside.kill(worker, slot.id) => {
                Err(CannotStop)
            }
            Stopped::Running(worker) => {
                self.outside.skip(worker, slot.id);
                Ok(true)
            }
            Stopped::BeforeItBegan => Ok(true),
        }
    }

    /// Whether a task is running.
    pub fn is_running(&self, slot: &Slot<W>) -> bool {
        if slot.id.is_plain() {
            return slot.is_running_plain();
        }
        let worker = lock(&self.scheduler).worker_of(slot.id);
        worker.is_some_and(|worker| self.outside.has_begun(worker, slot.id))
    }

    /// Reads the program of a failed task, and its dependencies. `look` must not wait for anything.
    pub fn look_at_failed<R>(
        &self,
        slot: &Slot<W>,
        look: impl FnOnce(&W::Program, &Dependencies<W>) -> R,
    ) -> Option<R> {
        if slot.id.is_plain() {
            return slot.look_at_failed_plain(look);
        }
        lock(&self.scheduler).look_at_failed(slot.id, look)
    }

    /// Cancels a task if it has not started. Returns whether it was cancelled.
    pub fn cancel_before_it_begins(self: &Arc<Self>, slot: &Slot<W>) -> bool {
        if slot.id.is_plain() {
            return self.stop_waiting_plain(slot);
        }
        let stopped = self.with(|scheduler, deferred| {
            // A thread takes a task under the scheduler's lock, a process has prefetched tasks that it has not started.
            match scheduler.worker_of(slot.id) {
                Some(worker) if self.outside.has_begun(worker, slot.id) => Stopped::No,
                _ => scheduler.stop(slot.id, Failure::Cancelled, deferred),
            }
        });
        if let Stopped::Running(worker) = stopped {
            self.outside.skip(worker, slot.id);
        }
        stopped != Stopped::No
    }

    /// Has the workers looked at after this time.
    pub(crate) fn look_later(self: &Arc<Self>, time: Duration) {
        self.timers.look(self, time);
    }

    pub(super) fn look_now(self: &Arc<Self>) {
        self.timers.looks();
        self.outside.look(self);
    }

    /// Checks a task's time limit: ends it if the time is up, and otherwise waits for the rest.
    pub(crate) fn ring(self: &Arc<Self>, run: Run) {
        let Some(worker) = lock(&self.scheduler).runs_at(run.id, run.attempt) else {
            return;
        };
        let left = match self.outside.ran_for(worker, run.id) {
            Ran::SinceItWasGiven => Duration::ZERO,
            Ran::NotYet => run.limit,
            Ran::For(time) => run.limit.saturating_sub(time),
        };
        if left > Duration::ZERO {
            return self.timers.set(self, left, run);
        }
        let failure = Failure::TimedOut(run.limit);
        let stopped = self.with(|scheduler, deferred| {
            let stopped = scheduler.stop(run.id, failure, deferred);
            if stopped != Stopped::No {
                self.time_limits.fetch_add(1, Ordering::Relaxed);
            }
            stopped
        });
        if let Stopped::Running(worker) = stopped {
            self.outside.kill(worker, run.id);
        }
    }

    /// The tasks that ran in the last minute, and those running on threads; they are recorded from now on, until five
    /// minutes after the last call.
    pub fn task_runs(&self) -> Vec<TaskRun> {
        self.history.runs(Instant::now())
    }

    /// Number of tasks that exceeded their time limit.
    pub fn time_limits_struck(&self) -> usize {
        // Counted under the lock: whoever has seen the task fail finds it counted.
        let _scheduler = lock(&self.scheduler);
        self.time_limits.load(Ordering::Relaxed)
    }

    /// Runs a failed or cancelled task again. Returns whether it was one.
    pub fn retry(self: &Arc<Self>, slot: &Arc<Slot<W>>) -> bool {
        if self.owner_elsewhere().is_some() {
            return false;
        }
        if slot.id.is_plain() {
            return self.retry_plain(slot);
        }
        self.with(|scheduler, deferred| scheduler.retry(slot.id, deferred))
    }

    /// Runs a task to its end even if nobody waits for it.
    pub fn keep(self: &Arc<Self>, slot: &Arc<Slot<W>>) {
        if self.owner_elsewhere().is_some() {
            return;
        }
        match slot.id.is_plain() {
            true => slot.keep_plain(),
            false => self.with(|scheduler, _| scheduler.keep(slot)),
        }
    }

    /// The same for a task of the user's, which the engine is not closed before: see [`detached`](Self::detached).
    pub fn detach(self: &Arc<Self>, slot: &Arc<Slot<W>>) {
        self.keep(slot);
        if self.owner_elsewhere().is_none() && !slot.is_done() {
            self.detached.add(slot);
        }
    }

    /// The [detached](Self::detach) tasks that have not ended.
    pub fn detached(&self) -> Vec<Arc<Slot<W>>> {
        match self.owner_elsewhere() {
            None => self.detached.pending(),
            Some(_) => Vec::new(),
        }
    }

    /// Fails all unfinished tasks, and all later ones. Returns how many still run.
    ///
    /// Does nothing in a fork of the engine's process.
    pub fn close(self: &Arc<Self>) -> usize {
        self.end(Ending::Closed)
    }

    /// Like [`close`](Self::close), for an engine that is replaced by another.
    pub fn end(self: &Arc<Self>, ending: Ending) -> usize {
        if self.owner_elsewhere().is_some() {
            return 0;
        }
        let mut running =
            self.with(|scheduler, deferred| scheduler.close(ending.failure(), deferred));
        if let Some(plain) = &self.plain {
            self.close_plain(plain, ending);
            running += plain.count_running();
        }
        self.timers.close();
        self.callbacks.close();
        self.wake_all();
        running
    }

    /// Queues a user's callback, for a thread that the engine does not need.
    pub fn call_soon(&self, call: impl FnOnce() + Send + 'static) {
        self.callbacks.call(call);
    }

    /// Waits for a second at most until all [queued callbacks](Self::call_soon) have returned.
    pub fn settle_callbacks(&self) {
        if self.owner_elsewhere().is_some() {
            return;
        }
        // A task is seen as finished a moment before its callbacks are queued.
        let until = Instant::now() + SETTLE;
        while self.telling.load(Ordering::Acquire) > 0 && Instant::now() < until {
            thread::yield_now();
        }
        self.callbacks.settle(SETTLE);
    }

    /// Whether it has been closed.
    pub fn is_closed(&self) -> bool {
        lock(&self.scheduler).is_closed()
    }

    /// Number of waiting and of running tasks.
    pub fn counts(&self) -> (usize, usize) {
        let scheduler = lock(&self.scheduler);
        let (mut waiting, mut running) = (scheduler.waiting(), scheduler.running());
        if let Some(plain) = &self.plain {
            waiting += plain.count_waiting();
            running += plain.count_running();
        }
        (waiting, running)
    }

    /// The running tasks, and those assigned to a worker: their numbers and names.
    pub fn names_of_running(&self) -> Vec<(u64, Option<Box<str>>)> {
        let mut names = lock(&self.scheduler).names_of_running();
        if let Some(plain) = &self.plain {
            let slots = plain.all_running();
            names.extend(
                slots
                    .iter()
                    .filter_map(|slot| Some((slot.upgrade()?.number(), None))),
            );
        }
        names
    }

    pub(crate) fn add_worker(&self, resources: Vec<(Box<str>, f64)>) -> WorkerId {
        lock(&self.scheduler).add_worker(&resources)
    }

    /// Nobody wants a task any more. A running one continues, unless it is to be stopped.
    pub(crate) fn abandon(self: &Arc<Self>, id: TaskId, stops: bool) {
        if self.owner_elsewhere().is_some() {
            return;
        }
        abandoned::abandon(self, id, stops);
    }

    /// Drops a program that may hold the last future of another task.
    pub(crate) fn drop_in_turn(&self, last: W::Program) {
        abandoned::in_turn(move || drop(last));
    }
}

impl<W: TaskTypes> Drop for TaskEngine<W> {
    fn drop(&mut self) {
        if self.owner_elsewhere().is_none() {
            self.callbacks.close();
        }
    }
}

/// A task that runs on a thread cannot be stopped by force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a task that runs in a thread cannot be killed: it has been cancelled, and ends when it looks at its token; \
     tasks on worker processes can be killed"
)]
pub struct CannotStop;

/// Creates a task from a program and its dependencies.
pub fn spec<W: TaskTypes>(
    program: W::Program,
    dependencies: Dependencies<W>,
    options: Option<Arc<Options>>,
) -> TaskSpec<W> {
    TaskSpec {
        program,
        dependencies,
        options,
        accepts_failed_deps: false,
    }
}
