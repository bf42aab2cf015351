//! The outcome of a task, and its watchers.

mod latch;
mod plain;
mod watchers;

use crate::engine::TaskEngine;
use crate::scheduler::{TaskId, WorkerId};
use crate::sync::{Mutex, get_mut, lock};
use crate::task_types::{Failure, TaskTypes};
pub(crate) use latch::wait_all_or_failure;
pub use latch::{Latch, wait_all};
use plain::Plain;
pub(crate) use plain::PlainStop;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
pub use watchers::Interest;
pub(crate) use watchers::{Watcher, Watchers};

/// The outcome of a task, once it is known.
///
/// A slot is held by those who want the outcome: futures, and dependent tasks. The scheduler holds it weakly. So a task
/// that nobody wants any more is recognized by its dropped slot.
pub struct Slot<W: TaskTypes> {
    pub(crate) id: TaskId,
    pub(crate) engine: Arc<TaskEngine<W>>,
    key: Option<Box<str>>,
    contents: Mutex<Contents<W>>,
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

struct Contents<W: TaskTypes> {
    state: SlotState<W>,
    plain: Plain<W>,
}

pub(crate) enum SlotState<W: TaskTypes> {
    Pending(Watchers),
    Done(W::Value),
    /// Finished, and the value is still where it was computed. Watchers wait for it to be fetched.
    Away(WorkerId, Watchers),
    Failed(Arc<Failure<W::Error>>),
}

/// Part of a finished task.
pub enum Held<'a, W: TaskTypes> {
    /// Its result.
    Value(&'a W::Value),
    /// Its error.
    Error(&'a W::Error),
    /// The program of a failed task, which can be run again.
    Program(&'a W::Program),
}

impl<W: TaskTypes> fmt::Debug for Held<'_, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Value(_) => "Value",
            Self::Error(_) => "Error",
            Self::Program(_) => "Program",
        })
    }
}

/// State of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It has not ended.
    Pending,
    /// It has a result.
    Finished,
    /// It failed.
    Error,
    /// It was cancelled.
    Cancelled,
}

impl<W: TaskTypes> Slot<W> {
    pub(crate) fn new(id: TaskId, engine: Arc<TaskEngine<W>>, key: Option<Box<str>>) -> Self {
        Self {
            id,
            engine,
            key,
            contents: Mutex::new(Contents {
                state: SlotState::Pending(Watchers::new()),
                plain: Plain::default(),
            }),
            asked_to_stop: AtomicBool::new(false),
            is_orphan: AtomicBool::new(false),
        }
    }

    /// Cancels the task's [token](crate::Token). The outcome of the task still counts.
    pub fn ask_to_stop(&self) {
        self.asked_to_stop.store(true, Ordering::Relaxed);
    }

    /// Whether the task was [asked to stop](Self::ask_to_stop).
    pub(crate) fn is_asked_to_stop(&self) -> bool {
        self.asked_to_stop.load(Ordering::Relaxed)
    }

    /// Stops the task, even if it is running, once no future of it is left: its owner has died.
    pub fn orphan(&self) {
        self.is_orphan.store(true, Ordering::Relaxed);
    }

    /// Whether its task runs on this thread.
    pub fn runs_here(self: &Arc<Self>) -> bool {
        crate::token().is_of(self)
    }

    /// The engine of its task.
    pub fn engine(&self) -> &Arc<TaskEngine<W>> {
        &self.engine
    }

    /// Its name, if it was given one.
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// A number that no other task of the same engine has while this one lives.
    pub fn number(&self) -> u64 {
        self.id.number()
    }

    /// Its state.
    pub fn status(&self) -> Status {
        match &lock(&self.contents).state {
            SlotState::Pending(_) => Status::Pending,
            SlotState::Done(_) | SlotState::Away(..) => Status::Finished,
            SlotState::Failed(failure) if matches!(**failure, Failure::Cancelled) => {
                Status::Cancelled
            }
            SlotState::Failed(_) => Status::Error,
        }
    }

    /// Whether it has ended, in whatever way.
    pub fn is_done(&self) -> bool {
        !matches!(lock(&self.contents).state, SlotState::Pending(_))
    }

    /// Calls `look` with the outcome, if it is known and here. `look` must not wait for anything.
    pub fn look<R>(
        &self,
        look: impl FnOnce(Result<&W::Value, &Arc<Failure<W::Error>>>) -> R,
    ) -> Option<R> {
        match &lock(&self.contents).state {
            SlotState::Done(value) => Some(look(Ok(value))),
            SlotState::Failed(failure) => Some(look(Err(failure))),
            SlotState::Pending(_) | SlotState::Away(..) => None,
        }
    }

    /// Why it failed, if it did.
    pub fn failure(&self) -> Option<Arc<Failure<W::Error>>> {
        match &lock(&self.contents).state {
            SlotState::Failed(failure) => Some(failure.clone()),
            _ => None,
        }
    }

    /// Gives this slot a failure of its own, made by `copy`, if it shares one: those of dependencies are shared.
    /// `copy` must not wait for anything.
    pub fn own_failure(&self, copy: impl FnOnce(&Failure<W::Error>) -> Option<Failure<W::Error>>) {
        if let SlotState::Failed(failure) = &mut lock(&self.contents).state
            && Arc::strong_count(failure) > 1
            && let Some(own) = copy(failure)
        {
            *failure = Arc::new(own);
        }
    }

    /// Visits what a finished task's slot holds, unless somebody else holds the slot or is using it, or other slots
    /// share it: for the garbage collector of a host. Does not wait.
    ///
    /// # Errors
    /// The first one of `visit`.
    pub fn traverse<E>(
        self: &Arc<Self>,
        mut visit: impl FnMut(Held<'_, W>) -> Result<(), E>,
    ) -> Result<(), E> {
        if Arc::strong_count(self) > 1 {
            return Ok(());
        }
        let Ok(contents) = self.contents.try_lock() else {
            return Ok(());
        };
        match &contents.state {
            SlotState::Done(value) => visit(Held::Value(value)),
            SlotState::Failed(failure) => {
                if let Failure::Raised(error) = &**failure
                    && Arc::strong_count(failure) == 1
                {
                    visit(Held::Error(error))?;
                }
                contents
                    .plain
                    .program()
                    .map_or(Ok(()), |program| visit(Held::Program(program)))
            }
            SlotState::Pending(_) | SlotState::Away(..) => Ok(()),
        }
    }

    /// The worker that has its value, if it is finished and the value has not been requested.
    pub(crate) fn away(&self) -> Option<WorkerId> {
        match &lock(&self.contents).state {
            SlotState::Away(worker, _) => Some(*worker),
            _ => None,
        }
    }

    /// Stores the outcome, and returns what was there.
    pub(crate) fn put(&self, state: SlotState<W>) -> SlotState<W> {
        let has_failed = matches!(state, SlotState::Failed(_));
        let before = std::mem::replace(&mut lock(&self.contents).state, state);
        if let SlotState::Pending(watchers) | SlotState::Away(_, watchers) = &before
            && has_failed
        {
            watchers.iter().for_each(Watcher::note_failure);
        }
        before
    }

    /// Calls `call`, which is the user's, when the task has ended: at once, if it has, and otherwise on a thread that
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

    /// Calls `notify` when the task has ended, on the thread that completes it: at once, if it has. It must not block,
    /// nor run user code.
    pub fn notify(&self, notify: impl FnOnce() + Send + 'static) {
        if let Some(watcher) = self.watch(Watcher::Call(Box::new(notify))) {
            watcher.fire();
        }
    }

    /// Calls `call`, which is the user's, on a thread that may block when the task has ended and its value is here.
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

    /// The same as [`notify`](Self::notify), as long as `interest` exists.
    pub fn notify_while(&self, interest: &Interest, notify: impl FnOnce() + Send + 'static) {
        if let Some(watcher) = self.watch(interest.watcher(notify)) {
            watcher.fire();
        }
    }

    /// Adds a watcher, or returns it because the task has ended.
    pub(crate) fn watch(&self, watcher: Watcher) -> Option<Watcher> {
        let mut contents = lock(&self.contents);
        let SlotState::Pending(watchers) = &mut contents.state else {
            return Some(watcher);
        };
        // A future that is polled repeatedly leaves one waker.
        if let Watcher::Waker(new) = &watcher {
            let same = |old: &Watcher| matches!(old, Watcher::Waker(old) if old.will_wake(new));
            if watchers.iter().any(same) {
                return None;
            }
        }
        let given_up = watchers::add(watchers, watcher);
        drop(contents);
        drop(given_up);
        None
    }

    /// Registers a latch. Returns whether the task has failed already.
    fn watch_for_failure(&self, latch: &Arc<Latch>) -> bool {
        let mut contents = lock(&self.contents);
        match &mut contents.state {
            SlotState::Pending(watchers) => {
                latch.count_up();
                let given_up = watchers::add(watchers, Watcher::until_failure(latch));
                drop(contents);
                drop(given_up);
                false
            }
            SlotState::Failed(_) => true,
            SlotState::Done(_) | SlotState::Away(..) => false,
        }
    }

    /// Adds a watcher until the outcome is known and here. Returns where to fetch the value from, if nobody has
    /// requested it yet; calls the watcher if it need not wait.
    pub(crate) fn watch_here(&self, watcher: Watcher) -> Option<WorkerId> {
        match &mut lock(&self.contents).state {
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

    /// Waits for the end; returns whether it has ended.
    pub fn wait(self: &Arc<Self>, deadline: Option<Instant>) -> bool {
        wait_all(std::slice::from_ref(self), deadline)
    }
}

impl<W: TaskTypes> Drop for Slot<W> {
    fn drop(&mut self) {
        if self.id.is_plain() {
            return self.drop_plain();
        }
        // The scheduler has already forgotten a finished task whose value is here.
        if !matches!(get_mut(&mut self.contents).state, SlotState::Done(_)) {
            let stops = self.is_orphan.load(Ordering::Relaxed);
            self.engine.abandon(self.id, stops);
        }
    }
}

#[cfg(all(test, not(thalweg_loom)))]
mod tests {
    use super::*;

    enum Texts {}

    impl TaskTypes for Texts {
        type Program = &'static str;
        type Value = &'static str;
        type Error = &'static str;
    }

    fn slot(state: SlotState<Texts>) -> Arc<Slot<Texts>> {
        let slot = Slot::of_plain(1, TaskEngine::threads(), "program");
        slot.put(state);
        slot
    }

    fn visited(slot: &Arc<Slot<Texts>>) -> Vec<&'static str> {
        let mut visited = Vec::new();
        let result = slot.traverse(|held| {
            visited.push(match held {
                Held::Value(text) | Held::Error(text) | Held::Program(text) => *text,
            });
            Ok::<_, ()>(())
        });
        assert_eq!(result, Ok(()));
        visited
    }

    #[test]
    fn what_only_one_slot_holds_is_visited() {
        assert_eq!(visited(&slot(SlotState::Done("value"))), ["value"]);
        let failed = slot(SlotState::Failed(Arc::new(Failure::Raised("error"))));
        assert_eq!(visited(&failed), ["error", "program"]);
        let also_held = failed.clone();
        assert!(visited(&also_held).is_empty());
        assert!(visited(&slot(SlotState::Pending(Watchers::new()))).is_empty());
    }

    #[test]
    fn a_shared_failure_is_visited_once_it_is_owned() {
        let failure = Arc::new(Failure::Raised("error"));
        let slots = [(); 2].map(|()| slot(SlotState::Failed(failure.clone())));
        assert_eq!(visited(&slots[0]), ["program"]);
        slots[0].own_failure(|_| Some(Failure::Raised("own")));
        assert_eq!(visited(&slots[0]), ["own", "program"]);
        slots[0].own_failure(|_| Some(Failure::Raised("another")));
        assert_eq!(visited(&slots[0]), ["own", "program"]);
        assert_eq!(visited(&slots[1]), ["program"]);
    }
}
