//! Errors of clients and tasks.

use crate::task_types::Failure;
use std::fmt;
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
    /// The result was not available in time. The task continues.
    #[error("the result was not there within {0:?}; the task goes on")]
    NotInTime(Duration),
    /// The result cannot be deserialized: another version of the program has produced it.
    #[error("the result cannot be read: {0}")]
    Unreadable(String),
    /// A client needs at least one worker.
    #[error("a client needs at least one worker")]
    NoWorkers,
    /// Workers cannot be started.
    #[error("a worker could not be started: {0}")]
    Start(#[source] Arc<io::Error>),
}

/// Failure of a task in Rust: a closure, or a function in another process.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum TaskError {
    /// It returned an error.
    Failed(Arc<dyn std::error::Error + Send + Sync>),
    /// It panicked, with this message.
    Panicked(String),
    /// It could not be serialized for another process.
    Unsent(String),
    /// Its closure cannot be called again; `repeat` takes one that can.
    RanBefore,
}

impl TaskError {
    pub(crate) fn new(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Failed(error.into().into())
    }
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => error.fmt(f),
            Self::Panicked(message) => write!(f, "the task panicked: {message}"),
            Self::Unsent(why) => write!(f, "the task could not be sent to a worker: {why}"),
            Self::RanBefore => f.write_str(
                "the closure can be called once only, and has been: submit it with `repeat` to have it run again",
            ),
        }
    }
}

impl std::error::Error for TaskError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Failed(error) => error.source(),
            _ => None,
        }
    }
}
