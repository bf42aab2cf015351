//! Liveness of workers: a live process may be stopped, or have lost its connection.

use crate::process::Portable;
use crate::process::parent::link::{Killed, Link};
use crate::process::parent::pool::Pool;
use crate::process::protocol::wire::ToWorker;
use crate::sync::{Condvar, Mutex, lock};
use std::sync::{Arc, PoisonError, Weak};
use std::time::{Duration, Instant};

/// Maximum interval between pings.
const OFTEN: Duration = Duration::from_secs(5);

/// Minimum time limit of a worker's start: its imports may come from a slow disk.
pub(super) const START: Duration = Duration::from_secs(60);

/// Time of the oldest unanswered ping.
#[derive(Debug, Default)]
pub(in crate::process) struct Pulse(Mutex<Option<Instant>>);

impl Pulse {
    /// Something has been received from the worker.
    pub(crate) fn heard(&self) {
        *lock(&self.0) = None;
    }

    /// How long the worker has owed an answer.
    fn owed(&self) -> Option<Duration> {
        lock(&self.0).map(|asked| asked.elapsed())
    }

    /// Records a ping. Returns whether it is the only unanswered one.
    fn ask(&self) -> bool {
        let mut asked = lock(&self.0);
        asked
            .is_none()
            .then(|| *asked = Some(Instant::now()))
            .is_some()
    }

    /// Starts over: this process has been stopped itself.
    fn forgive(&self) {
        if let Some(asked) = &mut *lock(&self.0) {
            *asked = Instant::now();
        }
    }
}

impl<W: Portable> Link<W> {
    /// Pings the worker, unless a ping is unanswered.
    pub(crate) fn probe(&self) {
        if self.pulse.ask() {
            // One that cannot be told is silent.
            let _ = self.tell(&ToWorker::Ping);
            self.flush();
        }
    }

    /// How long the worker has not answered. Received and unread bytes count as an answer, since the reader may be held
    /// up.
    pub(crate) fn silence(&self) -> Option<Duration> {
        let owed = self.pulse.owed()?;
        (!self.outgoing.socket.has_unread()).then_some(owed)
    }
}

/// Wakes the monitoring threads when they are to end.
#[derive(Debug, Default)]
pub(in crate::process) struct Closing {
    is_closed: Mutex<bool>,
    changed: Condvar,
}

impl Closing {
    pub(crate) fn close(&self) {
        *lock(&self.is_closed) = true;
        self.changed.notify_all();
    }

    /// Waits for this time, or until it is closed. Returns whether it is.
    pub(crate) fn wait(&self, time: Duration) -> bool {
        let is_closed = lock(&self.is_closed);
        *self
            .changed
            .wait_timeout_while(is_closed, time, |is_closed| !*is_closed)
            .unwrap_or_else(PoisonError::into_inner)
            .0
    }
}

/// Whether a process has been stopped by a signal: a starting one cannot be recognized by its silence.
fn is_stopped(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The state follows the program's name, which is in brackets, and may contain some.
    let state = stat.rsplit(')').next().map(str::trim_start);
    state.is_some_and(|state| state.starts_with('T'))
}

/// Kills workers that have not answered for `ttl`.
pub(in crate::process) fn watch<W: Portable>(
    pool: &Weak<Pool<W>>,
    closing: &Arc<Closing>,
    ttl: Duration,
) {
    let tick = (ttl / 4).clamp(Duration::from_millis(1), OFTEN);
    let mut looked = Instant::now();
    while !closing.wait(tick) {
        let Some(pool) = pool.upgrade() else { return };
        let was_stopped = looked.elapsed() > 2 * tick + OFTEN;
        looked = Instant::now();
        for link in pool.live_links() {
            if was_stopped {
                link.pulse.forgive();
            }
            let is_starting = !link.is_ready() && !is_stopped(link.pid);
            let limit = match is_starting {
                false => ttl.saturating_sub(tick),
                true => ttl.max(START),
            };
            match link.silence() {
                Some(silence) if silence >= limit => link.kill(Killed::Silent(ttl)),
                _ => link.probe(),
            }
        }
    }
}
