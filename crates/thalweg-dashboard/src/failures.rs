//! The last failures of all nodes.

use std::collections::VecDeque;
use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError, Weak};
use std::time::{Duration, Instant, SystemTime};

use thalweg::Failure;

use crate::observe::Observe;

/// Number of failures kept.
const CAPACITY: usize = 200;

/// Limit of each text, in bytes.
const MAX_TEXT: usize = 10_000;

/// A failure as shown by a dashboard.
#[derive(Clone, Debug)]
pub struct FailureRecord {
    /// Time of the failure.
    pub at: SystemTime,
    /// Name of the node.
    pub node: String,
    /// [Id](thalweg::Stream::node_id) of the node.
    pub node_id: u64,
    /// Ordinal of the element at the node, from 1; 0 if no element was involved.
    pub ordinal: u64,
    /// Cause of the failure.
    pub cause: Cause,
}

/// Cause of a failure, as texts.
#[derive(Clone, Debug, Default)]
pub struct Cause {
    /// Kind of error, by which a node's failures are grouped.
    pub kind: String,
    /// The error in one line.
    pub summary: String,
    /// Its sources or its traceback.
    pub details: String,
}

impl Cause {
    /// The texts of an error and its sources.
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
            if text.len() > MAX_TEXT {
                let is_end = |end: &usize| text.is_char_boundary(*end);
                let end = (0..=MAX_TEXT).rev().find(is_end).unwrap_or_default();
                text.truncate(end);
                text.push('…');
            }
        }
        self
    }
}

/// Limit of failures recorded per second, since describing one takes time. The counters count all of them.
const MAX_PER_SECOND: u32 = 50;

/// The last failures since the dashboard's start.
pub(crate) struct Failures {
    records: Mutex<VecDeque<FailureRecord>>,
    /// Start of the current second and the number of failures in it.
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
    /// All records, newest first.
    pub(crate) fn newest(&self) -> Vec<FailureRecord> {
        lock(&self.records).iter().rev().cloned().collect()
    }

    /// Whether the rate limit admits another failure.
    fn admits_another(&self) -> bool {
        let mut second = lock(&self.second);
        if second.0.elapsed() >= Duration::from_secs(1) {
            *second = (Instant::now(), 0);
        }
        second.1 += 1;
        second.1 <= MAX_PER_SECOND
    }

    fn add(&self, record: FailureRecord) {
        let mut records = lock(&self.records);
        if records.len() == CAPACITY {
            records.pop_front();
        }
        records.push_back(record);
    }
}

type Listener = (Weak<Failures>, Vec<Arc<dyn Observe>>);

/// All dashboards of this process.
static LISTENERS: Mutex<Vec<Listener>> = Mutex::new(Vec::new());

/// Records the failures of all pipelines of this process until the returned value is dropped.
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
    // Not under the lock: describing a failure may run user code.
    let listeners = lock(&LISTENERS).clone();
    for (listener, observed) in listeners {
        let Some(failures) = listener.upgrade() else {
            continue;
        };
        if !failures.admits_another() {
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
