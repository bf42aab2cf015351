//! Tasks that need nothing and of which nothing more was said: most tasks. All there is of one is in its slot, and the
//! scheduler does not know of it.

use super::{Contents, Slot, SlotState, Watcher, Watchers};
use crate::engine::TaskEngine;
use crate::scheduler::{Dependencies, TaskId};
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Mutex, get_mut, lock};
use crate::task_types::{Failure, TaskTypes};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// What a slot has of a plain task, beside its outcome.
pub(super) struct Plain<W: TaskTypes> {
    /// Is there while it waits for its turn, and after it has failed, so that it can be tried again.
    program: Option<W::Program>,
    is_running: bool,
    /// It runs to its end even if nobody wants its outcome.
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

/// Result of ending a plain task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PlainStop {
    /// It was done.
    No,
    /// It had not begun.
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

    /// Takes the program out to be run, if it waits for that.
    pub(crate) fn begin(&self) -> Option<W::Program> {
        let mut contents = lock(&self.contents);
        if !matches!(contents.state, SlotState::Pending(_)) {
            return None;
        }
        let program = contents.plain.program.take()?;
        contents.plain.is_running = true;
        Some(program)
    }

    /// Puts the outcome in, unless it was ended meanwhile, and returns those who are to hear of it: `telling` counts
    /// them before anybody can see the outcome.
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
            drop(result);
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
        // What is dropped is the user's, and may do anything.
        drop(contents);
        drop((over, kept));
        watchers
    }

    /// Ends it without a result, if it is not done, and returns those who are to hear of it, like [`end`](Self::end).
    pub(crate) fn stop(
        &self,
        failure: Failure<W::Error>,
        telling: &AtomicUsize,
    ) -> (PlainStop, Watchers) {
        self.stop_if(failure, telling, |_| true)
    }

    /// The same, if it has not begun to run.
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
        drop(kept);
        (stopped, watchers)
    }

    /// Has it wait for its turn again, if it has failed and does not run any more. Returns the failure if it does; to
    /// drop that may do anything.
    pub(crate) fn wait_again(&self) -> Option<SlotState<W>> {
        let mut contents = lock(&self.contents);
        let has_failed = matches!(contents.state, SlotState::Failed(_));
        if !has_failed || contents.plain.program.is_none() {
            return None;
        }
        let pending = SlotState::Pending(Watchers::new());
        Some(std::mem::replace(&mut contents.state, pending))
    }

    /// Whether its program runs, and its outcome is waited for.
    pub(crate) fn is_running_plain(&self) -> bool {
        let contents = lock(&self.contents);
        contents.plain.is_running && matches!(contents.state, SlotState::Pending(_))
    }

    /// Sees it through to its end even if nobody wants the outcome.
    pub(crate) fn keep_plain(self: &Arc<Self>) {
        let mut contents = lock(&self.contents);
        if matches!(contents.state, SlotState::Pending(_)) {
            contents.plain.kept = Some(self.clone());
        }
    }

    /// Looks at the program, if it has failed.
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
            // It may have the last future of another task, and so on.
            self.engine.drop_in_turn(program);
        }
    }
}
