//! Commits offsets on a separate thread: the client blocks until the brokers have answered, which may take a minute
//! once they are down. Meanwhile messages are read, rebalances served and errors reported.
//!
//! The client does not report the result of an asynchronous commit, hence the thread.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{io, thread};

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::topic_partition_list::TopicPartitionList;

use super::context::Context;
use crate::kafka::lane::Lane;

/// Offsets to commit, with their partitions.
pub(super) struct Commit {
    pub(super) offsets: TopicPartitionList,
    pub(super) lanes: Vec<Arc<Lane>>,
}

/// State of the committing thread.
#[derive(Default)]
pub(super) struct Committer {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    next: Option<Commit>,
    /// A commit is in progress.
    is_busy: bool,
    /// Closed: no more commits.
    is_closed: bool,
    has_ended: bool,
}

impl Committer {
    /// Starts the thread, which holds the consumer until [`Self::close`].
    pub(super) fn start(consumer: &Arc<BaseConsumer<Context>>) -> io::Result<()> {
        let consumer = consumer.clone();
        let context = consumer.context().clone();
        let thread = thread::Builder::new().name("thalweg-kafka-commit".into());
        let run = move || {
            let committer = &context.committer;
            // Runs even if the client panics: nobody may wait for ever.
            let _ended = Ended(committer);
            while let Some(commit) = committer.next() {
                let done = consumer.commit(&commit.offsets, CommitMode::Sync);
                context.has_committed(&commit, &done);
                committer.lock().is_busy = false;
                committer.changed.notify_all();
            }
            drop(consumer);
        };
        thread.spawn(run).map(drop)
    }

    /// Whether a commit is in progress or queued.
    pub(super) fn is_busy(&self) -> bool {
        let state = self.lock();
        state.is_busy || state.next.is_some()
    }

    /// Queues a commit, to start when the current one has ended.
    pub(super) fn push(&self, commit: Commit) {
        self.lock().next = Some(commit);
        self.changed.notify_all();
    }

    /// Blocks until no commit is in progress, or until the timeout; returns whether none is.
    pub(super) fn wait(&self, limit: Duration) -> bool {
        self.wait_while(limit, |state| {
            (state.is_busy || state.next.is_some()) && !state.has_ended
        })
    }

    /// Has the thread release the consumer, and waits for that until the timeout.
    pub(super) fn close(&self, limit: Duration) {
        self.lock().is_closed = true;
        self.changed.notify_all();
        self.wait_while(limit, |state| !state.has_ended);
    }

    fn wait_while(&self, limit: Duration, mut is_so: impl FnMut(&State) -> bool) -> bool {
        let until = Instant::now() + limit;
        let mut state = self.lock();
        while is_so(&state) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let woken = self.changed.wait_timeout(state, left);
            (state, _) = woken.unwrap_or_else(PoisonError::into_inner);
        }
        true
    }

    /// Waits for the next commit; none when the thread is to end.
    fn next(&self) -> Option<Commit> {
        let waits = |state: &mut State| state.next.is_none() && !state.is_closed;
        let waited = self.changed.wait_while(self.lock(), waits);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        let next = state.next.take();
        state.is_busy = next.is_some();
        next
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reports the end of the thread on drop.
struct Ended<'a>(&'a Committer);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.has_ended = true;
        state.is_busy = false;
        drop(state);
        self.0.changed.notify_all();
    }
}
