//! Queue between the consumer's thread and the source, bounded in messages and bytes.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use super::KafkaError;
use super::run::Run;

/// Messages that a source takes at once, or somewhat more, before other tasks get a turn.
const BATCH: usize = 512;

/// State shared by the reading thread and the source.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    max_messages: usize,
    max_bytes: usize,
}

#[derive(Debug, Default)]
struct State {
    runs: VecDeque<Run>,
    /// Includes those held by the source.
    messages: usize,
    bytes: usize,
    errors: VecDeque<KafkaError>,
    /// The thread waits until half of the queue is free.
    wants_room: bool,
    is_closing: bool,
    /// The thread is running.
    is_running: bool,
    /// Start offsets are known.
    is_ready: bool,
    /// No more messages will arrive.
    is_finished: bool,
    wakers: Vec<Waker>,
}

/// Messages and errors, in order.
#[derive(Debug)]
pub(super) enum Came {
    Messages(VecDeque<Run>),
    /// Reported after all messages.
    Error(KafkaError),
    Over,
}

impl Queue {
    pub(super) fn new(max_messages: usize, max_bytes: usize) -> Self {
        Self {
            state: Mutex::default(),
            changed: Condvar::new(),
            max_messages,
            max_bytes,
        }
    }

    /// Adds messages; their room was checked before they were read.
    pub(super) fn push(&self, runs: Vec<Run>) {
        let messages: usize = runs.iter().map(|run| run.messages.len()).sum();
        let bytes: usize = runs.iter().map(Run::bytes).sum();
        let mut state = self.lock();
        state.messages += messages;
        state.bytes += bytes;
        state.runs.extend(runs);
        wake(state);
    }

    pub(super) fn fail(&self, error: KafkaError) {
        let mut state = self.lock();
        state.errors.push_back(error);
        wake(state);
    }

    /// Drops the messages of revoked partitions.
    pub(super) fn drop_revoked(&self) {
        let mut state = self.lock();
        let (mut messages, mut bytes) = (0, 0);
        state.runs.retain(|run| {
            let stays = !run.lane.is_revoked();
            if !stays {
                messages += run.messages.len();
                bytes += run.bytes();
            }
            stays
        });
        state.messages -= messages;
        state.bytes -= bytes;
    }

    /// Number of further messages that fit.
    pub(super) fn room(&self) -> usize {
        let state = self.lock();
        match state.bytes < self.max_bytes {
            true => self.max_messages.saturating_sub(state.messages),
            false => 0,
        }
    }

    /// Blocks until half of the queue is free, something else has changed, or the timeout.
    pub(super) fn wait_for_room(&self, limit: Duration) {
        let mut state = self.lock();
        state.wants_room = true;
        let waits = |state: &mut State| state.wants_room && !state.is_closing;
        let waited = self.changed.wait_timeout_while(state, limit, waits);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.wants_room = false;
    }

    /// The source has finished messages.
    pub(super) fn release(&self, messages: usize, bytes: usize) {
        let mut state = self.lock();
        state.messages = state.messages.saturating_sub(messages);
        state.bytes = state.bytes.saturating_sub(bytes);
        if state.wants_room
            && state.messages <= self.max_messages / 2
            && state.bytes <= self.max_bytes / 2
        {
            state.wants_room = false;
            self.changed.notify_all();
        }
    }

    /// Waits for messages, and takes them. Cancel-safe: nothing is lost when the future is dropped.
    pub(super) async fn next(&self) -> Came {
        poll_fn(|cx| {
            let mut state = self.lock();
            if !state.runs.is_empty() {
                let mut taken = 0;
                let takes = |run: &Run| {
                    let goes_on = taken < BATCH;
                    taken += run.messages.len();
                    goes_on
                };
                let runs = state
                    .runs
                    .iter()
                    .map(takes)
                    .take_while(|takes| *takes)
                    .count();
                return Poll::Ready(Came::Messages(state.runs.drain(..runs).collect()));
            }
            if let Some(error) = state.errors.pop_front() {
                return Poll::Ready(Came::Error(error));
            }
            if state.is_finished {
                return Poll::Ready(Came::Over);
            }
            state.wakers.push(cx.waker().clone());
            Poll::Pending
        })
        .await
    }

    /// Number of messages, including those that the source has taken.
    #[cfg(test)]
    pub(super) fn messages(&self) -> usize {
        self.lock().messages
    }

    /// Takes the messages that are there.
    pub(super) fn try_next(&self) -> VecDeque<Run> {
        std::mem::take(&mut self.lock().runs)
    }

    /// The thread has started.
    pub(super) fn begin(&self) {
        self.lock().is_running = true;
    }

    /// Start offsets are known: messages written from now on will be read.
    pub(super) fn set_ready(&self) {
        self.lock().is_ready = true;
    }

    pub(super) fn is_ready(&self) -> bool {
        self.lock().is_ready
    }

    /// No more messages will arrive; the thread continues.
    pub(super) fn finish(&self) {
        let mut state = self.lock();
        state.is_finished = true;
        wake(state);
    }

    /// Has the thread commit finished messages, leave the group, and end.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        if !state.is_closing {
            state.is_closing = true;
            // Nobody will take them any more.
            state.errors.clear();
        }
        drop(state);
        self.changed.notify_all();
    }

    pub(super) fn is_closing(&self) -> bool {
        self.lock().is_closing
    }

    /// The thread has ended.
    pub(super) fn over(&self) {
        let mut state = self.lock();
        state.is_running = false;
        state.is_finished = true;
        wake(state);
    }

    /// Waits for the end of the thread; returns the errors since it was told to end.
    pub(super) async fn closed(&self) -> Result<(), KafkaError> {
        poll_fn(|cx| {
            let mut state = self.lock();
            if !state.is_running {
                return Poll::Ready(state.errors.pop_back().map_or(Ok(()), Err));
            }
            state.wakers.push(cx.waker().clone());
            Poll::Pending
        })
        .await
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes the waiting source, outside of the lock.
fn wake(mut state: MutexGuard<'_, State>) {
    let wakers = std::mem::take(&mut state.wakers);
    drop(state);
    wakers.into_iter().for_each(Waker::wake);
}
