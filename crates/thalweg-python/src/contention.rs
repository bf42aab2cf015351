//! Waits for a thread that is inside a pipeline: they can be interrupted, and say what for.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pyo3::prelude::*;

use crate::event_loop::EventLoop;
use crate::{gil, interrupt, upcalls};

/// When a thread says so for the first time in the process: functions may well take as long.
const FIRST: Duration = Duration::from_secs(1);
/// When every thread says so.
const ALWAYS: Duration = Duration::from_secs(10);

thread_local! {
    static WAITED: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// Returns whether a waiting thread goes on waiting: an exception of a signal handler ends the wait.
pub(crate) fn has_patience(waited: Duration) -> bool {
    gil::attach(|py| match py.check_signals() {
        // A thread that has been interrupted does not wait on.
        Ok(()) if interrupt::is_noted() => false,
        Ok(()) => {
            look(py, waited, false);
            true
        }
        Err(error) => {
            interrupt::keep(error);
            false
        }
    })
}

/// Looks after a thread that waits for an event loop to begin with its element.
///
/// # Errors
/// The loop waits for this very thread.
pub(crate) fn look_at_loop(
    py: Python<'_>,
    waited: Duration,
    event_loop: &EventLoop,
) -> PyResult<()> {
    let seconds = WAITED.get().as_secs();
    if waited >= FIRST && (waited.as_secs() > seconds || waited < WAITED.get()) {
        upcalls::STREAMS.call(py, "check_waiting", (event_loop.object(py),))?;
    }
    look(py, waited, true);
    Ok(())
}

/// Says what the calling thread waits for, if it has waited for long enough.
fn look(py: Python<'_>, waited: Duration, on_loop: bool) {
    static HAS_SAID: AtomicBool = AtomicBool::new(false);
    let before = WAITED.replace(waited);
    let is_past = |time| before < time && waited >= time;
    if is_past(ALWAYS) || is_past(FIRST) && !HAS_SAID.swap(true, Ordering::Relaxed) {
        let said = upcalls::STREAMS.call(py, "say_waiting", (waited.as_secs_f64(), on_loop));
        if let Err(error) = said {
            error.write_unraisable(py, None);
        }
    }
}
