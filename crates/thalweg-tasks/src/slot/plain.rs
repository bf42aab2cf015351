//! Plain tasks, which have no dependencies and no options. The slot holds all of such a task, and the scheduler does
//! not know it.

use super::{Contents, Slot, SlotState, Watcher, Watchers};
use crate::engine::TaskEngine;
use crate::panics::dispose;
use crate::scheduler::{Dependencies, TaskId};
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Mutex, get_mut, lock};
use crate::task_types::{Failure, TaskTypes};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// A plain task, except for its outcome.
pub(super) struct Plain<W: TaskTypes> {
    /// Present while the task waits to run, and after it failed, for a retry.
    program: Option<W::Program>,
    is_running: bool,
    /// Keeps the slot alive until the task has run, though nobody wants the outcome.
    kept: Option<Arc<Slot<W>>>,
}

impl<W: TaskTypes> Default for Plain<W> {
    fn default() -> Self {
        Self {
            program: None,
            is_running: false,
            kept: None,
        }
    }
}

impl<W: TaskTypes> Plain<W> {
    pub(super) fn program(&self) -> Option<&W::Program> {
        self.program.as_ref()
    }
}

/// Result of stopping a plain task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PlainStop {
    /// It had ended.
    No,
    /// It had not started.
    BeforeItBegan,
    /// It is running, and nobody waits for it any longer.
    Running,
}

impl<W: TaskTypes> Slot<W> {
    pub(crate) fn of_plain(
        number: u64,
        engine: Arc<TaskEngine<W>>,
        program: W::Program,
    ) -> Arc<Self> {
        Arc::new(Self {
            id: TaskId::plain(number),
            engine,
            key: None,
            contents: Mutex::new(Contents {
                state: SlotState::Pending(Watchers::new()),
                plain: Plain {
                    program: Some(program),
                    ..Plain::default()
                },
            }),
            asked_to_stop: AtomicBool::new(false),
            is_orphan: AtomicBool::new(false),
        })
    }

    /// Takes the program to run it, if the task waits to run.
    pub(crate) fn begin(&self) -> Option<W::Program> {
        let mut contents = lock(&self.contents);
        if !matches!(contents.state, SlotState::Pending(_)) {
            return None;
        }
        let program = contents.plain.program.take()?;
        contents.plain.is_running = true;
        Some(program)
    }

    /// Stores the outcome, unless the task was stopped meanwhile, and returns the watchers to call. `telling` is
    /// incremented before the outcome is visible, if there are any.
    pub(crate) fn end(
        &self,
        program: W::Program,
        result: Result<W::Value, W::Error>,
        telling: &AtomicUsize,
    ) -> Watchers {
        let mut contents = lock(&self.contents);
        contents.plain.is_running = false;
        let SlotState::Pending(watchers) = &mut contents.state else {
            contents.plain.program = Some(program);
            drop(contents);
            dispose(result);
            return Watchers::new();
        };
        let watchers = std::mem::take(watchers);
        if !watchers.is_empty() {
            telling.fetch_add(1, Ordering::AcqRel);
        }
        let kept = contents.plain.kept.take();
        let over = match result {
            Ok(value) => {
                contents.state = SlotState::Done(value);
                Some(program)
            }
            Err(error) => {
                watchers.iter().for_each(Watcher::note_failure);
                contents.state = SlotState::Failed(Arc::new(Failure::Raised(error)));
                contents.plain.program = Some(program);
                None
            }
        };
        // Dropping users' objects may run any code, so not under the lock.
        drop(contents);
        dispose((over, kept));
        watchers
    }

    /// Fails an unfinished task, and returns the watchers to call, like [`end`](Self::end).
    pub(crate) fn stop(
        &self,
        failure: Failure<W::Error>,
        telling: &AtomicUsize,
    ) -> (PlainStop, Watchers) {
        self.stop_if(failure, telling, |_| true)
    }

    /// Fails the task, if it has not started.
    pub(crate) fn stop_waiting(
        &self,
        failure: Failure<W::Error>,
        telling: &AtomicUsize,
    ) -> (bool, Watchers) {
        let (stopped, watchers) = self.stop_if(failure, telling, |plain| !plain.is_running);
        (stopped != PlainStop::No, watchers)
    }

    fn stop_if(
        &self,
        failure: Failure<W::Error>,
        telling: &AtomicUsize,
        is_meant: impl Fn(&Plain<W>) -> bool,
    ) -> (PlainStop, Watchers) {
        let mut contents = lock(&self.contents);
        if !is_meant(&contents.plain) {
            return (PlainStop::No, Watchers::new());
        }
        let SlotState::Pending(watchers) = &mut contents.state else {
            return (PlainStop::No, Watchers::new());
        };
        let watchers = std::mem::take(watchers);
        if !watchers.is_empty() {
            telling.fetch_add(1, Ordering::AcqRel);
        }
        watchers.iter().for_each(Watcher::note_failure);
        contents.state = SlotState::Failed(Arc::new(failure));
        let kept = contents.plain.kept.take();
        let stopped = match contents.plain.is_running {
            true => PlainStop::Running,
            false => PlainStop::BeforeItBegan,
        };
        drop(contents);
        dispose(kept);
        (stopped, watchers)
    }

    /// Makes a failed task that has stopped running wait to run again. Returns the failure, since dropping it may run
    /// any code.
    pub(crate) fn wait_again(&self) -> Option<SlotState<W>> {
        let mut contents = lock(&self.contents);
        let has_failed = matches!(contents.state, SlotState::Failed(_));
        if !has_failed || contents.plain.program.is_none() {
            return None;
        }
        let pending = SlotState::Pending(Watchers::new());
        Some(std::mem::replace(&mut contents.state, pending))
    }

    /// Whether the task is running and its outcome is still open.
    pub(crate) fn is_running_plain(&self) -> bool {
        let contents = lock(&self.contents);
        contents.plain.is_running && matches!(contents.state, SlotState::Pending(_))
    }

    /// Runs the task to its end even if nobody wants the outcome.
    pub(crate) fn keep_plain(self: &Arc<Self>) {
        let mut contents = lock(&self.contents);
        if matches!(contents.state, SlotState::Pending(_)) {
            contents.plain.kept = Some(self.clone());
        }
    }

    /// Reads the program of a failed task.
    pub(crate) fn look_at_failed_plain<R>(
        &self,
        look: impl FnOnce(&W::Program, &Dependencies<W>) -> R,
    ) -> Option<R> {
        let contents = lock(&self.contents);
        match contents.state {
            SlotState::Failed(_) => Some(look(contents.plain.program.as_ref()?, &Vec::new())),
            _ => None,
        }
    }

    pub(super) fn drop_plain(&mut self) {
        let contents = get_mut(&mut self.contents);
        if let Some(program) = contents.plain.program.take() {
            if matches!(contents.state, SlotState::Pending(_)) {
                self.engine.withdraw_plain();
            }
            // It may hold the last future of another task, and so on.
            self.engine.drop_in_turn(program);
        }
    }
}
