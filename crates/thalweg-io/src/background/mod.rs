//! The background runtime for network clients: one tokio runtime per process, started with its first task.
//!
//! Pipelines have runtimes of their own, which may be a Python event loop or a virtual clock, and user functions may
//! block their threads. Connections must be read and answered meanwhile. So a task on this runtime does that, and
//! passes elements to the source through an [`Inbox`]. The source takes all that have arrived since it last looked: a
//! single element when there is little to do, a batch when there is much.

#[cfg(any(feature = "http-client", feature = "mongodb", feature = "tcp"))]
mod inbox;
mod runtime;

#[cfg(any(feature = "http-client", feature = "mongodb", feature = "tcp"))]
pub(crate) use self::inbox::{Inbox, Outbox};
#[cfg(any(
    feature = "http-server",
    feature = "mqtt",
    feature = "nats",
    feature = "redis",
    feature = "websocket"
))]
pub(crate) use self::runtime::Running;
pub(crate) use self::runtime::spawn;
