//! A bounded queue from a task on the background runtime to a source.

use std::io;

use async_channel::{Receiver, Sender, TryRecvError};

use super::runtime::{Running, spawn};

/// Maximum elements per batch.
const BATCH: usize = 1024;

/// Elements that a background task has received for a source. The task waits while the inbox is full, and ends when the
/// inbox is dropped.
#[derive(Debug)]
pub(crate) struct Inbox<T, E> {
    items: Receiver<Result<T, E>>,
    /// An error received after the elements of the last batch.
    error: Option<E>,
    _task: Running,
}

/// The task's sending half.
#[derive(Debug)]
pub(crate) struct Outbox<T, E>(Sender<Result<T, E>>);

impl<T: Send + 'static, E: Send + 'static> Inbox<T, E> {
    /// Spawns a task that fills the inbox, which holds at most `capacity` elements and errors.
    ///
    /// # Errors
    /// The system has no thread or descriptor left for the runtime.
    pub(crate) fn fill<F>(capacity: usize, task: impl FnOnce(Outbox<T, E>) -> F) -> io::Result<Self>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (sender, items) = async_channel::bounded(capacity);
        let task = spawn(task(Outbox(sender)))?;
        Ok(Self {
            items,
            error: None,
            _task: task,
        })
    }

    /// Waits for elements and takes all that are there, up to the first error, which the next call returns. `None` when
    /// the task has ended. Cancel-safe: nothing is lost when the future is dropped.
    ///
    /// # Errors
    /// An error that the task sent. More elements may follow.
    pub(crate) async fn next_batch(&mut self) -> Result<Option<Vec<T>>, E> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        let Ok(first) = self.items.recv().await else {
            return Ok(None);
        };
        let mut batch = vec![first?];
        while batch.len() < BATCH {
            match self.items.try_recv() {
                Ok(Ok(item)) => batch.push(item),
                Ok(Err(error)) => {
                    self.error = Some(error);
                    break;
                }
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        Ok(Some(batch))
    }

    /// Aborts the task and returns what it had sent.
    #[cfg(feature = "tcp")]
    pub(crate) fn take_rest(mut self) -> Vec<Result<T, E>> {
        self.items.close();
        let error = self.error.take().map(Err);
        let rest = std::iter::from_fn(|| self.items.try_recv().ok());
        error.into_iter().chain(rest).collect()
    }
}

impl<T, E> Outbox<T, E> {
    /// Adds an element, waiting for room; returns whether the source still exists.
    pub(crate) async fn send(&self, item: T) -> bool {
        self.0.send(Ok(item)).await.is_ok()
    }

    /// Reports an error, in order with the elements; returns whether the source still exists.
    pub(crate) async fn report(&self, error: E) -> bool {
        self.0.send(Err(error)).await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use pollster::block_on;

    use super::*;

    #[test]
    fn queued_items_arrive_as_a_batch_and_errors_in_order() {
        let (filled, is_filled) = async_channel::bounded::<()>(1);
        let mut inbox = Inbox::fill(8, move |out: Outbox<u32, &str>| async move {
            out.send(1).await;
            out.send(2).await;
            out.report("a bad one").await;
            out.send(3).await;
            drop(filled);
        })
        .expect("there are threads");
        assert!(block_on(is_filled.recv()).is_err());
        assert_eq!(block_on(inbox.next_batch()), Ok(Some(vec![1, 2])));
        assert_eq!(block_on(inbox.next_batch()), Err("a bad one"));
        assert_eq!(block_on(inbox.next_batch()), Ok(Some(vec![3])));
        assert_eq!(block_on(inbox.next_batch()), Ok(None));
    }

    #[test]
    fn the_task_reads_ahead_only_up_to_the_capacity() {
        let sent = Arc::new(AtomicUsize::new(0));
        let counted = sent.clone();
        let mut inbox = Inbox::fill(4, move |out: Outbox<usize, ()>| async move {
            while out.send(counted.fetch_add(1, Ordering::SeqCst)).await {}
        })
        .expect("there are threads");
        let mut taken = 0;
        while taken < 10_000 {
            let batch = block_on(inbox.next_batch()).expect("no error is sent");
            let batch = batch.expect("it has no end");
            assert_eq!(batch[0], taken);
            taken += batch.len();
            assert!(sent.load(Ordering::SeqCst) <= taken + 4 + 1);
        }
    }

    #[test]
    fn the_task_ends_with_its_inbox() {
        let (held, is_held) = async_channel::bounded::<()>(1);
        let inbox = Inbox::fill(1, move |out: Outbox<(), ()>| async move {
            while out.send(()).await {}
            drop(held);
        });
        drop(inbox.expect("there are threads"));
        assert!(block_on(is_held.recv()).is_err());
    }
}
