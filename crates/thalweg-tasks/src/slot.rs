//! Where the outcome of a task is put, and where those who want it wait.

use crate::engine::TaskEngine;
use crate::place::wait_aside;
use crate::scheduler::{TaskId, WorkerId};
use crate::sync::{Mutex, lock};
use crate::task_types::{Failure, TaskTypes};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Waker;
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// The outcome of a task, as far as it is known.
///
/// Those who hold a slot are those who want the outcome: futures, and tasks that need it. The scheduler
/// holds it weakly. So a task that nobody wants any more is known by its slot being dropped.
pub struct Slot<W: TaskTypes> {
    pub(crate) id: TaskId,
    pub(crate) engine: Arc<TaskEngine<W>>,
    key: Option<Box<str>>,
    state: Mutex<SlotState<W>>,
    /// Its task was asked to stop, while its outcome still counts.
    asked_to_stop: AtomicBool,
    /// The client that wanted it has gone.
    is_orphan: AtomicBool,
}

impl<W: TaskTypes> fmt::Debug for Slot<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot")
            .field("id", &self.id)
            .field("key", &self.key)
            .field("asked_to_stop", &self.asked_to_stop)
            .field("is_orphan", &self.is_orphan)
            .finish_non_exhaustive()
    }
}

pub(crate) enum SlotState<W: TaskTypes> {
    Pending(Vec<Watcher>),
    Done(W::Value),
    /// Done, and the value is still where it was made. Those who watch wait for it to come.
    Away(WorkerId, Vec<Watcher>),
    Failed(Arc<Failure<W::Error>>),
}

/// How a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It has not run to its end.
    Pending,
    /// It has a result.
    Finished,
    /// It failed.
    Error,
    /// It was cancelled.
    Cancelled,
}

/// A watcher to call when a task is done.
pub(crate) enum Watcher {
    Latch(Arc<Latch>),
    Waker(Waker),
    Call(Box<dyn FnOnce() + Send>),
}

impl Watcher {
    pub(crate) fn fire(self) {
        match self {
            Self::Latch(latch) => latch.count_down(),
            Self::Waker(waker) => waker.wake(),
            Self::Call(call) => call(),
        }
    }
}

impl<W: TaskTypes> Slot<W> {
    pub(crate) fn new(id: TaskId, engine: Arc<TaskEngine<W>>, key: Option<Box<str>>) -> Self {
        Self {
            id,
            engine,
            key,
            state: Mutex::new(SlotState::Pending(Vec::new())),
            asked_to_stop: AtomicBool::new(false),
            is_orphan: AtomicBool::new(false),
        }
    }

    /// Has the task's [token](crate::Token) say that it is not wanted. Whatever comes of the task counts all the same.
    pub fn ask_to_stop(&self) {
        self.asked_to_stop.store(true, Ordering::Relaxed);
    }

    /// Whether the task was [asked to stop](Self::ask_to_stop).
    pub(crate) fn is_asked_to_stop(&self) -> bool {
        self.asked_to_stop.load(Ordering::Relaxed)
    }

    /// Has its task stopped once nobody wants it, also if it runs: whoever wanted it has died.
    pub fn orphan(&self) {
        self.is_orphan.store(true, Ordering::Relaxed);
    }

    /// Whether its task runs in this thread.
    pub fn runs_here(self: &Arc<Self>) -> bool {
        crate::token().is_of(self)
    }

    /// The engine that its task is in.
    pub fn engine(&self) -> &Arc<TaskEngine<W>> {
        &self.engine
    }

    /// The name it was given, if it was given one.
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// A number that no other task of the same engine has while this one lives.
    pub fn number(&self) -> u64 {
        self.id.number()
    }

    /// How it stands.
    pub fn status(&self) -> Status {
        match &*lock(&self.state) {
            SlotState::Pending(_) => Status::Pending,
            SlotState::Done(_) | SlotState::Away(..) => Status::Finished,
            SlotState::Failed(failure) if matches!(**failure, Failure::Cancelled) => {
                Status::Cancelled
            }
            SlotState::Failed(_) => Status::Error,
        }
    }

    /// Whether it is done, in whatever way.
    pub fn is_done(&self) -> bool {
        !matches!(*lock(&self.state), SlotState::Pending(_))
    }

    /// Calls `look` with the outcome, if it is known and here. Nothing may be waited for in it.
    pub fn look<R>(
        &self,
        look: impl FnOnce(Result<&W::Value, &Arc<Failure<W::Error>>>) -> R,
    ) -> Option<R> {
        match &*lock(&self.state) {
            SlotState::Done(value) => Some(look(Ok(value))),
            SlotState::Failed(failure) => Some(look(Err(failure))),
            SlotState::Pending(_) | SlotState::Away(..) => None,
        }
    }

    /// Why it failed, if it did.
    pub fn failure(&self) -> Option<Arc<Failure<W::Error>>> {
        match &*lock(&self.state) {
            SlotState::Failed(failure) => Some(failure.clone()),
            _ => None,
        }
    }

    /// On which worker its value is, if it is done and nobody has asked for the value.
    pub(crate) fn away(&self) -> Option<WorkerId> {
        match &*lock(&self.state) {
            SlotState::Away(worker, _) => Some(*worker),
            _ => None,
        }
    }

    /// Puts the outcome in, and returns what was there.
    pub(crate) fn put(&self, state: SlotState<W>) -> SlotState<W> {
        std::mem::replace(&mut *lock(&self.state), state)
    }

    /// Has `call`, which is the user's, called once it is done: at once, if it is, and otherwise on a thread that
    /// may block.
    pub fn when_done(&self, call: impl FnOnce() + Send + 'static) {
        if self.is_done() {
            return call();
        }
        let engine = Arc::downgrade(&self.engine);
        self.notify(move || {
            if let Some(engine) = engine.upgrade() {
                engine.call_soon(call);
            }
        });
    }

    /// Has `notify` called once it is done, by the thread that completes it: at once, if it is. It must not block,
    /// nor run code of the user's.
    pub fn notify(&self, notify: impl FnOnce() + Send + 'static) {
        if let Some(watcher) = self.watch(Watcher::Call(Box::new(notify))) {
            watcher.fire();
        }
    }

    /// Has `call`, which is the user's, called on a thread that may block once it is done and a value is here.
    pub fn when_here(self: &Arc<Self>, call: impl FnOnce() + Send + 'static) {
        let slot = self.clone();
        self.notify(move || {
            let engine = Arc::downgrade(&slot.engine);
            let hand_over = move || {
                if let Some(engine) = engine.upgrade() {
                    engine.call_soon(call);
                }
            };
            let watcher = Watcher::Call(Box::new(hand_over));
            slot.engine.when_here(&slot, watcher);
        });
    }

    /// Leaves a watcher, or returns it because it is done.
    pub(crate) fn watch(&self, watcher: Watcher) -> Option<Watcher> {
        match &mut *lock(&self.state) {
            SlotState::Pending(watchers) => {
                // A future that is polled again and again leaves one waker.
                if let Watcher::Waker(new) = &watcher {
                    let same =
                        |old: &Watcher| matches!(old, Watcher::Waker(old) if old.will_wake(new));
                    if watchers.iter().any(same) {
                        return None;
                    }
                }
                watchers.push(watcher);
                None
            }
            _ => Some(watcher),
        }
    }

    /// Leaves a watcher until the outcome is known and here. Says where the value is to be fetched from,
    /// if nobody has asked for it yet; fires the watcher if it need not wait.
    pub(crate) fn watch_here(&self, watcher: Watcher) -> Option<WorkerId> {
        match &mut *lock(&self.state) {
            SlotState::Pending(watchers) => {
                watchers.push(watcher);
                return None;
            }
            SlotState::Away(worker, watchers) => {
                watchers.push(watcher);
                return (watchers.len() == 1).then_some(*worker);
            }
            SlotState::Done(_) | SlotState::Failed(_) => {}
        }
        watcher.fire();
        None
    }

    /// Waits until it is done. Returns whether it is.
    pub fn wait(self: &Arc<Self>, deadline: Option<Instant>) -> bool {
        wait_all(std::slice::from_ref(self), deadline)
    }
}

impl<W: TaskTypes> Drop for Slot<W> {
    fn drop(&mut self) {
        // A task that is done, and whose value is here, the scheduler has already forgotten.
        if !matches!(*lock(&self.state), SlotState::Done(_)) {
            let stops = self.is_orphan.load(Ordering::Relaxed);
            self.engine.abandon(self.id, stops);
        }
    }
}

/// Waits until all are done. Returns whether they are: not if the deadline came first.
pub fn wait_all<W: TaskTypes>(slots: &[Arc<Slot<W>>], deadline: Option<Instant>) -> bool {
    Latch::over(slots).wait(deadline)
}

/// Waits until all are done, or one has failed. Returns the first failure in order, if there is one.
pub(crate) fn wait_all_or_failure<W: TaskTypes>(
    slots: &[Arc<Slot<W>>],
) -> Result<(), Arc<Failure<W::Error>>> {
    let waits = |slot: &&Arc<Slot<W>>| !slot.is_done();
    if let Some(failure) = slots
        .iter()
        .find(waits)
        .and_then(|slot| slot.engine.forked())
    {
        return Err(failure);
    }
    Latch::until_failure(slots).wait(None);
    match slots.iter().find_map(|slot| slot.failure()) {
        None => Ok(()),
        Some(failure) => Err(failure),
    }
}

/// For how long one looks before going to sleep: about what waking up takes.
const LOOKS: u32 = 2_000;

/// A latch that opens when a number of tasks are done.
pub struct Latch {
    left: AtomicUsize,
    waiter: Thread,
}

impl fmt::Debug for Latch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Latch")
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}

impl Latch {
    /// Opens when all are done. The thread that makes it is the one that waits.
    pub fn over<W: TaskTypes>(slots: &[Arc<Slot<W>>]) -> Arc<Self> {
        let pending: Vec<_> = slots.iter().filter(|slot| !slot.is_done()).collect();
        let latch = Self::new(pending.len());
        for slot in pending {
            if let Some(watcher) = slot.watch(Watcher::Latch(latch.clone())) {
                watcher.fire();
            }
        }
        latch
    }

    /// Opens when all are done, or one has failed. The thread that makes it is the one that waits.
    pub fn until_failure<W: TaskTypes>(slots: &[Arc<Slot<W>>]) -> Arc<Self> {
        if slots.iter().any(|slot| slot.failure().is_some()) {
            return Self::new(0);
        }
        let pending: Vec<_> = slots.iter().filter(|slot| !slot.is_done()).collect();
        let latch = Self::new(pending.len());
        for slot in pending {
            let (latch, done) = (latch.clone(), Arc::downgrade(slot));
            slot.notify(
                move || match done.upgrade().and_then(|slot| slot.failure()) {
                    Some(_) => latch.open(),
                    None => latch.count_down(),
                },
            );
        }
        latch
    }

    pub(crate) fn count_down(&self) {
        // It may have been opened before all were done.
        let one_less = |left: usize| left.checked_sub(1);
        let before = self
            .left
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, one_less);
        if before == Ok(1) {
            self.waiter.unpark();
        }
    }

    fn open(&self) {
        self.left.store(0, Ordering::Release);
        self.waiter.unpark();
    }

    /// Opens when so many things have happened.
    pub(crate) fn new(count: usize) -> Arc<Self> {
        Arc::new(Self {
            left: AtomicUsize::new(count),
            waiter: thread::current(),
        })
    }

    /// Whether all are done.
    pub fn is_open(&self) -> bool {
        self.left.load(Ordering::Acquire) == 0
    }

    /// Waits until it is open. Returns whether it is. A task that waits for long has another run in its place.
    pub fn wait(&self, deadline: Option<Instant>) -> bool {
        wait_aside(deadline, |deadline| self.wait_here(deadline))
    }

    fn wait_here(&self, deadline: Option<Instant>) -> bool {
        for _ in 0..LOOKS {
            if self.is_open() {
                return true;
            }
            std::hint::spin_loop();
        }
        while !self.is_open() {
            match deadline.map(|at| at.saturating_duration_since(Instant::now())) {
                None => thread::park(),
                Some(Duration::ZERO) => return false,
                Some(left) => thread::park_timeout(left),
            }
        }
        true
    }
}
