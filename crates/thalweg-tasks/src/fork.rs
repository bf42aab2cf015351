//! Detection of forks of the process that owns an engine.

// For `pthread_atfork`, see `count_forks`.
#![allow(unsafe_code)]

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// The process that created this.
///
/// Each task checks that it is still the current one. Asking the system for the process id would cost as much as all
/// the rest of submitting a task, so forks are counted instead.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OwnerProcess {
    process: u32,
    forks: u32,
}

impl OwnerProcess {
    /// This process.
    pub(crate) fn here() -> Self {
        LazyLock::force(&IS_COUNTED);
        Self {
            process: std::process::id(),
            forks: FORKS.load(Ordering::Relaxed),
        }
    }

    /// The owner's process id, if this process is a fork of it.
    #[inline]
    pub(crate) fn elsewhere(&self) -> Option<u32> {
        let is_here = match *IS_COUNTED {
            true => self.forks == FORKS.load(Ordering::Relaxed),
            false => self.process == std::process::id(),
        };
        (!is_here).then_some(self.process)
    }

    /// Pretends that this process is a fork of that one.
    #[cfg(all(test, not(thalweg_loom)))]
    pub(crate) fn pretend(process: u32) -> Self {
        Self {
            process,
            forks: FORKS.load(Ordering::Relaxed).wrapping_add(1),
        }
    }
}

/// Number of forks between the process that first asked and this one.
static FORKS: AtomicU32 = AtomicU32::new(0);

/// Whether forks are counted. Otherwise the system is asked each time.
static IS_COUNTED: LazyLock<bool> = LazyLock::new(count_forks);

#[cfg(unix)]
fn count_forks() -> bool {
    extern "C" fn in_child() {
        FORKS.fetch_add(1, Ordering::Relaxed);
        // The task that has forked, and the tasks that wait for its thread, are the parent's.
        crate::place::forget();
        #[cfg(feature = "streams")]
        thalweg::note_fork();
    }
    // SAFETY: what is called in a child counts and changes variables of its thread, which is allowed after a fork.
    unsafe { libc::pthread_atfork(None, None, Some(in_child)) == 0 }
}

#[cfg(not(unix))]
fn count_forks() -> bool {
    false
}

#[cfg(all(test, unix, not(thalweg_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_forked_child_is_not_the_owner_process() {
        let owner = OwnerProcess::here();
        assert_eq!(owner.elsewhere(), None);
        // SAFETY: the child calls nothing but what is allowed after a fork of a process with threads.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let is_right = owner.elsewhere() == Some(owner.process);
            // SAFETY: it ends the child, without running anything of the parent's.
            unsafe { libc::_exit(i32::from(!is_right)) }
        }
        assert!(child > 0, "the system forks");
        let mut status = 0;
        // SAFETY: the status is written to a place of its own.
        let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
        assert_eq!((waited, status), (child, 0));
        assert_eq!(owner.elsewhere(), None);
    }
}
