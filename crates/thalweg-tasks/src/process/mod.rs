//! Workers that are processes: children of this one, over sockets that nobody else can open.

mod board;
mod child;
mod lazy;
mod link;
mod memory;
mod outgoing;
mod parcel;
mod parked;
mod pool;
mod pulse;
mod reader;
mod sent;
mod socket;
mod wire;
pub mod worker;

pub use memory::{most_open, read_at};
pub use parcel::{LARGE, Parcel, Pieces, SHARED};
pub use pool::{Answer, Pool, Process, Setting, worker_resource};

use crate::world::World;
use std::sync::Arc;

/// A world whose tasks can be sent to other processes.
pub trait Portable: World {
    /// What is sent to have a program run.
    fn call(program: &Self::Program) -> Option<&Call>;
    /// A value that has come from a worker.
    fn received(parcel: Arc<Parcel>) -> Self::Value;
    /// What is sent to have a value at a worker.
    fn parcel(value: &Self::Value) -> Option<&Arc<Parcel>>;
    /// An error that has come from a worker.
    fn raised(parcel: Parcel) -> Self::Error;
    /// What is wrong with sending something.
    fn unsent(error: std::io::Error) -> Self::Error;
}

/// A call of a function in another process.
#[derive(Debug)]
pub struct Call {
    /// What stands for the function. It is sent to each worker once.
    pub function: Arc<Parcel>,
    /// What stands for the arguments.
    pub args: Parcel,
}
