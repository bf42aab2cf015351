//! A pair of barriers: a free one for the thread that passes all the time, and one that costs a system call for the
//! thread that passes once.
//!
//! If a thread writes A, passes [`light`] and reads B, and another writes B, passes [`heavy`] and reads A, then at
//! least one of them sees the other's write.

pub(super) use imp::{heavy, is_available, light};

#[cfg(all(target_os = "linux", not(thalweg_loom)))]
mod imp {
    use std::sync::OnceLock;
    use std::sync::atomic::{Ordering, compiler_fence};

    use rustix::thread::{MembarrierCommand, membarrier};

    /// Whether the system has such a barrier; registers this process for it.
    pub(in super::super) fn is_available() -> bool {
        static REGISTERED: OnceLock<bool> = OnceLock::new();
        *REGISTERED.get_or_init(|| membarrier(MembarrierCommand::RegisterPrivateExpedited).is_ok())
    }

    /// The other thread's barrier also runs on this processor; only the compiler must not reorder.
    #[inline(always)]
    pub(in super::super) fn light() {
        compiler_fence(Ordering::SeqCst);
    }

    /// Makes every processor that runs a thread of this process pass a full barrier.
    pub(in super::super) fn heavy() {
        let barrier = || membarrier(MembarrierCommand::PrivateExpedited);
        if barrier().is_err() {
            // The registration is lost in a forked process.
            let again =
                membarrier(MembarrierCommand::RegisterPrivateExpedited).and_then(|()| barrier());
            again.expect("the system had this barrier a moment ago");
        }
    }
}

#[cfg(thalweg_loom)]
mod imp {
    use loom::sync::atomic::{Ordering, fence};

    pub(in super::super) fn is_available() -> bool {
        true
    }

    pub(in super::super) fn light() {
        fence(Ordering::SeqCst);
    }

    pub(in super::super) fn heavy() {
        fence(Ordering::SeqCst);
    }
}

/// Without such a barrier no thread is ever given a bias, and neither function is needed.
#[cfg(not(any(target_os = "linux", thalweg_loom)))]
mod imp {
    use std::sync::atomic::{Ordering, fence};

    pub(in super::super) fn is_available() -> bool {
        false
    }

    pub(in super::super) fn light() {
        fence(Ordering::SeqCst);
    }

    pub(in super::super) fn heavy() {
        fence(Ordering::SeqCst);
    }
}
