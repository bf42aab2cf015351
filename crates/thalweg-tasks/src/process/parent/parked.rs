//! Tasks assigned to one worker that need values of others.

use crate::engine::TaskEngine;
use crate::process::Portable;
use crate::scheduler::Assignment;
use crate::slot::Watcher;
use crate::sync::{Mutex, lock};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

/// A task that waits for values of other workers.
pub(in crate::process) struct Parked<W: Portable> {
    engine: Weak<TaskEngine<W>>,
    assignment: Mutex<Option<Assignment<W>>>,
    left: AtomicUsize,
}

impl<W: Portable> Parked<W> {
    pub(crate) fn until_here(
        engine: &Arc<TaskEngine<W>>,
        assignment: Assignment<W>,
        dependencies: &[usize],
    ) {
        let slots: Vec<_> = dependencies
            .iter()
            .map(|dependency| assignment.dependencies[*dependency].clone())
            .collect();
        let parked = Arc::new(Self {
            engine: Arc::downgrade(engine),
            assignment: Mutex::new(Some(assignment)),
            left: AtomicUsize::new(slots.len()),
        });
        for slot in slots {
            let parked = parked.clone();
            engine.when_here(&slot, Watcher::Call(Box::new(move || parked.one_less())));
        }
    }

    fn one_less(&self) {
        if self.left.fetch_sub(1, Ordering::AcqRel) != 1 {
            return;
        }
        let assignment = lock(&self.assignment).take();
        if let (Some(engine), Some(assignment)) = (self.engine.upgrade(), assignment) {
            // If a value has been lost instead, the scheduler notices it.
            engine.with(|scheduler, deferred| scheduler.give_back(assignment, deferred));
        }
    }
}
