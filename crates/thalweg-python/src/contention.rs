//! Waits for a thread inside a pipeline: they can be interrupted, and say what they wait for.

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use pyo3::exceptions::PyTimeoutError;
use pyo3::prelude::*;

use crate::event_loop::EventLoop;
use crate::{gil, interrupt, upcalls};

/// Delay of the first warning in the process: functions may well take as long.
const FIRST: Duration = Duration::from_secs(1);
/// Interval between further warnings of a thread.
const ALWAYS: Duration = Duration::from_secs(10);

thread_local! {
    static WAITED: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    /// The event loop of the pipeline that this thread enters, if it has one.
    static ENTERED: RefCell<Option<EventLoop>> = const { RefCell::new(None) };
    /// Time limit of what this thread is doing, with its end.
    static LIMIT: Cell<Option<(Duration, Instant)>> = const { Cell::new(None) };
}

/// Runs `emit`, whose waits for other threads end when `limit` has passed.
pub(crate) fn limited<R>(limit: Option<Duration>, emit: impl FnOnce() -> R) -> R {
    let end = limit.and_then(|limit| Some((limit, Instant::now().checked_add(limit)?)));
    let _restored = Limited(LIMIT.replace(end));
    emit()
}

/// Restores a thread's time limit.
struct Limited(Option<(Duration, Instant)>);

impl Drop for Limited {
    fn drop(&mut self) {
        LIMIT.set(self.0);
    }
}

/// Time left of this thread's limit, if there is one.
pub(crate) fn time_left() -> Option<Duration> {
    let (_, end) = LIMIT.get()?;
    Some(end.saturating_duration_since(Instant::now()))
}

/// This thread's limit, if it and a `grace` after it have passed.
pub(crate) fn passed_limit(grace: Duration) -> Option<Duration> {
    let (limit, end) = LIMIT.get()?;
    (end.checked_add(grace)? <= Instant::now()).then_some(limit)
}

/// The error for a wait for another thread, if this thread's limit and a `grace` after it have passed.
pub(crate) fn timed_out(grace: Duration) -> Option<PyErr> {
    let limit = passed_limit(grace)?;
    let message = format!(
        "the element was not taken within {limit:?}: another thread is at work in the pipeline"
    );
    Some(PyTimeoutError::new_err(message))
}

/// Runs `enter`, which enters a pipeline on an event loop: the loop's thread may be inside.
pub(crate) fn entering<R>(event_loop: &EventLoop, enter: impl FnOnce() -> R) -> R {
    ENTERED.set(Some(event_loop.clone()));
    let result = enter();
    ENTERED.take();
    result
}

/// Returns whether a waiting thread goes on waiting; an exception of a signal handler ends the wait.
pub(crate) fn has_patience(waited: Duration) -> bool {
    gil::attach(|py| match py.check_signals() {
        // An interrupted thread must not wait any longer.
        Ok(()) if interrupt::is_noted() => false,
        Ok(()) => {
            if let Some(error) = timed_out(Duration::ZERO) {
                interrupt::keep(error);
                return false;
            }
            let event_loop = ENTERED.with_borrow(Clone::clone);
            let checked = event_loop.map_or(Ok(()), |it| check_loop(py, waited, &it));
            look(py, waited, false);
            checked.map_err(interrupt::keep).is_ok()
        }
        Err(error) => {
            interrupt::keep(error);
            false
        }
    })
}

/// Checks on a thread that waits for an event loop to begin with its element.
///
/// # Errors
/// The loop waits for this thread.
pub(crate) fn look_at_loop(
    py: Python<'_>,
    waited: Duration,
    event_loop: &EventLoop,
) -> PyResult<()> {
    check_loop(py, waited, event_loop)?;
    look(py, waited, true);
    Ok(())
}

/// Checks once a second whether the loop waits for this thread.
///
/// # Errors
/// It does.
fn check_loop(py: Python<'_>, waited: Duration, event_loop: &EventLoop) -> PyResult<()> {
    let seconds = WAITED.get().as_secs();
    if waited >= FIRST && (waited.as_secs() > seconds || waited < WAITED.get()) {
        upcalls::STREAMS.call(py, "check_waiting", (event_loop.object(py),))?;
    }
    Ok(())
}

/// Warns about the calling thread's wait, if it is long enough.
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
