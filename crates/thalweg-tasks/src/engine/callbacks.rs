//! Threads for users' callbacks, which nothing else needs.
//!
//! One thread makes the calls, in the order of the requests. A call that takes long no longer delays the others:
//! another thread continues with them.

use crate::panics::contain;
use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a call may delay those behind it.
const PATIENCE: Duration = Duration::from_millis(20);

/// How long an idle thread stays.
const IDLE: Duration = Duration::from_secs(5);

thread_local! {
    /// Whether this thread makes calls, and so must not wait for them to end.
    static MAKES_CALLS: Cell<bool> = const { Cell::new(false) };
}

type Call = Box<dyn FnOnce() + Send>;

/// Queued calls, and the threads that make them: none until there is a call.
#[derive(Default)]
pub(crate) struct Callbacks {
    state: Mutex<State>,
    /// The calling thread waits here.
    came: Condvar,
    /// The watching thread waits here until a call delays others.
    stuck: Condvar,
    /// Wakes those who wait until all calls have ended.
    returned: Condvar,
}

#[derive(Default)]
struct State {
    calls: VecDeque<Call>,
    /// Number of the calling thread. A thread with another number takes no more calls.
    turn: u64,
    has_caller: bool,
    /// Whether that thread is in a call, and the number of calls so far.
    is_busy: bool,
    begun: u64,
    /// Overtaken calls that have not ended.
    overtaken: usize,
    /// Whether a thread watches the calling one.
    has_standby: bool,
    /// Idle threads end at once.
    is_closed: bool,
}

/// Role of a new thread.
#[derive(Clone, Copy)]
enum Role {
    Caller(u64),
    Standby,
}

impl Callbacks {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a call, for a thread that may block.
    pub(crate) fn call(self: &Arc<Self>, call: impl FnOnce() + Send + 'static) {
        let mut state = self.lock();
        state.calls.push_back(Box::new(call));
        let role = state.missing();
        self.wake(state);
        self.start(role);
    }

    /// Wakes the thread that has something to do: each wake costs as much as a small call.
    fn wake(&self, state: MutexGuard<'_, State>) {
        let is_stuck = state.is_stuck();
        drop(state);
        if is_stuck {
            self.stuck.notify_one();
        } else {
            self.came.notify_one();
        }
    }

    /// Starts a thread. If the system cannot, the next call tries again.
    fn start(self: &Arc<Self>, role: Option<Role>) {
        let Some(role) = role else { return };
        let callbacks = self.clone();
        let started = crate::stack::thread("thalweg-callbacks").spawn(move || match role {
            Role::Caller(turn) => callbacks.make_calls(turn),
            Role::Standby => callbacks.stand_by(),
        });
        if started.is_err() {
            let mut state = self.lock();
            match role {
                Role::Caller(_) => state.has_caller = false,
                Role::Standby => state.has_standby = false,
            }
        }
    }

    /// Makes calls as long as it is this thread's turn.
    fn make_calls(self: &Arc<Self>, turn: u64) {
        MAKES_CALLS.set(true);
        let mut state = self.lock();
        loop {
            let (woken, _) = self
                .came
                .wait_timeout_while(state, IDLE, |state| {
                    state.calls.is_empty() && !state.is_closed
                })
                .unwrap_or_else(PoisonError::into_inner);
            state = woken;
            let Some(call) = state.calls.pop_front() else {
                state.has_caller = false;
                return;
            };
            state.is_busy = true;
            state.begun += 1;
            let role = state.missing();
            if state.is_stuck() {
                self.stuck.notify_one();
            }
            drop(state);
            self.start(role);
            // The panic hook has reported it; the next calls are unaffected.
            contain(call);
            state = self.lock();
            if state.turn != turn {
                state.overtaken -= 1;
                self.returned.notify_all();
                return;
            }
            state.is_busy = false;
            if state.calls.is_empty() {
                self.returned.notify_all();
            }
        }
    }

    /// Watches the calling thread, and takes its place when a call takes too long.
    fn stand_by(self: &Arc<Self>) {
        let mut state = self.lock();
        loop {
            let (woken, waited) = self
                .stuck
                .wait_timeout_while(state, IDLE, |state| {
                    !(state.is_stuck() || state.is_closed && state.calls.is_empty())
                })
                .unwrap_or_else(PoisonError::into_inner);
            state = woken;
            if waited.timed_out() || !state.is_stuck() {
                state.has_standby = false;
                return;
            }
            let begun = state.begun;
            // Nobody wakes it when that call returns: it checks again.
            let (woken, waited) = self
                .stuck
                .wait_timeout_while(state, PATIENCE, |state| {
                    state.is_stuck() && state.begun == begun
                })
                .unwrap_or_else(PoisonError::into_inner);
            state = woken;
            if waited.timed_out() {
                break;
            }
        }
        state.turn += 1;
        state.overtaken += 1;
        state.is_busy = false;
        state.has_standby = false;
        let turn = state.turn;
        drop(state);
        self.make_calls(turn);
    }

    /// Ends the threads when all calls have been made.
    pub(crate) fn close(&self) {
        self.lock().is_closed = true;
        self.came.notify_all();
        self.stuck.notify_all();
    }

    /// Waits until all calls have been made, or for the timeout. Does not wait inside a call.
    pub(crate) fn settle(&self, limit: Duration) {
        if MAKES_CALLS.get() {
            return;
        }
        let until = Instant::now() + limit;
        let mut state = self.lock();
        while state.is_busy || state.overtaken > 0 || !state.calls.is_empty() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = self
                .returned
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

impl State {
    /// Whether calls wait for a running one.
    fn is_stuck(&self) -> bool {
        self.is_busy && !self.calls.is_empty()
    }

    /// The missing thread that is needed.
    fn missing(&mut self) -> Option<Role> {
        if !self.has_caller {
            self.has_caller = true;
            self.turn += 1;
            return Some(Role::Caller(self.turn));
        }
        if self.is_stuck() && !self.has_standby {
            self.has_standby = true;
            return Some(Role::Standby);
        }
        None
    }
}

#[cfg(all(test, not(thalweg_loom)))]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn callbacks_run_in_order() {
        let callbacks = Arc::new(Callbacks::default());
        let (sender, made) = mpsc::channel();
        for number in 0..1_000 {
            let sender = sender.clone();
            callbacks.call(move || {
                let _ = sender.send(number);
            });
        }
        drop(sender);
        assert!(made.iter().eq(0..1_000));
    }

    #[test]
    fn callbacks_may_wait_for_later_ones() {
        let callbacks = Arc::new(Callbacks::default());
        let (done, ended) = mpsc::channel();
        let mut previous: Option<mpsc::Receiver<()>> = None;
        let calls: Vec<_> = (0..8)
            .map(|_| {
                let (open, gate) = mpsc::channel();
                let done = done.clone();
                let waits_for = previous.replace(gate);
                move || {
                    if let Some(gate) = waits_for {
                        let _ = gate.recv();
                    }
                    let _ = open.send(());
                    let _ = done.send(());
                }
            })
            .collect();
        // Each waits for a later one.
        for call in calls.into_iter().rev() {
            callbacks.call(call);
        }
        drop(done);
        assert_eq!(ended.iter().take(8).count(), 8);
    }

    #[test]
    fn a_panic_ends_only_its_own_callback() {
        let callbacks = Arc::new(Callbacks::default());
        let (sender, made) = mpsc::channel();
        callbacks.call(|| std::panic::resume_unwind(Box::new("no")));
        callbacks.call(move || {
            let _ = sender.send(1);
        });
        assert_eq!(made.recv(), Ok(1));
    }

    #[test]
    fn after_close_threads_end_with_the_last_callback() {
        let callbacks = Arc::new(Callbacks::default());
        callbacks.call(|| {});
        callbacks.close();
        callbacks.settle(Duration::from_secs(60));
        while Arc::strong_count(&callbacks) > 1 {
            std::thread::yield_now();
        }
        // Later calls are made all the same.
        let (sender, made) = mpsc::channel();
        callbacks.call(move || {
            let _ = sender.send(1);
        });
        assert_eq!(made.recv(), Ok(1));
    }
}
