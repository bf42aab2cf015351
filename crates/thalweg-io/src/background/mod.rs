//! Where what talks to others is at work: on one tokio runtime of the process, which starts with its first task.
//!
//! Pipelines have runtimes of their own, which may be a Python event loop or a virtual clock, and whose threads may be
//! busy with functions of the user's for a while. A connection must be read meanwhile, and its other end answered. So
//! a task on this runtime does that, and an [`Inbox`] lies between it and the source, which takes out all that has
//! come since it last looked: one element at once when there is little to do, a batch when there is much.

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
