//! The types of tasks, and how tasks fail.

use std::fmt;
use std::time::Duration;

/// The types that the tasks of an engine are made of.
///
/// The engine moves them about and looks into none of them: closures and their results, calls of a
/// language's functions and its objects, or messages between processes.
pub trait TaskTypes: Sized + 'static {
    /// A program: the part of a task that a worker runs.
    type Program: Send;
    /// A result.
    type Value: Send + Sync;
    /// A program's error.
    type Error: Send + Sync + fmt::Debug;

    /// Display name of the program, for errors.
    fn name(_program: &Self::Program) -> Option<&str> {
        None
    }

    /// Name of what the program runs, to be shown; it may take some time to make.
    fn label(program: &Self::Program) -> Option<Box<str>> {
        Self::name(program).map(Box::from)
    }
}

/// Why a task has no result.
///
/// ```
/// use thalweg_tasks::Failure;
///
/// let failure: Failure<&str> = Failure::KilledWorker { reason: "signal 9".into(), deaths: 1 };
/// assert_eq!(failure.to_string(), "the worker that ran it died: signal 9");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure<E> {
    /// Its program failed by itself.
    Raised(E),
    /// It was cancelled, or one that it needs was.
    Cancelled,
    /// It ran for longer than it was allowed to.
    TimedOut(Duration),
    /// Workers died while they ran it.
    KilledWorker {
        /// How the last of them died.
        reason: String,
        /// How many there were.
        deaths: u32,
    },
    /// The client was closed before it was done.
    Closed,
    /// This process was forked off the one that has the client, and has a copy of it that runs nothing.
    Forked {
        /// The number of the process that has the client.
        owner: u32,
    },
}

impl<E: fmt::Display> fmt::Display for Failure<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Raised(error) => error.fmt(f),
            Self::Cancelled => f.write_str("the task was cancelled"),
            Self::TimedOut(limit) => write!(f, "the task ran for longer than {limit:?}"),
            Self::KilledWorker { reason, deaths: 1 } => {
                write!(f, "the worker that ran it died: {reason}")
            }
            Self::KilledWorker { reason, deaths } => {
                write!(
                    f,
                    "{deaths} workers that ran it died, the last of: {reason}"
                )
            }
            Self::Forked { owner } => write!(
                f,
                "the client belongs to process {owner}, which has forked this one: make a client in this process"
            ),
            Self::Closed => f.write_str("the client was closed before the task was done"),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> std::error::Error for Failure<E> {}
