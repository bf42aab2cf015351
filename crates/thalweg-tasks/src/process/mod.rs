//! Workers that are processes: children of this one, over sockets that nobody else can open.

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

/// Task types whose tasks can be sent to other processes.
pub trait Portable: TaskTypes {
    /// A program as it is sent.
    fn call(program: &Self::Program) -> Option<&Call>;
    /// A value that has come from a worker.
    fn received(payload: Arc<Payload>) -> Self::Value;
    /// A value as it is sent.
    fn payload(value: &Self::Value) -> Option<&Arc<Payload>>;
    /// An error that has come from a worker.
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
