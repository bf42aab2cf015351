//! How a source ends that reads ahead of its pipeline: what waits is left to the server, and the last acknowledgements
//! are sent.

use std::sync::{Arc, Mutex, PoisonError};

use async_channel::Receiver;
use tokio::sync::mpsc::UnboundedSender;

use crate::background::Running;
use crate::reply::Reply;

/// What ends the reading of a source: of items `T`, by a task that takes orders `D`.
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

/// What it takes to end it.
pub(crate) struct Ending<T, D> {
    pub(crate) items: Receiver<T>,
    pub(crate) orders: UnboundedSender<D>,
    /// The last order.
    pub(crate) last: D,
    /// Says that all orders have been carried out.
    pub(crate) ended: Reply<()>,
    /// The task that reads, where another one carries out the orders.
    pub(crate) reading: Option<Running>,
    pub(crate) _task: Running,
}

impl<T, D> Closer<T, D> {
    /// The source has begun to read.
    pub(crate) fn begin(&self, ending: Ending<T, D>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(ending);
    }

    /// Ends it, and waits until that is done; at once if the source has never run.
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
