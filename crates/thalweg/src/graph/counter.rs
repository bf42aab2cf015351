use std::sync::atomic::{AtomicU64, Ordering};

/// A number changed only by the thread inside the monitor, and read by any thread.
#[derive(Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// A load and a store, not a read-modify-write: there is one writer.
    #[inline(always)]
    pub(crate) fn add(&self, n: u64) {
        self.0
            .store(self.0.load(Ordering::Relaxed) + n, Ordering::Relaxed);
    }

    pub(crate) fn take_back(&self, n: u64) {
        let less = self.0.load(Ordering::Relaxed).saturating_sub(n);
        self.0.store(less, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
