//! Whether a queue is worth another thread.

use super::part::Steps;
use super::queue::{Queue, Runner, State};
use crate::sync::lock;
use std::sync::Arc;
use std::time::Duration;

/// Work that is worth waking a thread for, in seconds: about what waking it costs.
const WORTH: f64 = 1e-4;

/// How often it is looked whether a thread is held up by an element.
const LOOK: Duration = Duration::from_millis(1);

/// After so many looks with nothing to do nobody looks any more.
const QUIET: u32 = 20;

/// How long elements take, and whether they are being taken.
#[derive(Debug, Default)]
pub(super) struct Load {
    /// Seconds per element; `None` until some have been worked on.
    each: Option<f64>,
    /// How often a thread has come for an element.
    pub(super) taken: u64,
    is_watched: bool,
}

impl Load {
    /// Takes note of how long a thread has worked on so many elements.
    pub(super) fn learn(&mut self, elements: u32, passed: Duration) {
        // Threads and clocks are not for loom to see.
        if elements > 0 && !cfg!(thalweg_loom) {
            let each = passed.as_secs_f64() / f64::from(elements);
            self.each = Some(self.each.map_or(each, |before| 0.7 * before + 0.3 * each));
        }
    }

    /// Whether nobody looks yet, and the caller is to see to it.
    pub(super) fn begin_to_watch(&mut self) -> bool {
        !std::mem::replace(&mut self.is_watched, true)
    }
}

impl<S: Steps> State<S> {
    /// Whether what waits takes longer than waking one more thread for it.
    pub(super) fn is_worth_a_thread(&self) -> bool {
        let waiting = self.jobs.len() as f64;
        self.load.each.is_none_or(|each| waiting * each >= WORTH)
    }
}

impl<S: Steps> Queue<S> {
    /// Has a thread look whether small elements wait behind one that is not: then they get another thread.
    pub(super) fn watch(self: &Arc<Self>) {
        let watched = Arc::downgrade(self);
        let thread = std::thread::Builder::new().name("thalweg-watch".into());
        let started = thread.spawn(move || {
            let (mut seen, mut quiet) = (u64::MAX, 0);
            while quiet < QUIET {
                std::thread::sleep(LOOK);
                let Some(queue) = watched.upgrade() else {
                    return;
                };
                queue.look(&mut seen, &mut quiet);
            }
        });
        if started.is_err() {
            // Better a thread too many than none.
            lock(&self.state).load.is_watched = false;
            self.start_another();
        }
    }

    fn look(self: &Arc<Self>, seen: &mut u64, quiet: &mut u32) {
        let mut state = lock(&self.state);
        let is_held_up = !state.jobs.is_empty() && state.load.taken == *seen;
        *seen = state.load.taken;
        *quiet = if state.jobs.is_empty() { *quiet + 1 } else { 0 };
        state.load.is_watched = *quiet < QUIET;
        drop(state);
        if is_held_up {
            self.start_another();
        }
    }

    fn start_another(self: &Arc<Self>) {
        let width = self.width();
        let mut state = lock(&self.state);
        if state.runners >= width {
            return;
        }
        state.runners += 1;
        drop(state);
        self.start(Runner::of(self));
    }
}
