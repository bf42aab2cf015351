//! Changes to files as the system reports them, so that sources check at once and not at the next interval.
//!
//! One watcher serves the process. If the system does not report changes, which is logged once, sources check at
//! intervals, as without the feature `file-events`.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use std::{process, thread};

use notify::event::{AccessKind, AccessMode, CreateKind, EventKind, ModifyKind};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};

/// Maximum number of events before the watcher's thread pauses for [`REST`]. Meanwhile the system merges equal events,
/// so that a permanent writer costs a few percent of a processor at most.
const BURST: u32 = 64;
const REST: Duration = Duration::from_millis(2);

/// Sets the function that is called if the system does not report changes, for example because of a limit: at most once,
/// with the reason and the remedy. By default this goes to the [`log`] crate.
///
/// ```
/// thalweg_io::file_events::on_fallback(|text| eprintln!("{text}"));
/// ```
pub fn on_fallback(f: fn(&str)) {
    let _ = ON_FALLBACK.set(f);
}

static ON_FALLBACK: OnceLock<fn(&str)> = OnceLock::new();

/// Reports an error once.
fn fall_back(error: &notify::Error) {
    static SAID: OnceLock<()> = OnceLock::new();
    if SAID.set(()).is_err() {
        return;
    }
    let text = format!(
        "the system does not tell of changes to files, which are looked at from time to time instead: {error}; \
         on Linux, raise fs.inotify.max_user_watches or max_user_instances"
    );
    match ON_FALLBACK.get() {
        Some(f) => f(&text),
        None => log::warn!("{text}"),
    }
}

/// Relevant changes in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Changes {
    /// New and removed names.
    Names,
    /// Any change to one name.
    Of(OsString),
}

/// When to check for a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum When {
    /// When the new file is closed, or at the next interval.
    Soon,
    Now,
}

/// Why a directory is not watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotWatched {
    /// The directory does not exist yet.
    NoDirectory,
    /// The system does not report its changes.
    Never,
}

/// Watches a directory until it is dropped.
#[derive(Debug)]
pub(crate) struct Watched {
    interest: Arc<Interest>,
    hub: Arc<Hub>,
    directory: PathBuf,
    id: DirectoryId,
}

/// Device and inode, if the system has them: a directory may be replaced under the same name.
type DirectoryId = (u64, u64);

impl Watched {
    /// Begins to watch a directory.
    pub(crate) fn new(directory: &Path, changes: Changes) -> Result<Self, NotWatched> {
        let directory = match directory.as_os_str().is_empty() {
            true => Path::new("."),
            false => directory,
        };
        let Ok(directory) = fs::canonicalize(directory) else {
            return Err(NotWatched::NoDirectory);
        };
        if is_far_away(&directory) {
            return Err(NotWatched::Never);
        }
        let hub = hub().map_err(|error| not_watched(&error))?;
        let id = id_of(&directory).ok_or(NotWatched::NoDirectory)?;
        let interest = Arc::new(Interest {
            changes,
            state: Mutex::default(),
        });
        let added = hub.add(&directory, id, &interest);
        // Outside of any lock: the reporting function may take another.
        added.map_err(|error| not_watched(&error))?;
        Ok(Self {
            interest,
            hub,
            directory,
            id,
        })
    }

    /// Whether the watched directory still has this name.
    pub(crate) fn is_current(&self) -> bool {
        id_of(&self.directory) == Some(self.id)
    }

    /// Waits for a change since the last call that is at least as urgent.
    pub(crate) fn changed(&self, at_least: When) -> Changed<'_> {
        Changed {
            interest: &self.interest,
            at_least,
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // Dropping a waker may block, which must not happen on the watcher's thread.
        let waiting = lock(&self.interest.state).waiting.take();
        drop(waiting);
        self.hub.remove(&self.directory, &self.interest);
    }
}

fn not_watched(error: &notify::Error) -> NotWatched {
    use std::io::ErrorKind::{NotFound, PermissionDenied};

    match &error.kind {
        notify::ErrorKind::PathNotFound => return NotWatched::NoDirectory,
        notify::ErrorKind::Io(cause) if matches!(cause.kind(), NotFound | PermissionDenied) => {
            return NotWatched::NoDirectory;
        }
        _ => {}
    }
    fall_back(error);
    NotWatched::Never
}

#[cfg(unix)]
fn id_of(directory: &Path) -> Option<DirectoryId> {
    use std::os::unix::fs::MetadataExt;
    let found = fs::metadata(directory).ok()?;
    Some((found.dev(), found.ino()))
}

#[cfg(not(unix))]
fn id_of(directory: &Path) -> Option<DirectoryId> {
    directory.is_dir().then_some((0, 0))
}

/// Whether another machine may change files there, which this system does not notice.
#[cfg(target_os = "linux")]
fn is_far_away(directory: &Path) -> bool {
    // NFS, SMB, CIFS, SMB2, FUSE, 9P, AFS, Ceph, Coda, NCP, Lustre, GPFS, VirtualBox.
    const FAR: [u32; 13] = [
        0x6969,
        0x517b,
        0xff53_4d42,
        0xfe53_4d42,
        0x6573_5546,
        0x0102_1997,
        0x5346_414f,
        0x00c3_6400,
        0x7375_7245,
        0x564c,
        0x0bd0_0bd0,
        0x4750_4653,
        0x786f_4256,
    ];
    rustix::fs::statfs(directory)
        .is_ok_and(|found| u32::try_from(found.f_type).is_ok_and(|kind| FAR.contains(&kind)))
}

#[cfg(not(target_os = "linux"))]
fn is_far_away(_: &Path) -> bool {
    false
}

/// A watched change, and who waits for it.
#[derive(Debug)]
struct Interest {
    changes: Changes,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    change: Option<When>,
    waiting: Option<Waker>,
}

impl Interest {
    fn concerns(&self, event: &Event, path: &Path) -> Option<When> {
        match &self.changes {
            Changes::Names => match event.kind {
                EventKind::Access(AccessKind::Close(AccessMode::Write)) => Some(When::Now),
                EventKind::Create(CreateKind::Folder) => Some(When::Now),
                EventKind::Create(_) => Some(When::Soon),
                EventKind::Access(_) => None,
                EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Metadata(_)) => None,
                _ => Some(When::Now),
            },
            Changes::Of(name) => {
                let is_it = path.file_name().is_none_or(|changed| changed == name);
                (is_it && !event.kind.is_access()).then_some(When::Now)
            }
        }
    }

    /// Notes a change; returns whether to wake the waiting task.
    fn change(&self, when: When) -> bool {
        let mut state = lock(&self.state);
        let is_more = state.change < Some(when);
        state.change = state.change.max(Some(when));
        is_more && state.waiting.is_some()
    }

    /// Called outside of any lock: waking may need a lock whose holder waits for ours.
    fn wake(&self) {
        let waiting = lock(&self.state).waiting.take();
        if let Some(waiting) = waiting {
            waiting.wake();
        }
    }
}

/// Waits for a change.
pub(crate) struct Changed<'a> {
    interest: &'a Interest,
    at_least: When,
}

impl Future for Changed<'_> {
    type Output = When;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<When> {
        let mut state = lock(&self.interest.state);
        if let Some(when) = state.change
            && when >= self.at_least
        {
            state.change = None;
            return Poll::Ready(when);
        }
        let before = state.waiting.replace(cx.waker().clone());
        drop(state);
        drop(before);
        Poll::Pending
    }
}

/// The watcher of the process, and all watched changes.
#[derive(Debug)]
struct Hub {
    /// Locked to watch or unwatch a directory, never on the watcher's own thread.
    watcher: Mutex<RecommendedWatcher>,
    directories: Arc<Directories>,
}

type Directories = Mutex<HashMap<PathBuf, (DirectoryId, Vec<Weak<Interest>>)>>;

/// The watcher of the process. A forked process needs a new one, because it has none of the threads.
fn hub() -> Result<Arc<Hub>, notify::Error> {
    static CURRENT: Mutex<Option<(u32, Arc<Hub>)>> = Mutex::new(None);
    let mut current = lock(&CURRENT);
    if let Some((process, hub)) = &*current
        && *process == process::id()
    {
        return Ok(hub.clone());
    }
    let hub = Arc::new(Hub::start()?);
    // Dropping the old one would wait for threads that a forked process does not have.
    std::mem::forget(current.replace((process::id(), hub.clone())));
    Ok(hub)
}

impl Hub {
    fn start() -> Result<Self, notify::Error> {
        let directories = Arc::new(Directories::default());
        let (sender, changed) = channel();
        let inlet = Inlet {
            directories: directories.clone(),
            changed: sender,
            since: Instant::now(),
            count: 0,
        };
        let watcher = notify::recommended_watcher(inlet)?;
        let woken = thread::Builder::new().name("thalweg-files".to_owned());
        woken
            .spawn(move || wake_all(&changed))
            .map_err(notify::Error::io)?;
        Ok(Self {
            watcher: Mutex::new(watcher),
            directories,
        })
    }

    fn add(
        &self,
        directory: &Path,
        id: DirectoryId,
        interest: &Arc<Interest>,
    ) -> Result<(), notify::Error> {
        let mut watcher = lock(&self.watcher);
        let known = lock(&self.directories).get(directory).map(|(id, _)| *id);
        if known != Some(id) {
            if known.is_some() {
                // The previous directory may have been removed without an event.
                let _ = watcher.unwatch(directory);
            }
            watcher.watch(directory, RecursiveMode::NonRecursive)?;
        }
        let mut directories = lock(&self.directories);
        let (current, interests) = directories.entry(directory.to_owned()).or_default();
        *current = id;
        interests.push(Arc::downgrade(interest));
        Ok(())
    }

    fn remove(&self, directory: &Path, interest: &Arc<Interest>) {
        let mut watcher = lock(&self.watcher);
        let mut directories = lock(&self.directories);
        let Some((_, interests)) = directories.get_mut(directory) else {
            return;
        };
        interests.retain(|other| {
            other.strong_count() > 0 && !std::ptr::eq(other.as_ptr(), Arc::as_ptr(interest))
        });
        if interests.is_empty() {
            directories.remove(directory);
            // The watcher's thread may need this lock before it unwatches.
            drop(directories);
            let _ = watcher.unwatch(directory);
        }
    }
}

/// Receives events, on the watcher's own thread. Another thread wakes tasks, which may block.
struct Inlet {
    directories: Arc<Directories>,
    changed: Sender<Arc<Interest>>,
    since: Instant,
    count: u32,
}

impl notify::EventHandler for Inlet {
    fn handle_event(&mut self, event: notify::Result<Event>) {
        match event {
            // Events may have been lost.
            Ok(event) if event.need_rescan() => self.tell(|_, _| Some(When::Now)),
            Err(_) => self.tell(|_, _| Some(When::Now)),
            Ok(event) => self.tell(|directory, interest| {
                let paths = event.paths.iter();
                let here =
                    paths.filter(|path| path.parent() == Some(directory) || *path == directory);
                here.filter_map(|path| interest.concerns(&event, path))
                    .max()
            }),
        }
        self.rest();
    }
}

impl Inlet {
    fn tell(&self, when: impl Fn(&Path, &Interest) -> Option<When>) {
        let directories = lock(&self.directories);
        for (directory, (_, interests)) in &*directories {
            for interest in interests.iter().filter_map(Weak::upgrade) {
                if let Some(when) = when(directory, &interest)
                    && interest.change(when)
                {
                    let _ = self.changed.send(interest);
                }
            }
        }
    }

    fn rest(&mut self) {
        self.count += 1;
        if self.count >= BURST {
            if self.since.elapsed() < REST {
                thread::sleep(REST);
            }
            (self.count, self.since) = (0, Instant::now());
        }
    }
}

fn wake_all(changed: &Receiver<Arc<Interest>>) {
    while let Ok(interest) = changed.recv() {
        interest.wake();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn only_changes_of_watched_names_are_reported() {
        let dir = tempfile::tempdir().unwrap();
        let one = Watched::new(dir.path(), Changes::Of("one".into())).unwrap();
        let two = Watched::new(dir.path(), Changes::Of("two".into())).unwrap();
        let names = Watched::new(dir.path(), Changes::Names).unwrap();
        let file = fs::File::create(dir.path().join("one")).unwrap();
        pollster::block_on(one.changed(When::Now));
        assert_eq!(pollster::block_on(names.changed(When::Soon)), When::Soon);
        drop(file);
        if cfg!(target_os = "linux") {
            assert_eq!(pollster::block_on(names.changed(When::Soon)), When::Now);
        }
        assert!(lock(&two.interest.state).change.is_none());
        fs::rename(dir.path().join("one"), dir.path().join("two")).unwrap();
        pollster::block_on(two.changed(When::Now));
        pollster::block_on(names.changed(When::Now));
    }

    #[test]
    fn a_recreated_directory_is_watched_anew() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("inner");
        assert_eq!(
            Watched::new(&inner, Changes::Names).unwrap_err(),
            NotWatched::NoDirectory
        );
        fs::create_dir(&inner).unwrap();
        let before = Watched::new(&inner, Changes::Names).unwrap();
        assert!(before.is_current());
        fs::rename(&inner, dir.path().join("old")).unwrap();
        fs::create_dir(&inner).unwrap();
        assert!(!before.is_current());
        let after = Watched::new(&inner, Changes::Names).unwrap();
        drop(before);
        fs::write(inner.join("a"), "").unwrap();
        pollster::block_on(after.changed(When::Soon));
    }

    #[test]
    fn events_without_a_waiter_are_not_kept() {
        let dir = tempfile::tempdir().unwrap();
        let watched = Watched::new(dir.path(), Changes::Names).unwrap();
        let (hub, directory) = (watched.hub.clone(), watched.directory.clone());
        assert!(lock(&hub.directories).contains_key(&directory));
        drop(watched);
        assert!(!lock(&hub.directories).contains_key(&directory));
    }
}
