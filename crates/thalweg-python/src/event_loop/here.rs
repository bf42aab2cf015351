//! Whether a loop runs on this thread, and what an emission there returns: asked for every element that is awaited, so
//! without locks, and without counting what is shared between threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use pyo3::intern;
use pyo3::prelude::*;

use super::handles::Handles;
use crate::gil::Place;
use crate::interpreter;

/// What holders of the GIL ask most about a loop.
pub(super) struct Here {
    object: Place,
    done: Place,
    /// What the loop said when it was last found to run on a thread of ours: an object that it makes anew whenever it
    /// is run.
    noted: Place,
    /// The thread that this stood for.
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

    /// Another loop has taken its place.
    pub(super) fn replace(&self, py: Python<'_>, handles: &Handles) {
        let before = [
            self.noted.replace(py, None),
            self.done.replace(py, Some(handles.done.clone_ref(py))),
            self.object.replace(py, Some(handles.object.clone_ref(py))),
        ];
        drop(before);
    }

    /// Takes note of the thread that the loop runs on, which is this one.
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

    /// Whether it still runs on the thread that was noted, and this is it.
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

    /// The future that is done.
    #[inline]
    pub(super) fn done(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.done.get(py)
    }
}
