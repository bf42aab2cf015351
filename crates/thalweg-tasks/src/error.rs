//! The errors of a client.

use crate::client::TaskError;
use crate::task_types::Failure;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Errors of clients and their tasks.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The task has no result.
    #[error("{0}")]
    Task(Arc<Failure<TaskError>>),
    /// The result was not there in the time one wanted to wait for it. The task goes on.
    #[error("the result was not there within {0:?}; the task goes on")]
    NotInTime(Duration),
    /// The result is not what it should be: another program than this one made it.
    #[error("the result cannot be read: {0}")]
    Unreadable(String),
    /// A client without workers would run nothing.
    #[error("a client dependencies at least one worker")]
    NoWorkers,
    /// Workers could not be started.
    #[error("a worker could not be started: {0}")]
    Start(#[source] Arc<io::Error>),
}
