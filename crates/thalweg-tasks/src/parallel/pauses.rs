//! Calls after a pause, by one thread that exists while there are any.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

type Call = Box<dyn FnOnce() + Send>;

/// A call and its due time. Of those due together, the earliest request goes first.
struct Due {
    at: Instant,
    number: u64,
    call: Call,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

#[derive(Default)]
struct Waiting {
    calls: BinaryHeap<Reverse<Due>>,
    count: u64,
    /// Whether the thread exists.
    is_watched: bool,
}

/// A pause that is longer than any program runs.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// Calls that wait.
#[derive(Default)]
pub(super) struct Pauses {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

impl Pauses {
    /// Calls something after a pause, without occupying a thread of an engine.
    pub(super) fn call_after(
        self: &Arc<Self>,
        pause: Duration,
        call: impl FnOnce() + Send + 'static,
    ) {
        let mut waiting = self.lock();
        waiting.count += 1;
        let due = Due {
            at: Instant::now() + pause.min(LONGEST),
            number: waiting.count,
            call: Box::new(call),
        };
        waiting.calls.push(Reverse(due));
        if waiting.is_watched {
            self.changed.notify_one();
            return;
        }
        let pauses = self.clone();
        let thread = std::thread::Builder::new().name("thalweg-pauses".into());
        match thread.spawn(move || pauses.watch()) {
            Ok(_) => waiting.is_watched = true,
            Err(_) => {
                // The system cannot start a thread: better at once than never.
                let calls = std::mem::take(&mut waiting.calls);
                drop(waiting);
                calls.into_iter().for_each(|Reverse(due)| (due.call)());
            }
        }
    }

    /// Calls what is due, until nothing is left.
    fn watch(&self) {
        let mut waiting = self.lock();
        while let Some(Reverse(first)) = waiting.calls.peek() {
            let left = first.at.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let due = waiting.calls.pop();
                drop(waiting);
                due.into_iter().for_each(|Reverse(due)| (due.call)());
                waiting = self.lock();
                continue;
            }
            let woken = self.changed.wait_timeout(waiting, left);
            (waiting, _) = woken.unwrap_or_else(PoisonError::into_inner);
        }
        waiting.is_watched = false;
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(all(test, not(thalweg_loom)))]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn calls_run_when_due_and_in_order() {
        let (tells, told) = mpsc::channel();
        let say = |word: &'static str| {
            let tells = tells.clone();
            move || tells.send(word).expect("the test listens")
        };
        let pauses = Arc::new(Pauses::default());
        pauses.call_after(Duration::from_millis(30), say("last"));
        pauses.call_after(Duration::from_millis(10), say("second"));
        pauses.call_after(Duration::ZERO, say("first"));
        pauses.call_after(Duration::MAX, say("never"));
        let next = || told.recv_timeout(Duration::from_secs(60));
        assert_eq!(
            [next(), next(), next()],
            [Ok("first"), Ok("second"), Ok("last")]
        );
    }
}
