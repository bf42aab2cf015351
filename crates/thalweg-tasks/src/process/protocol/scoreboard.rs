//! The task of each worker thread, and since when: written where the parent can read it even after the worker has died.
//! The time to load its function, with all imports, does not count as the task's.

use crate::process::system::{SharedFile, now};
use std::io;
use std::time::Duration;

/// An entry for each thread: the number of a task, whether its function is still being loaded, and when that or the
/// task started.
#[derive(Debug)]
pub(in crate::process) struct Scoreboard(SharedFile);

const LINE: usize = 16;

/// Entry of an idle thread.
const NOTHING: u64 = u64::MAX;

/// Flag of a task whose function is being loaded.
const IS_LOADING: u64 = 1 << 63;

/// What a thread is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::process) struct Entry {
    pub task: u64,
    /// For how long.
    pub time: Duration,
    /// Whether the task's function is being loaded: the task itself has yet to start.
    pub is_loading: bool,
}

impl Scoreboard {
    pub(crate) fn new(threads: u32) -> io::Result<Self> {
        let file = SharedFile::create("thalweg-scoreboard")?;
        file.write_at(&vec![0xff; threads as usize * LINE], 0)?;
        Ok(Self(file))
    }

    pub(crate) fn received(file: SharedFile) -> Self {
        Self(file)
    }

    pub(crate) fn file(&self) -> io::Result<SharedFile> {
        self.0.duplicate()
    }

    /// Records that a thread has started a task.
    pub(crate) fn begin(&self, thread: u32, task: u64) {
        self.write(thread, task);
    }

    /// Records that a thread loads the function of a task that it is about to start.
    pub(crate) fn load(&self, thread: u32, task: u64) {
        self.write(thread, task | IS_LOADING);
    }

    /// Records that a thread is idle.
    pub(crate) fn rest(&self, thread: u32) {
        self.write(thread, NOTHING);
    }

    fn write(&self, thread: u32, entry: u64) {
        let mut line = [0; LINE];
        line[..8].copy_from_slice(&entry.to_le_bytes());
        line[8..].copy_from_slice(&now().to_le_bytes());
        // If it fails, a death of this worker has no known cause, and nothing else is lost.
        let _ = self.0.write_at(&line, u64::from(thread) * LINE as u64);
    }

    /// The tasks that threads are running.
    pub(crate) fn read(&self) -> Vec<Entry> {
        let now = now();
        let mut tasks = Vec::new();
        let mut line = [0; LINE];
        let mut at = 0;
        while self.0.read_at(&mut line, at).is_ok() {
            at += LINE as u64;
            let (task, since) = line.split_at(8);
            let number = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().unwrap_or([0xff; 8]));
            if number(task) != NOTHING {
                tasks.push(Entry {
                    task: number(task) & !IS_LOADING,
                    time: Duration::from_nanos(now.saturating_sub(number(since))),
                    is_loading: number(task) & IS_LOADING != 0,
                });
            }
        }
        tasks
    }
}
