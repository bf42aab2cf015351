//! A message about tasks that wait while the system has no thread to run others.

use std::cell::Cell;
use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long a task waits without a thread for others before this is told.
const LONG: Duration = Duration::from_secs(1);

static HANDLER: OnceLock<fn(&str)> = OnceLock::new();

thread_local! {
    /// When the system first could not start a thread for this one's wait.
    static SINCE: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Sets what is done with a message about tasks that wait while the system cannot start a thread to run others, instead
/// of writing it to the standard error. The first call counts. Such a message comes once in a program.
pub fn on_shortage(handler: fn(&str)) {
    // Another one was first.
    let _ = HANDLER.set(handler);
}

/// Notes how the system took the wish for a thread.
pub(super) fn note_shortage(error: Option<&io::Error>) {
    let Some(error) = error else {
        return SINCE.set(None);
    };
    let since = SINCE.get().unwrap_or_else(Instant::now);
    SINCE.set(Some(since));
    if since.elapsed() >= LONG {
        say(error);
    }
}

fn say(error: &io::Error) {
    static HAS_SAID: AtomicBool = AtomicBool::new(false);
    if HAS_SAID.swap(true, Ordering::Relaxed) {
        return;
    }
    let message = format!(
        "a task waits for others, and the system can't start a thread to run them ({error}): let the program have more \
         threads (`ulimit -u`, a container's limit of processes) or memory, or nest fewer tasks"
    );
    match HANDLER.get() {
        Some(handler) => handler(&message),
        None => eprintln!("thalweg: {message}"),
    }
}
