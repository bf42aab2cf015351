//! Closing a source that prefetches: elements that the pipeline has not taken go back to the server, and the last
//! acknowledgements are sent.

use std::sync::{Arc, Mutex, PoisonError};

use async_channel::Receiver;
use tokio::sync::mpsc::UnboundedSender;

use crate::background::Running;
use crate::reply::Reply;

/// Closes a source of items `T` whose task takes commands `D`.
pub(crate) struct Closer<T, D>(Arc<Mutex<Option<Ending<T, D>>>>);

impl<T, D> Clone for Closer<T, D> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T, D> Default for Closer<T, D> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

/// State needed to close the source.
pub(crate) struct Ending<T, D> {
    pub(crate) items: Receiver<T>,
    pub(crate) orders: UnboundedSender<D>,
    /// The last command.
    pub(crate) last: D,
    /// Completed once all commands have been executed.
    pub(crate) ended: Reply<()>,
    /// The reading task, if commands are executed by another one.
    pub(crate) reading: Option<Running>,
    pub(crate) _task: Running,
}

impl<T, D> Closer<T, D> {
    /// Notes that the source has begun to read.
    pub(crate) fn begin(&self, ending: Ending<T, D>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(ending);
    }

    /// Closes the source, and waits until that is done; returns at once if the source never ran.
    pub(crate) async fn close(&self) {
        let ending = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(ending) = ending else {
            return;
        };
        ending.items.close();
        drop(ending.reading);
        let _ = ending.orders.send(ending.last);
        let _ = ending.ended.await;
    }
}
