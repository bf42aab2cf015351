//! Commits offsets on a thread of its own: the client waits until the brokers have answered, which may take a minute
//! once they are gone, and meanwhile messages are read, partitions come and go, and errors are told.
//!
//! Of a commit that nobody waits for, the client does not tell what has come of it.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{io, thread};

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::topic_partition_list::TopicPartitionList;

use super::context::Context;
use crate::kafka::lane::Lane;

/// Offsets that are to be committed, and the partitions they are of.
pub(super) struct Commit {
    pub(super) offsets: TopicPartitionList,
    pub(super) lanes: Vec<Arc<Lane>>,
}

/// What is known of the thread that commits.
#[derive(Default)]
pub(super) struct Committer {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    next: Option<Commit>,
    /// A commit is under way.
    is_busy: bool,
    /// No more will come.
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
            // Also if the client should panic: nobody may wait for ever.
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

    /// Whether a commit is under way, or about to be.
    pub(super) fn is_busy(&self) -> bool {
        let state = self.lock();
        state.is_busy || state.next.is_some()
    }

    /// Has the thread commit this, when what is under way has ended.
    pub(super) fn push(&self, commit: Commit) {
        self.lock().next = Some(commit);
        self.changed.notify_all();
    }

    /// Blocks until nothing is under way, or this time has passed; returns whether nothing is.
    pub(super) fn wait(&self, limit: Duration) -> bool {
        self.wait_while(limit, |state| {
            (state.is_busy || state.next.is_some()) && !state.has_ended
        })
    }

    /// Has the thread let go of the consumer, and waits for it that long.
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

    /// Waits for the next commit; there is none when the thread is to end.
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

/// Says that the thread has ended when it is dropped.
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
