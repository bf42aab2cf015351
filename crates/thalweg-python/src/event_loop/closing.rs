//! Closed event loops, and the loops that replace them.

use std::sync::atomic::Ordering;

use pyo3::prelude::*;

use super::handles::Handles;
use super::{EventLoop, pending};
use crate::interpreter;
use crate::lock::lock;
use crate::upcalls;

impl EventLoop {
    /// Checks whether the asyncio loop has been closed.
    pub(super) fn check_closed(&self, py: Python<'_>) {
        if !self.has_closed() && !interpreter::is_finalizing() && self.handles().is_closed(py) {
            self.closed(py);
        }
    }

    /// Records that the asyncio loop has been closed. Its running calls have failed; everything else requested from it
    /// waits for another loop, while there are pipelines that could provide one.
    pub(super) fn closed(&self, py: Python<'_>) {
        let was_closed = self.0.is_closed.swap(true, Ordering::AcqRel);
        self.0.called.store(false, Ordering::Release);
        if was_closed || interpreter::is_finalizing() {
            return;
        }
        pending::fail(self.identity_of_loop());
        if self.0.pipelines.load(Ordering::Relaxed) == 0 {
            return self.forget();
        }
        // This may have been found out while another error was being handled.
        let raised = PyErr::take(py);
        let told = upcalls::STREAMS.call(py, "tell_of_closed", (self.object(py),));
        if let Err(error) = told {
            error.write_unraisable(py, None);
        }
        if let Some(raised) = raised {
            raised.restore(py);
        }
    }

    /// Whether the loop is known to be closed.
    pub(crate) fn has_closed(&self) -> bool {
        self.0.is_closed.load(Ordering::Relaxed)
    }

    /// Whether another loop may replace this one: it is closed, or was only a guess.
    pub(crate) fn is_over(&self, py: Python<'_>) -> bool {
        self.0.is_guess.load(Ordering::Relaxed) || self.handles().is_closed(py)
    }

    /// Whether it is still unknown which loop will run.
    pub(crate) fn is_guess(&self) -> bool {
        self.0.is_guess.load(Ordering::Relaxed)
    }

    /// Whether it is this asyncio loop.
    pub(crate) fn is(&self, object: &Bound<'_, PyAny>) -> bool {
        self.handles().is(Some(object))
    }

    pub(crate) fn is_running(&self, py: Python<'_>) -> bool {
        self.handles().is_running(py)
    }

    /// Replaces the asyncio loop; pending requests go to the new one.
    ///
    /// # Errors
    /// The object is not an event loop.
    pub(crate) fn move_to(&self, py: Python<'_>, object: &Bound<'_, PyAny>) -> PyResult<()> {
        self.0.is_guess.store(false, Ordering::Relaxed);
        if self.handles().is(Some(object)) {
            return Ok(());
        }
        let handles = Handles::new(object)?;
        if self.handles().is_closed(py) {
            pending::fail(self.identity_of_loop());
        }
        self.0.here.replace(py, &handles);
        let before = std::mem::replace(&mut *lock(&self.0.handles), handles);
        drop(before);
        lock(&self.0.alarms).disarm();
        self.0.is_watched.store(false, Ordering::Relaxed);
        self.0.is_closed.store(false, Ordering::Release);
        self.0.called.store(true, Ordering::Release);
        self.ask(py);
        if self.is_here(py) {
            self.watch(py)?;
        }
        Ok(())
    }

    /// Whether several pipelines use the loop.
    pub(crate) fn is_shared(&self) -> bool {
        self.0.pipelines.load(Ordering::Relaxed) > 1
    }

    /// Counts a pipeline on the loop.
    pub(crate) fn enter(&self) {
        self.0.pipelines.fetch_add(1, Ordering::Relaxed);
        self.0.is_forgotten.store(false, Ordering::Relaxed);
    }

    /// Uncounts a pipeline.
    pub(crate) fn leave(&self) {
        let before = self.0.pipelines.fetch_sub(1, Ordering::Relaxed);
        if before == 1 && self.0.is_closed.load(Ordering::Relaxed) {
            self.forget();
        }
    }

    /// Drops all pending requests: no pipeline is left that could provide another loop.
    fn forget(&self) {
        self.0.is_forgotten.store(true, Ordering::Relaxed);
        let jobs = std::mem::take(&mut *lock(&self.0.queue));
        let alarms = std::mem::take(&mut *lock(&self.0.alarms));
        drop((jobs, alarms));
    }
}
