//! An assigned partition.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use thalweg::Ack;
use thalweg::view::PositionView;

use crate::Position;

/// A partition that is assigned to this member. A new assignment has a new lane: tokens of the former one have no
/// effect.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) topic: Arc<str>,
    pub(super) partition: i32,
    position: Position,
    /// End offset of the partition when it was assigned, if the source ends there.
    end: Option<i64>,
    is_at_end: AtomicBool,
    /// Set under the lock.
    is_revoked: AtomicBool,
    /// Value of the position at the last commit.
    committed: Mutex<Option<String>>,
}

impl Lane {
    pub(super) fn new(topic: &str, partition: i32, position: Position, end: Option<i64>) -> Self {
        let committed = position.value();
        Self {
            topic: topic.into(),
            partition,
            position,
            end,
            is_at_end: AtomicBool::new(false),
            is_revoked: AtomicBool::new(false),
            committed: Mutex::new(committed),
        }
    }

    pub(super) fn is(&self, topic: &str, partition: i32) -> bool {
        self.partition == partition && &*self.topic == topic
    }

    /// Snapshot of its position.
    pub(super) fn view(&self, now: Duration) -> PositionView {
        let mut view = self.position.view(now);
        view.name = format!("{}/{}", self.topic, self.partition);
        view
    }

    pub(super) fn position(&self) -> &Position {
        &self.position
    }

    /// The token for the message that ends at this offset; `None` if the partition was revoked.
    pub(super) fn begin(&self, offset: i64, now: Duration) -> Option<Ack> {
        // Under the lock, so that no message starts once the partition is revoked.
        let _committed = self.lock();
        (!self.is_revoked()).then(|| self.position.ack(offset, now))
    }

    pub(super) fn is_revoked(&self) -> bool {
        self.is_revoked.load(Ordering::Relaxed)
    }

    pub(super) fn revoke(&self) {
        let _committed = self.lock();
        self.is_revoked.store(true, Ordering::Relaxed);
    }

    /// Blocks until nothing is in flight, or until the deadline; returns whether nothing is.
    pub(super) fn wait_until_settled(&self, until: Instant) -> bool {
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut settled = Box::pin(self.position.settled());
        loop {
            if let Poll::Ready(()) = settled.as_mut().poll(&mut Context::from_waker(&waker)) {
                return true;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            thread::park_timeout(left);
        }
    }

    /// The offset to commit, that of the next message to be read, if it has changed since the last commit.
    pub(super) fn to_commit(&self) -> Option<i64> {
        let value = self.position.value()?;
        let mut committed = self.lock();
        if committed.as_ref() == Some(&value) {
            return None;
        }
        let next = value.parse::<i64>().ok()?.checked_add(1);
        *committed = Some(value);
        next
    }

    /// Makes the next commit include the offset again.
    pub(super) fn forget_commit(&self) {
        *self.lock() = None;
    }

    /// Notes that the message at this offset was read.
    pub(super) fn has_read(&self, offset: i64) {
        if self.end.is_some_and(|end| offset + 1 >= end) {
            self.set_at_end();
        }
    }

    pub(super) fn set_at_end(&self) {
        self.is_at_end.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.is_at_end.load(Ordering::Relaxed)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.committed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes a parked thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
