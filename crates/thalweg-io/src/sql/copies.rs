//! Files that another copy of SQLite in this process has open.
//!
//! SQLite locks files by locks of the whole process, which its connections share. So two copies of the library in one
//! process, such as this crate's and that of Python's `sqlite3`, do not see each other's locks, and damage a file that both
//! write to. See "How To Corrupt An SQLite Database File", section 2.2.1. A second copy cannot be stopped, but be noticed: the
//! process has more descriptors for the file than connections of this crate.
//!
//! A second copy also takes itself for the only user of a file when it closes its connection, and then removes the
//! write-ahead log: what is written to it afterwards would be seen by nobody else, and lost with the process. That is noticed
//! before each transaction, and the file is opened again.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use std::{fs, io};

/// Interval of looking for other copies.
const INTERVAL: Duration = Duration::from_secs(1);

/// Has connections look for other copies of SQLite that have their file open, and sets the function that is told, once per
/// connection. For programs that contain another copy: in a Rust program all crates share one. Works on Linux.
///
/// ```
/// thalweg_io::sql::on_other_copy(|text| eprintln!("{text}"));
/// ```
pub fn on_other_copy(f: fn(&str)) {
    let _ = ON_OTHER_COPY.set(f);
}

static ON_OTHER_COPY: OnceLock<fn(&str)> = OnceLock::new();

/// Connections of this crate to each file.
static FILES: Mutex<Option<HashMap<PathBuf, Connections>>> = Mutex::new(None);

#[derive(Default)]
struct Connections {
    open: usize,
    /// Opened since there was none. SQLite may keep descriptors of closed ones.
    opened: usize,
}

/// A connection's look-out for other copies.
pub(super) struct OtherCopies {
    path: PathBuf,
    /// Name of the write-ahead log, and which file had it last.
    log: PathBuf,
    known_log: Option<FileId>,
    /// `None` once they have been reported.
    next_look: Option<Instant>,
}

impl OtherCopies {
    /// Counts a connection to a file; `None` if nobody is to be told, or it is in memory.
    pub(super) fn of(path: Option<&str>) -> Option<Self> {
        ON_OTHER_COPY.get()?;
        let path = fs::canonicalize(path.filter(|path| !path.is_empty())?).ok()?;
        let mut files = files();
        let connections = files
            .get_or_insert_default()
            .entry(path.clone())
            .or_default();
        connections.open += 1;
        connections.opened += 1;
        let mut log = path.clone().into_os_string();
        log.push("-wal");
        Some(Self {
            path,
            log: log.into(),
            known_log: None,
            next_look: Some(Instant::now()),
        })
    }

    /// Notes which file is the write-ahead log, once a transaction has opened it.
    pub(super) fn note_log(&mut self) {
        self.known_log = file_id(&self.log);
    }

    /// Whether the write-ahead log has been removed or replaced since it was noted.
    pub(super) fn has_lost_log(&self) -> bool {
        self.known_log.is_some() && self.known_log != file_id(&self.log)
    }

    /// Reports another copy, once.
    pub(super) fn look(&mut self) {
        let (Some(report), Some(next_look)) = (ON_OTHER_COPY.get(), self.next_look) else {
            return;
        };
        let now = Instant::now();
        if now < next_look {
            return;
        }
        self.next_look = now.checked_add(INTERVAL);
        let opened = files()
            .as_ref()
            .and_then(|files| files.get(&self.path))
            .map_or(usize::MAX, |connections| connections.opened);
        if descriptors(&self.path).is_ok_and(|count| count > opened) {
            self.next_look = None;
            report(&format!(
                "sqlite:{} is also open in this program outside thalweg, by Python's `sqlite3` for example: that is another \
                 copy of SQLite, the two do not see each other's locks, and may damage the file; close the other connection \
                 first, or use it in a process of its own",
                self.path.display()
            ));
        }
    }
}

impl Drop for OtherCopies {
    fn drop(&mut self) {
        let mut files = files();
        let Some(files) = files.as_mut() else {
            return;
        };
        if let Some(connections) = files.get_mut(&self.path) {
            connections.open -= 1;
            if connections.open == 0 {
                files.remove(&self.path);
            }
        }
    }
}

fn files() -> MutexGuard<'static, Option<HashMap<PathBuf, Connections>>> {
    FILES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Device and number of a file.
type FileId = (u64, u64);

#[cfg(unix)]
fn file_id(path: &Path) -> Option<FileId> {
    use std::os::unix::fs::MetadataExt;

    let metadata = fs::metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

/// Elsewhere, open files cannot be removed.
#[cfg(not(unix))]
fn file_id(_: &Path) -> Option<FileId> {
    None
}

/// Number of this process's descriptors for a file.
fn descriptors(path: &Path) -> io::Result<usize> {
    let all = fs::read_dir("/proc/self/fd")?;
    let links = all.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    Ok(links.filter(|link| link == path).count())
}
