//! The future of a task.

use super::Closures;
use super::closure::Value;
use crate::engine::CannotStop;
use crate::error::Error;
use crate::slot::{Slot, Status, Watcher, wait_all};
use crate::task_types::TaskTypes;
use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// The future result of a task. Clones are the same future.
///
/// Block on it, await it on any executor, or [pass it to other tasks](super::Client::submit_with). If the last clone is
/// dropped before the task has started, and no other task needs it, the task is dropped.
///
/// `K` is the kind of task: a closure, or a [remote](crate::remote!) function.
///
/// ```
/// use std::time::Duration;
/// use thalweg_tasks::{Client, Error};
///
/// let client = Client::threads(1)?;
/// let (open, gate) = std::sync::mpsc::channel();
/// let task = client.submit(move || gate.recv().is_ok());
/// assert!(matches!(task.result_within(Duration::ZERO), Err(Error::NotInTime(_))));
/// open.send(()).unwrap();
/// assert_eq!(task.result()?, true);
/// # Ok::<(), Error>(())
/// ```
pub struct Future<T, K: TaskTypes = Closures> {
    slot: Arc<Slot<K>>,
    /// Keeps the client open.
    client: Arc<dyn Any + Send + Sync>,
    value: PhantomData<fn() -> T>,
}

/// Tasks whose values convert to a `T`.
pub trait Opens<T>: TaskTypes<Error = crate::error::TaskError> {
    /// Converts the value.
    ///
    /// # Errors
    /// [`Error::Unreadable`] if the value is not a `T`.
    fn open(value: &Self::Value) -> Result<T, Error>;
}

impl<T: Clone + Send + Sync + 'static> Opens<T> for Closures {
    fn open(value: &Value) -> Result<T, Error> {
        Ok(T::clone(downcast(value)))
    }
}

impl<T, K: TaskTypes> Clone for Future<T, K> {
    fn clone(&self) -> Self {
        Self {
            slot: self.slot.clone(),
            client: self.client.clone(),
            value: PhantomData,
        }
    }
}

impl<T: Send + Sync + 'static> Future<T> {
    /// Waits for the result, and returns it without cloning it.
    ///
    /// # Errors
    /// Like [`result`](Self::result).
    ///
    /// ```
    /// use thalweg_tasks::Client;
    ///
    /// let client = Client::threads(1)?;
    /// let words = client.submit(|| vec!["one", "two"]);
    /// assert_eq!(words.shared()?.len(), 2);
    /// # Ok::<(), thalweg_tasks::Error>(())
    /// ```
    pub fn shared(&self) -> Result<Shared<T>, Error> {
        let shared = |value: &Value| {
            Ok(Shared {
                value: value.clone(),
                kind: PhantomData,
            })
        };
        let outcome = self.wait_for(shared, None);
        outcome.expect("it was waited for without a deadline")
    }
}

/// The result of a task, shared with its [future](Future::shared). Clones share it as well.
pub struct Shared<T> {
    value: Value,
    kind: PhantomData<fn() -> T>,
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self {
            value: self.value.clone(),
            kind: PhantomData,
        }
    }
}

impl<T: 'static> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        downcast(&self.value)
    }
}

impl<T: fmt::Debug + 'static> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        T::fmt(self, f)
    }
}

impl<T, K: Opens<T>> Future<T, K> {
    /// Waits for the result, and returns it: for a closure, a clone.
    ///
    /// # Errors
    /// [`Error::Task`] if the task failed or was cancelled.
    pub fn result(&self) -> Result<T, Error> {
        self.wait_for(K::open, None)
            .expect("it was waited for without a deadline")
    }

    /// Waits for the result for at most this time.
    ///
    /// # Errors
    /// [`Error::NotInTime`] if it was not available by then; the task continues. Otherwise like
    /// [`result`](Self::result).
    pub fn result_within(&self, time: Duration) -> Result<T, Error> {
        let deadline = Instant::now().checked_add(time);
        self.wait_for(K::open, deadline)
            .unwrap_or(Err(Error::NotInTime(time)))
    }
}

impl<T, K: TaskTypes<Error = crate::error::TaskError>> Future<T, K> {
    pub(crate) fn new(slot: Arc<Slot<K>>, client: Arc<dyn Any + Send + Sync>) -> Self {
        Self {
            slot,
            client,
            value: PhantomData,
        }
    }

    pub(crate) fn slot(&self) -> &Arc<Slot<K>> {
        &self.slot
    }

    /// Waits for the value and returns `open(value)`; `None` at the deadline.
    fn wait_for<R>(
        &self,
        open: impl Fn(&K::Value) -> Result<R, Error>,
        deadline: Option<Instant>,
    ) -> Option<Result<R, Error>> {
        loop {
            if let Some(outcome) = self.look(&open) {
                return Some(outcome);
            }
            // The value may be at a worker; if it is lost there, it is computed again.
            let slot = std::slice::from_ref(&self.slot);
            if !wait_all(slot, deadline) || !self.slot.engine().bring(slot).wait(deadline) {
                return None;
            }
        }
    }

    fn look<R>(&self, open: impl Fn(&K::Value) -> Result<R, Error>) -> Option<Result<R, Error>> {
        let outcome = self.slot.look(|outcome| match outcome {
            Ok(value) => open(value),
            Err(failure) => Err(Error::Task(failure.clone())),
        });
        // In a fork of the client's process it would never arrive.
        outcome.or_else(|| Some(Err(Error::Task(self.slot.engine().forked()?))))
    }

    /// The state of the task.
    pub fn status(&self) -> Status {
        self.slot.status()
    }

    /// Whether it has ended, in whatever way.
    pub fn is_done(&self) -> bool {
        self.slot.is_done()
    }

    /// Whether it was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.slot.status() == Status::Cancelled
    }

    /// Whether it is running.
    pub fn is_running(&self) -> bool {
        self.slot.engine().is_running(&self.slot)
    }

    /// The name it was [given](super::TaskBuilder::key).
    pub fn key(&self) -> Option<&str> {
        self.slot.key()
    }

    /// Cancels it, and the tasks that need it. Returns whether it had not ended.
    ///
    /// If it is running, its [token](crate::Token) is cancelled.
    pub fn cancel(&self) -> bool {
        // Fails only when forced.
        self.slot
            .engine()
            .cancel(&self.slot, false)
            .unwrap_or(false)
    }

    /// Cancels it if it has not started. Returns whether it was cancelled.
    ///
    /// ```
    /// use thalweg_tasks::Client;
    /// use std::sync::mpsc;
    ///
    /// let client = Client::threads(1)?;
    /// let (begun, begins) = mpsc::channel();
    /// let (open, gate) = mpsc::channel();
    /// let first = client.submit(move || {
    ///     begun.send(()).unwrap();
    ///     gate.recv().is_ok()
    /// });
    /// let second = client.submit(|| 2);
    /// begins.recv()?;
    /// assert!(first.is_running() && !second.is_running());
    /// assert!(!first.cancel_before_it_begins());
    /// assert!(second.cancel_before_it_begins());
    /// open.send(()).unwrap();
    /// assert_eq!(first.result()?, true);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cancel_before_it_begins(&self) -> bool {
        self.slot.engine().cancel_before_it_begins(&self.slot)
    }

    /// Cancels it, and kills the worker process that runs it; another one is started. Returns whether it had not ended.
    ///
    /// # Errors
    /// [`CannotStop`] if it runs on a thread: it has been cancelled, and continues until it checks its token.
    pub fn kill(&self) -> Result<bool, CannotStop> {
        self.slot.engine().cancel(&self.slot, true)
    }

    /// Runs a failed or cancelled task again, with those that it failed because of. Returns whether it was one.
    ///
    /// A closure must be repeatable, see [`repeat`](super::TaskBuilder::repeat).
    pub fn retry(&self) -> bool {
        self.slot.engine().retry(&self.slot)
    }

    /// Lets the task run to its end even if all its futures are dropped. [`Client::close`](super::Client::close) waits
    /// for it; dropping the client does not.
    ///
    /// ```
    /// use std::sync::mpsc;
    /// use thalweg_tasks::Client;
    ///
    /// let client = Client::threads(1)?;
    /// let (sender, done) = mpsc::channel();
    /// for x in 0..3 {
    ///     let sender = sender.clone();
    ///     client.submit(move || sender.send(x).is_ok()).detach();
    /// }
    /// client.close();
    /// assert!(done.try_iter().eq(0..3));
    /// # Ok::<(), thalweg_tasks::Error>(())
    /// ```
    pub fn detach(self) {
        self.slot.engine().detach(&self.slot);
    }

    /// Calls `f` when it has ended: at once, if it has, and otherwise on a thread of the client that runs no tasks. It
    /// may block, wait for other tasks, and panic.
    ///
    /// Calls are made in the order in which tasks end. A call that takes longer than 20 milliseconds no longer delays
    /// the others: another thread continues with them.
    ///
    /// ```
    /// use thalweg_tasks::Client;
    ///
    /// let client = Client::threads(1)?;
    /// let (sender, told) = std::sync::mpsc::channel();
    /// let task = client.submit(|| 2);
    /// let (other, same) = (client.clone(), task.clone());
    /// task.when_done(move || {
    ///     let next = other.submit_with(&same, |x| x + 1).result();
    ///     sender.send(next.ok()).unwrap();
    /// });
    /// assert_eq!(told.recv()?, Some(3));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn when_done(&self, f: impl FnOnce() + Send + 'static) {
        self.slot.when_done(f);
    }
}

/// Downcasts the value. The type of a future is that of the closure that computes its value.
pub(super) fn downcast<T: 'static>(value: &Value) -> &T {
    let held = value
        .held()
        .expect("the value of a task that is done is there");
    let value = held.downcast_ref();
    value.expect("a future has the type of its task's value")
}

impl<T, K: Opens<T>> std::future::Future for Future<T, K> {
    type Output = Result<T, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(outcome) = self.look(K::open) {
            return Poll::Ready(outcome);
        }
        if self.slot.away().is_some() {
            self.slot
                .engine()
                .when_here(&self.slot, Watcher::Waker(cx.waker().clone()));
            return Poll::Pending;
        }
        if self
            .slot
            .watch(Watcher::Waker(cx.waker().clone()))
            .is_some()
        {
            // It has ended meanwhile.
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

impl<T, K: TaskTypes> std::fmt::Debug for Future<T, K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Future")
            .field("key", &self.slot.key())
            .field("status", &self.slot.status())
            .finish()
    }
}
