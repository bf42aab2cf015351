//! The scheduler's record of a task.

use super::WorkerId;
use crate::slot::Slot;
use crate::task_types::TaskTypes;
use smallvec::SmallVec;
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Id of a task. The index of a removed one is reused, with another generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct TaskId {
    pub(super) index: u32,
    pub(super) generation: u32,
}

/// Bit that marks the ids of plain tasks; the scheduler never has that many.
const PLAIN: u32 = 1 << 31;

impl TaskId {
    /// Not a task: the id of a failure stored where a task's outcome would be.
    pub(crate) const NONE: Self = Self::placed(u32::MAX);

    /// Not a task: the id of a value stored there.
    pub(crate) const fn placed(number: u32) -> Self {
        Self {
            index: u32::MAX,
            generation: number,
        }
    }

    /// The id of a plain task.
    pub(crate) fn plain(number: u64) -> Self {
        let (high, low) = (number >> 32, number & u64::from(u32::MAX));
        let half = |part: u64| u32::try_from(part).unwrap_or(u32::MAX);
        Self {
            index: PLAIN | (half(high) & (PLAIN - 1)),
            generation: half(low),
        }
    }

    pub(crate) fn is_plain(self) -> bool {
        self.index & PLAIN != 0 && self.index != u32::MAX
    }

    #[cfg(feature = "processes")]
    pub(crate) fn from_number(number: u64) -> Self {
        let half = |part: u64| u32::try_from(part & 0xffff_ffff).unwrap_or(u32::MAX);
        Self {
            index: half(number),
            generation: half(number >> 32),
        }
    }

    pub(crate) fn number(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.index)
    }
}

/// Options of a task.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Higher ones run first; the default is 0.
    pub priority: f64,
    /// Number of retries after a failure.
    pub retries: u32,
    /// Time limit of a run.
    pub time_limit: Option<Duration>,
    /// Resources of its worker that it takes while it runs.
    pub resources: Vec<(Box<str>, f64)>,
    /// Its name, if it has one.
    pub key: Option<Box<str>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            priority: 0.0,
            retries: 0,
            time_limit: None,
            resources: Vec::new(),
            key: None,
        }
    }
}

/// A task to submit.
pub struct TaskSpec<W: TaskTypes> {
    /// The program to run.
    pub program: W::Program,
    /// Its dependencies. They are of the same engine.
    pub dependencies: Dependencies<W>,
    /// Most tasks have none.
    pub options: Option<Arc<Options>>,
    /// Whether it runs even if dependencies have failed.
    pub accepts_failed_deps: bool,
}

impl<W: TaskTypes> fmt::Debug for TaskSpec<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskSpec")
            .field("accepts_failed_deps", &self.accepts_failed_deps)
            .finish_non_exhaustive()
    }
}

/// The dependencies of a task, in the order of its arguments.
pub type Dependencies<W> = Vec<Arc<Slot<W>>>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// A dependency is unfinished.
    Waiting,
    /// It is in a queue.
    Ready,
    Running(WorkerId),
    /// It is finished, and its value is at the worker.
    Stored(WorkerId),
    /// It failed or was cancelled. Kept because it may be retried.
    Failed,
}

pub(super) struct Task<W: TaskTypes> {
    pub generation: u32,
    pub state: State,
    /// Number of unfinished dependencies.
    pub missing: u32,
    pub retries: u32,
    /// Number of workers that died while running it.
    pub deaths: u32,
    /// Evidence that it is the cause.
    pub blame: u32,
    /// Number of its runs, so that the timer of one does not affect the next.
    pub attempt: u32,
    /// It is running, and its end is not waited for: it was cancelled, or exceeded its time limit.
    pub ended: bool,
    /// It ran with others when their worker died: it is tried alone.
    pub is_suspect: bool,
    /// It has been retried: its dependencies may list it twice.
    pub was_retried: bool,
    /// Whether it runs even if dependencies have failed.
    pub accepts_failed_deps: bool,
    pub slot: Weak<Slot<W>>,
    /// Taken out while it runs.
    pub program: Option<W::Program>,
    pub dependencies: Dependencies<W>,
    pub dependents: SmallVec<[TaskId; 2]>,
    pub options: Option<Arc<Options>>,
    /// Keeps the slot of a task that runs although nobody waits for it.
    pub kept: Option<Arc<Slot<W>>>,
}

impl<W: TaskTypes> Task<W> {
    pub(crate) fn priority(&self) -> f64 {
        self.options
            .as_ref()
            .map_or(0.0, |options| options.priority)
    }

    pub(crate) fn resources(&self) -> &[(Box<str>, f64)] {
        self.options
            .as_ref()
            .map_or(&[], |options| &options.resources)
    }

    pub(crate) fn is_running(&self) -> bool {
        matches!(self.state, State::Running(_))
    }
}

/// A task given to a worker. It has to be returned to the scheduler.
pub struct Assignment<W: TaskTypes> {
    pub(crate) id: TaskId,
    pub(crate) attempt: u32,
    /// The program to run.
    pub program: W::Program,
    /// Where the values of its dependencies are. They are all finished.
    pub dependencies: Dependencies<W>,
    pub(crate) slot: Weak<Slot<W>>,
    /// Its options.
    pub options: Option<Arc<Options>>,
}

/// The next task to run: one of the scheduler's, or the slot of a plain one.
pub(crate) enum Next<W: TaskTypes> {
    Scheduled(Assignment<W>),
    Plain(Weak<Slot<W>>),
}

impl<W: TaskTypes> fmt::Debug for Assignment<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assignment")
            .field("id", &self.id)
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}

impl<W: TaskTypes> TaskSpec<W> {
    /// Whether it has no dependencies and no options.
    pub(crate) fn is_plain(&self) -> bool {
        self.dependencies.is_empty() && self.options.is_none()
    }
}

impl<W: TaskTypes> Assignment<W> {
    /// Starts the plain task of a slot, if it is still waiting.
    pub(crate) fn of_plain(slot: Weak<Slot<W>>) -> Option<Self> {
        let (id, program) = {
            let slot = slot.upgrade()?;
            (slot.id, slot.begin()?)
        };
        Some(Self {
            id,
            attempt: 0,
            program,
            dependencies: Vec::new(),
            slot,
            options: None,
        })
    }

    /// Its time limit.
    pub fn time_limit(&self) -> Option<Duration> {
        self.options.as_ref().and_then(|options| options.time_limit)
    }

    /// Display name: that of its function, or else its own.
    pub(crate) fn label(&self) -> Box<str> {
        let label = W::label(&self.program).or_else(|| self.key());
        label.unwrap_or_else(|| "task".into())
    }

    /// Its key, if it has one.
    pub(crate) fn key(&self) -> Option<Box<str>> {
        self.options.as_ref()?.key.clone()
    }

    /// Where its outcome will be stored; nowhere, if nobody wants it any more.
    pub fn slot(&self) -> Option<Arc<Slot<W>>> {
        self.slot.upgrade()
    }
}
