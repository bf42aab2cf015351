//! Looking for something for a moment before going to sleep, where that pays.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

/// After so many waits without a look it is tried again.
const RETRY: u32 = 16;

/// Fewer looks than these are not worth it.
const FEWEST: u32 = 32;

/// How long waiting threads look before they sleep, learned from whether it helped.
///
/// To sleep and be woken takes tens of microseconds on an idle machine, so looking pays if what is waited for comes soon. It
/// does not where all processors are busy: who looks keeps the one from running that it waits for.
///
/// ```
/// use thalweg_tasks::host::Spin;
///
/// let spin = Spin::new(1_000);
/// assert!(spin.look(|| true));
/// assert!(!spin.look(|| false));
/// ```
#[derive(Debug)]
pub struct Spin {
    most: u32,
    looks: AtomicU32,
    skipped: AtomicU32,
}

impl Spin {
    /// Looks at most so many times in a row.
    pub const fn new(most: u32) -> Self {
        Self {
            most,
            looks: AtomicU32::new(most),
            skipped: AtomicU32::new(0),
        }
    }

    /// Looks until it is there, or looking no longer pays. Returns whether it is there.
    pub fn look(&self, mut is_there: impl FnMut() -> bool) -> bool {
        if is_there() {
            return true;
        }
        let usual = self.looks.load(Ordering::Relaxed);
        let looks = match usual {
            _ if !*SEVERAL_PROCESSORS => return false,
            0 if !self.tries_again() => return false,
            // Its counterpart may sleep by now, and takes some time to wake up.
            0 => self.most,
            usual => usual,
        };
        for _ in 0..looks {
            std::hint::spin_loop();
            if is_there() {
                self.looks.store(self.most, Ordering::Relaxed);
                return true;
            }
        }
        let fewer = if usual / 2 < FEWEST { 0 } else { usual / 2 };
        self.looks.store(fewer, Ordering::Relaxed);
        false
    }

    fn tries_again(&self) -> bool {
        let skipped = self.skipped.fetch_add(1, Ordering::Relaxed);
        (skipped + 1).is_multiple_of(RETRY)
    }
}

/// On a single processor nothing comes while this thread looks.
static SEVERAL_PROCESSORS: LazyLock<bool> =
    LazyLock::new(|| thread::available_parallelism().is_ok_and(|count| count.get() > 1));

#[cfg(all(test, not(thalweg_loom)))]
mod tests {
    use super::*;

    fn looks_in_vain(spin: &Spin) -> u32 {
        let mut looks = 0;
        assert!(!spin.look(|| {
            looks += 1;
            false
        }));
        // The first look is no waiting.
        looks - 1
    }

    #[test]
    fn what_does_not_come_is_looked_for_less_and_less_and_tried_again() {
        if !*SEVERAL_PROCESSORS {
            return;
        }
        let spin = Spin::new(256);
        let first: Vec<_> = (0..6).map(|_| looks_in_vain(&spin)).collect();
        assert_eq!(first, [256, 128, 64, 32, 0, 0]);
        let later: Vec<_> = (0..RETRY).map(|_| looks_in_vain(&spin)).collect();
        assert_eq!(later.iter().filter(|looks| **looks > 0).count(), 1);
    }

    #[test]
    fn what_has_come_once_is_looked_for_as_long_as_at_first() {
        if !*SEVERAL_PROCESSORS {
            return;
        }
        let spin = Spin::new(256);
        assert_eq!(looks_in_vain(&spin), 256);
        let mut looks = 0;
        assert!(spin.look(|| {
            looks += 1;
            looks == 10
        }));
        assert_eq!(looks_in_vain(&spin), 256);
    }
}
