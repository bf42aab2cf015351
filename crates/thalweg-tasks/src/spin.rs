//! Polling for a moment before going to sleep.

use std::sync::LazyLock;
use std::thread;

/// On a single processor nothing changes while this thread polls.
static SEVERAL_PROCESSORS: LazyLock<bool> =
    LazyLock::new(|| thread::available_parallelism().is_ok_and(|count| count.get() > 1));

/// Polls at most this many times, or once on a single processor. Returns whether it succeeded.
///
/// Sleeping and waking takes tens of microseconds, so polling pays if the event is near.
///
/// ```
/// use thalweg_tasks::host::look;
///
/// assert!(look(1_000, || true));
/// assert!(!look(1_000, || false));
/// ```
pub fn look(most: u32, mut is_there: impl FnMut() -> bool) -> bool {
    if is_there() {
        return true;
    }
    if !*SEVERAL_PROCESSORS {
        return false;
    }
    for _ in 0..most {
        std::hint::spin_loop();
        if is_there() {
            return true;
        }
    }
    false
}
