//! Whether a loop runs on this thread, and the result of an emission there. Asked for every awaited element, and so
//! without locks and without atomic operations.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use pyo3::intern;
use pyo3::prelude::*;

use super::handles::Handles;
use crate::gil::Place;
use crate::interpreter;

/// Cached answers, guarded by the GIL.
pub(super) struct Here {
    object: Place,
    done: Place,
    /// Identity of the loop's run when it was last found on this thread: an object that the loop creates anew for each
    /// run.
    noted: Place,
    /// The thread that ran it.
    thread: AtomicU64,
}

impl Here {
    pub(super) fn of(py: Python<'_>, handles: &Handles) -> Self {
        Self {
            object: Place::of(handles.object.clone_ref(py)),
            done: Place::of(handles.done.clone_ref(py)),
            noted: Place::empty(),
            thread: AtomicU64::new(0),
        }
    }

    /// Resets the cache after the loop was replaced.
    pub(super) fn replace(&self, py: Python<'_>, handles: &Handles) {
        let before = [
            self.noted.replace(py, None),
            self.done.replace(py, Some(handles.done.clone_ref(py))),
            self.object.replace(py, Some(handles.object.clone_ref(py))),
        ];
        drop(before);
    }

    /// Records that the loop runs on this thread.
    #[cold]
    pub(super) fn note(&self, py: Python<'_>, handles: &Arc<Handles>) {
        if let Some(noted) = handles.noted_thread(py) {
            let thread = interpreter::thread_id();
            if noted.extract().is_ok_and(|noted: u64| noted == thread) {
                self.thread.store(thread, Ordering::Relaxed);
                drop(self.noted.replace(py, Some(noted.unbind())));
            }
        }
    }

    /// Whether the loop still runs on the recorded thread, and this is that thread.
    #[inline]
    pub(super) fn is_certain(&self, py: Python<'_>) -> bool {
        let Some(noted) = self.noted.get(py) else {
            return false;
        };
        self.thread.load(Ordering::Relaxed) == interpreter::thread_id()
            && self
                .object
                .bound(py)
                .getattr(intern!(py, "_thread_id"))
                .is_ok_and(|now| now.is(&noted))
    }

    /// The finished future.
    #[inline]
    pub(super) fn done(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.done.get(py)
    }
}
