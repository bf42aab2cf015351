//! The last failures of all nodes.

use std::collections::VecDeque;
use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError, Weak};
use std::time::{Duration, Instant, SystemTime};

use thalweg::Failure;

use crate::observe::Observe;

/// How many failures are kept.
const KEPT: usize = 200;

/// How long a text may be, in bytes.
const LONGEST: usize = 10_000;

/// A failure as a dashboard tells it.
#[derive(Clone, Debug)]
pub struct FailureRecord {
    /// When it was.
    pub at: SystemTime,
    /// The name of the node.
    pub node: String,
    /// The [id](thalweg::Stream::node_id) of the node.
    pub node_id: u64,
    /// Which element it was, counted by the node from 1; 0 if it was none.
    pub ordinal: u64,
    /// Why.
    pub cause: Cause,
}

/// Why a function failed.
#[derive(Clone, Debug, Default)]
pub struct Cause {
    /// What kind of error it is: failures of one node and of one kind are shown together.
    pub kind: String,
    /// The error in one line.
    pub summary: String,
    /// More of it: the errors behind it, a stack.
    pub details: String,
}

impl Cause {
    /// The text of an error, and of those behind it.
    fn of(error: &(dyn Error + 'static)) -> Self {
        let mut details = String::new();
        let mut source = error.source();
        while let Some(error) = source {
            details.push_str(&format!("caused by: {error}\n"));
            source = error.source();
        }
        let summary = error.to_string();
        Self {
            kind: summary.clone(),
            summary,
            details,
        }
    }

    fn shortened(mut self) -> Self {
        for text in [&mut self.kind, &mut self.summary, &mut self.details] {
            if text.len() > LONGEST {
                let is_end = |end: &usize| text.is_char_boundary(*end);
                let end = (0..=LONGEST).rev().find(is_end).unwrap_or_default();
                text.truncate(end);
                text.push('…');
            }
        }
        self
    }
}

/// How many failures are recorded in a second: the counters count them all, and describing one takes time.
const PER_SECOND: u32 = 50;

/// Failures since a dashboard has been there.
pub(crate) struct Failures {
    records: Mutex<VecDeque<FailureRecord>>,
    /// When the second began, and how many have been recorded in it.
    second: Mutex<(Instant, u32)>,
}

impl Default for Failures {
    fn default() -> Self {
        Self {
            records: Mutex::default(),
            second: Mutex::new((Instant::now(), 0)),
        }
    }
}

impl Failures {
    /// The last ones, newest first.
    pub(crate) fn newest(&self) -> Vec<FailureRecord> {
        lock(&self.records).iter().rev().cloned().collect()
    }

    /// Whether another failure is to be recorded now.
    fn has_room(&self) -> bool {
        let mut second = lock(&self.second);
        if second.0.elapsed() >= Duration::from_secs(1) {
            *second = (Instant::now(), 0);
        }
        second.1 += 1;
        second.1 <= PER_SECOND
    }

    fn add(&self, record: FailureRecord) {
        let mut records = lock(&self.records);
        if records.len() == KEPT {
            records.pop_front();
        }
        records.push_back(record);
    }
}

type Listener = (Weak<Failures>, Vec<Arc<dyn Observe>>);

/// The dashboards of this process.
static LISTENERS: Mutex<Vec<Listener>> = Mutex::new(Vec::new());

/// Has the failures of all pipelines of this process recorded, for as long as somebody holds what is returned.
pub(crate) fn record(observed: Vec<Arc<dyn Observe>>) -> Arc<Failures> {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| thalweg::watch_failures(note));
    let failures = Arc::new(Failures::default());
    let mut listeners = lock(&LISTENERS);
    listeners.retain(|(listener, _)| listener.strong_count() > 0);
    listeners.push((Arc::downgrade(&failures), observed));
    failures
}

fn note(failure: &Failure) {
    // Outside of the lock: describing a failure may run anything.
    let listeners = lock(&LISTENERS).clone();
    for (listener, observed) in listeners {
        let Some(failures) = listener.upgrade() else {
            continue;
        };
        if !failures.has_room() {
            continue;
        }
        let described = observed.iter().find_map(|one| one.describe(failure));
        let cause = described.unwrap_or_else(|| Cause::of(failure.cause()));
        failures.add(FailureRecord {
            at: SystemTime::now(),
            node: failure.node().to_string(),
            node_id: failure.node_id(),
            ordinal: failure.ordinal(),
            cause: cause.shortened(),
        });
    }
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
