//! Handles of a pool's threads.

use std::thread::JoinHandle;

/// Minimum number of threads started or asked to end between two looks for finished ones.
const FEW: usize = 16;

/// Handles of threads that have not been joined. The stack of a finished thread stays in memory as long as its handle
/// exists, and each task that waits for others needs a thread for the time of its wait, so finished ones are removed now
/// and then.
#[derive(Default)]
pub(super) struct Handles {
    threads: Vec<JoinHandle<()>>,
    /// Number of threads started or asked to end since finished ones were last removed.
    changes: usize,
}

impl Handles {
    pub(super) fn add(&mut self, thread: JoinHandle<()>) {
        self.threads.push(thread);
        self.note_change();
    }

    /// Notes that a thread was started or asked to end.
    pub(super) fn note_change(&mut self) {
        self.changes += 1;
        if self.changes > FEW.max(self.threads.len() / 4) {
            self.threads.retain(|thread| !thread.is_finished());
            self.changes = 0;
        }
    }

    pub(super) fn pop(&mut self) -> Option<JoinHandle<()>> {
        self.threads.pop()
    }

    /// Whether all threads have ended.
    pub(super) fn are_finished(&self) -> bool {
        self.threads.iter().all(JoinHandle::is_finished)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::thread;

    #[test]
    fn finished_threads_are_removed_and_others_stay() {
        let mut handles = Handles::default();
        let (end, ends) = mpsc::channel::<()>();
        handles.add(thread::spawn(move || {
            // Until the sender is dropped.
            let _ = ends.recv();
        }));
        for _ in 0..200 {
            let thread = thread::spawn(|| {});
            while !thread.is_finished() {
                thread::yield_now();
            }
            handles.add(thread);
            assert!(handles.threads.len() <= FEW + 2);
        }
        assert!(!handles.are_finished());
        drop(end);
        while let Some(thread) = handles.pop() {
            assert!(thread.join().is_ok());
        }
    }
}
