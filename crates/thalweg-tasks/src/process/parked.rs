//! Tasks that are to run at one worker, and need values of others.

use super::Portable;
use crate::engine::Home;
use crate::scheduler::Assignment;
use crate::slot::Watcher;
use crate::sync::{Mutex, lock};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

/// A task that waits for values of other workers.
pub(super) struct Parked<W: Portable> {
    home: Weak<Home<W>>,
    assignment: Mutex<Option<Assignment<W>>>,
    left: AtomicUsize,
}

impl<W: Portable> Parked<W> {
    pub fn until_here(home: &Arc<Home<W>>, assignment: Assignment<W>, needs: &[usize]) {
        let slots: Vec<_> = needs
            .iter()
            .map(|need| assignment.needs[*need].clone())
            .collect();
        let parked = Arc::new(Self {
            home: Arc::downgrade(home),
            assignment: Mutex::new(Some(assignment)),
            left: AtomicUsize::new(slots.len()),
        });
        for slot in slots {
            let parked = parked.clone();
            home.when_here(&slot, Watcher::Call(Box::new(move || parked.one_less())));
        }
    }

    fn one_less(&self) {
        if self.left.fetch_sub(1, Ordering::AcqRel) != 1 {
            return;
        }
        let assignment = lock(&self.assignment).take();
        if let (Some(home), Some(assignment)) = (self.home.upgrade(), assignment) {
            // Should a value have been lost instead, the scheduler finds out.
            home.with(|scheduler, effects| scheduler.give_back(assignment, effects));
        }
    }
}
