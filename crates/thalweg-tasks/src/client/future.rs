//! The result of a task to be.

use super::{Client, Closures};
use crate::error::Error;
use crate::slot::{Slot, Status, Watcher};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// The result of a task, which will be there some time. Clones are the same future.
///
/// It can be waited for, awaited on any executor, and [given to other tasks](Client::submit_with). When the last
/// clone goes before the task has begun, and no other task needs it, the task is dropped.
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
pub struct Future<T> {
    slot: Arc<Slot<Closures>>,
    /// A client whose futures are waited for is not closed.
    client: Client,
    value: PhantomData<fn() -> T>,
}

impl<T> Clone for Future<T> {
    fn clone(&self) -> Self {
        Self {
            slot: self.slot.clone(),
            client: self.client.clone(),
            value: PhantomData,
        }
    }
}

impl<T: Send + Sync + 'static> Future<T> {
    pub(super) fn new(slot: Arc<Slot<Closures>>, client: &Client) -> Self {
        Self {
            slot,
            client: client.clone(),
            value: PhantomData,
        }
    }

    pub(super) fn slot(&self) -> &Arc<Slot<Closures>> {
        &self.slot
    }

    /// Waits for the result, and returns a clone of it.
    ///
    /// # Errors
    /// [`Error::Task`] if the task failed or was cancelled.
    pub fn result(&self) -> Result<T, Error>
    where
        T: Clone,
    {
        self.shared().map(|value| T::clone(&value))
    }

    /// Waits for the result for as long as that.
    ///
    /// # Errors
    /// [`Error::NotInTime`] if it was not there then; the task goes on. Otherwise like [`result`](Self::result).
    pub fn result_within(&self, time: Duration) -> Result<T, Error>
    where
        T: Clone,
    {
        if self.slot.wait(Instant::now().checked_add(time)) {
            self.result()
        } else {
            Err(Error::NotInTime(time))
        }
    }

    /// Waits for the result, and returns it without cloning it.
    ///
    /// # Errors
    /// Like [`result`](Self::result).
    pub fn shared(&self) -> Result<Arc<T>, Error> {
        loop {
            if let Some(outcome) = self.outcome() {
                return outcome;
            }
            self.slot.wait(None);
        }
    }

    fn outcome(&self) -> Option<Result<Arc<T>, Error>> {
        self.slot.look(|outcome| match outcome {
            Ok(value) => Ok(downcast(value)),
            Err(failure) => Err(Error::Task(failure.clone())),
        })
    }

    /// How it stands.
    pub fn status(&self) -> Status {
        self.slot.status()
    }

    /// Whether it is done, in whatever way.
    pub fn is_done(&self) -> bool {
        self.slot.is_done()
    }

    /// Whether it was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.slot.status() == Status::Cancelled
    }

    /// The name it was [given](super::TaskBuilder::key).
    pub fn key(&self) -> Option<&str> {
        self.slot.key()
    }

    /// Cancels it, and the tasks that need it. Returns whether it was still to be done.
    ///
    /// If it runs, its [token](crate::Token) tells it so.
    pub fn cancel(&self) -> bool {
        // Only force can fail.
        self.client
            .home()
            .cancel(&self.slot, false)
            .unwrap_or(false)
    }

    /// Runs a failed or cancelled task again, and those that it failed because of. Returns whether it was one.
    ///
    /// The closure has to be one that can be called again, see [`repeat`](super::TaskBuilder::repeat).
    pub fn retry(&self) -> bool {
        self.client.home().retry(&self.slot)
    }

    /// Has the task run to its end even if all its futures go.
    pub fn detach(self) {
        self.client.home().keep(&self.slot);
    }

    /// Has `f` called once it is done, in the thread that completes it: at once, if it is done.
    pub fn when_done(&self, f: impl FnOnce() + Send + 'static) {
        self.slot.when_done(f);
    }
}

/// The value as what it is. The type of a future is that of the closure that makes its value.
pub(super) fn downcast<T: Send + Sync + 'static>(value: &super::body::Value) -> Arc<T> {
    value
        .clone()
        .downcast()
        .expect("a future has the type of its task's value")
}

impl<T: Clone + Send + Sync + 'static> std::future::Future for Future<T> {
    type Output = Result<T, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(outcome) = self.outcome() {
            return Poll::Ready(outcome.map(|value| T::clone(&value)));
        }
        match self.slot.watch(Watcher::Waker(cx.waker().clone())) {
            None => Poll::Pending,
            Some(_) => {
                let outcome = self.outcome().expect("what cannot be watched is done");
                Poll::Ready(outcome.map(|value| T::clone(&value)))
            }
        }
    }
}

impl<T> std::fmt::Debug for Future<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Future")
            .field("key", &self.slot.key())
            .field("status", &self.slot.status())
            .finish()
    }
}
