//! Tasks that nobody waits for but the end of the engine.

use crate::slot::Slot;
use crate::sync::{Mutex, lock};
use crate::task_types::TaskTypes;
use std::sync::{Arc, Weak};

/// Detached tasks, in order; some may have ended.
pub(super) struct Detached<W: TaskTypes>(Mutex<Tasks<W>>);

struct Tasks<W: TaskTypes> {
    slots: Vec<Weak<Slot<W>>>,
    /// Number of tasks from which on those that have ended are removed.
    look_at: usize,
}

/// The smallest number of tasks among which it is worth looking for some that have ended.
const MANY: usize = 64;

impl<W: TaskTypes> Default for Detached<W> {
    fn default() -> Self {
        Self(Mutex::new(Tasks {
            slots: Vec::new(),
            look_at: MANY,
        }))
    }
}

impl<W: TaskTypes> Detached<W> {
    pub(super) fn add(&self, slot: &Arc<Slot<W>>) {
        let mut tasks = lock(&self.0);
        tasks.slots.push(Arc::downgrade(slot));
        if tasks.slots.len() >= tasks.look_at {
            tasks.slots.retain(|slot| slot.strong_count() > 0);
            tasks.look_at = MANY.max(2 * tasks.slots.len());
        }
    }

    /// Those that have not ended.
    pub(super) fn pending(&self) -> Vec<Arc<Slot<W>>> {
        // Dropped after the lock: the last reference to a task may drop any value of the user's.
        let slots: Vec<_> = lock(&self.0)
            .slots
            .iter()
            .filter_map(Weak::upgrade)
            .collect();
        slots.into_iter().filter(|slot| !slot.is_done()).collect()
    }
}
