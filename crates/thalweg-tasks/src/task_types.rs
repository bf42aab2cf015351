//! The types of tasks, and how tasks fail.

use std::fmt;
use std::time::Duration;

/// The types of an engine's tasks.
///
/// They are opaque to the engine: closures and their results, calls of a language's functions and its objects, or
/// messages between processes.
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

    /// Display name of the function; it may take some time to compute.
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
    /// It was cancelled, or a dependency was.
    Cancelled,
    /// It exceeded its time limit.
    TimedOut(Duration),
    /// Workers died while running it.
    KilledWorker {
        /// How the last one died.
        reason: String,
        /// Number of workers.
        deaths: u32,
    },
    /// The client was closed before it ended.
    Closed,
    /// A dependency is a task of another client, on another engine.
    OtherClient,
    /// No worker has the [resources](crate::TaskBuilder::resource) that it takes.
    NoResources {
        /// The resources that it takes, with their amounts.
        wanted: String,
    },
    /// This process is a fork of the client's, with a copy of it that runs nothing.
    Forked {
        /// Id of the client's process.
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
            Self::NoResources { wanted } => write!(
                f,
                "no worker of the client has the resources of the task, {wanted}: ask for less, or start workers with more"
            ),
            Self::Closed => f.write_str("the client was closed before the task was done"),
            Self::OtherClient => f.write_str(
                "an argument is a future of another client, with workers of its own: pass its result",
            ),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> std::error::Error for Failure<E> {}

/// What becomes of an engine's unfinished tasks when it is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// They fail, because there is no engine any more.
    Closed,
    /// They are cancelled, because another engine takes its place.
    Replaced,
}

impl Ending {
    pub(crate) fn failure<E>(self) -> Failure<E> {
        match self {
            Self::Closed => Failure::Closed,
            Self::Replaced => Failure::Cancelled,
        }
    }
}
