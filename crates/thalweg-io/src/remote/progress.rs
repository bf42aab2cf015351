//! How far transfers have got.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many bytes have been transferred, and how many there are. Clones are the same one.
///
/// It counts all transfers that were given it, by [`Remote::progress`](super::Remote::progress). Bytes that have to be
/// transferred again count once.
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
    /// One that has counted nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes that have been transferred.
    pub fn done(&self) -> u64 {
        self.0.done.load(Ordering::Relaxed)
    }

    /// Bytes of all transfers that have begun, as far as their lengths are known.
    pub fn total(&self) -> u64 {
        self.0.total.load(Ordering::Relaxed)
    }

    pub(super) fn add_done(&self, bytes: u64) {
        self.0.done.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Takes back what has to be transferred again.
    pub(super) fn take_back(&self, bytes: u64) {
        self.0.done.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub(super) fn add_total(&self, bytes: u64) {
        self.0.total.fetch_add(bytes, Ordering::Relaxed);
    }
}
