//! Progress of transfers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Transferred and total bytes. Clones share them.
///
/// It counts all transfers whose settings have it, by [`Remote::progress`](super::Remote::progress). Repeated transfers
/// count once.
///
/// ```
/// use thalweg_io::remote::TransferProgress;
/// use thalweg_io::Remote;
///
/// let progress = TransferProgress::new();
/// let remote = Remote::new().progress(&progress);
/// assert_eq!((progress.done(), progress.total()), (0, 0));
/// # drop(remote);
/// ```
#[derive(Clone, Debug, Default)]
pub struct TransferProgress(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    done: AtomicU64,
    total: AtomicU64,
}

impl TransferProgress {
    /// Creates a counter at zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// Transferred bytes.
    pub fn done(&self) -> u64 {
        self.0.done.load(Ordering::Relaxed)
    }

    /// Bytes of all started transfers, as far as their sizes are known.
    pub fn total(&self) -> u64 {
        self.0.total.load(Ordering::Relaxed)
    }

    pub(super) fn add_done(&self, bytes: u64) {
        self.0.done.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Subtracts bytes that have to be transferred again.
    pub(super) fn take_back(&self, bytes: u64) {
        self.0.done.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub(super) fn add_total(&self, bytes: u64) {
        self.0.total.fetch_add(bytes, Ordering::Relaxed);
    }
}
