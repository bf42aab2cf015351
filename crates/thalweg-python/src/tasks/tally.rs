//! Unfinished tasks that are waited for, whether or not they have futures.

use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::time::Instant;

use pyo3::prelude::*;
use thalweg_tasks::host::Slot;

use super::future::{Future, look_again_and_again};
use super::task_types::Calls;
use crate::gil;
use crate::lock::lock;

/// Counts unfinished tasks, including those whose futures have been dropped.
#[pyclass(module = "thalweg._thalweg.tasks", frozen)]
pub(crate) struct Tally {
    left: Arc<(Mutex<usize>, Condvar)>,
    /// Weak references to the tasks.
    slots: Mutex<Vec<Weak<Slot<Calls>>>>,
}

#[pymethods]
impl Tally {
    #[new]
    fn new() -> Self {
        Self {
            left: Arc::default(),
            slots: Mutex::default(),
        }
    }

    /// Counts tasks, and keeps them wanted until they have finished.
    fn add(&self, futures: Vec<Bound<'_, Future>>) -> PyResult<()> {
        let mut slots = lock(&self.slots);
        if slots.len() == slots.capacity() {
            slots.retain(|slot| slot.strong_count() > 0);
        }
        for future in futures {
            let slot = future.get().slot()?;
            if slot.is_done() {
                continue;
            }
            slots.push(Arc::downgrade(&slot));
            *lock(&self.left.0) += 1;
            let (left, wanted) = (self.left.clone(), slot.clone());
            slot.notify(move || {
                drop(wanted);
                *lock(&left.0) -= 1;
                left.1.notify_all();
            });
        }
        Ok(())
    }

    /// Cancels those that have not begun.
    fn cancel_before_they_begin(&self, py: Python<'_>) {
        for slot in self.living() {
            gil::detach(py, || slot.engine().cancel_before_it_begins(&slot));
        }
    }

    /// Whether one of them runs in this thread.
    fn runs_here(&self) -> bool {
        self.living().iter().any(Slot::runs_here)
    }

    /// Waits until all have finished.
    fn wait(&self, py: Python<'_>) -> PyResult<()> {
        let ended = |until: Instant| {
            let left = lock(&self.left.0);
            let limit = until.saturating_duration_since(Instant::now());
            let waited = (self.left.1).wait_timeout_while(left, limit, |left| *left > 0);
            let (left, _) = waited.unwrap_or_else(PoisonError::into_inner);
            *left == 0
        };
        look_again_and_again(py, None, ended).map(drop)
    }
}

impl Tally {
    fn living(&self) -> Vec<Arc<Slot<Calls>>> {
        lock(&self.slots).iter().filter_map(Weak::upgrade).collect()
    }
}
