//! Worker processes: children of this one, connected by private sockets.

mod child;
mod parent;
mod protocol;
mod system;

pub use child::worker;
pub use parent::deaths::Deaths;
pub use parent::pool::{Answer, Pool, PoolConfig, Process, worker_resource};
pub use protocol::memory::most_open;
pub use protocol::payload::{LARGE, Payload, Pieces, SHARED};
pub use system::SharedFile;

use crate::task_types::TaskTypes;
use std::sync::Arc;

/// Task types that can be sent to other processes.
pub trait Portable: TaskTypes {
    /// A serialized program.
    fn call(program: &Self::Program) -> Option<&Call>;
    /// A value received from a worker.
    fn received(payload: Arc<Payload>) -> Self::Value;
    /// A serialized value.
    fn payload(value: &Self::Value) -> Option<&Arc<Payload>>;
    /// An error received from a worker.
    fn raised(payload: Payload) -> Self::Error;
    /// The error for something that cannot be sent.
    fn unsent(error: std::io::Error) -> Self::Error;
}

/// A call of a function in another process.
#[derive(Debug)]
pub struct Call {
    /// Payload of the function, sent to each worker once.
    pub function: Arc<Payload>,
    /// Payload of the arguments.
    pub args: Payload,
}
