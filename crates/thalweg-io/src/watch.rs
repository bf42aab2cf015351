//! Repeated checks, which may fail for a while.

use std::error::Error;
use std::path::PathBuf;
#[cfg(feature = "file-events")]
use std::task::Poll;
use std::time::Duration;

use thalweg::{Element, Emitter, Stop};

#[cfg(feature = "file-events")]
use {
    crate::file_events::{Changes, NotWatched, Watched, When},
    std::time::Instant,
};

/// Result of the last check.
#[derive(Clone, Copy, Default)]
pub(crate) enum Watch {
    /// There was none.
    #[default]
    New,
    Well,
    Failing,
}

impl Watch {
    /// A check succeeded.
    pub(crate) fn well(&mut self) {
        *self = Self::Well;
    }

    /// A check failed: the first failure ends the source; later ones are reported once in a row, and checks continue.
    pub(crate) fn failed<T, E>(&mut self, error: E, out: &Emitter<T>) -> Result<(), Stop>
    where
        T: Element,
        E: Error + Send + Sync + 'static,
    {
        match std::mem::replace(self, Self::Failing) {
            Self::New => return Err(error.into()),
            Self::Well => out.report(error),
            Self::Failing => {}
        }
        Ok(())
    }
}

/// What a source checks.
#[cfg_attr(
    not(all(feature = "file-events", feature = "filenames", feature = "textfile")),
    allow(dead_code, reason = "each source has its own")
)]
pub(crate) enum Place {
    /// The file of this path.
    File(PathBuf),
    /// The names in this directory.
    Directory(PathBuf),
    /// Several of them.
    Many,
}

/// Waits between two checks: for an interval, or for the system to report a change.
pub(crate) struct Pause {
    interval: Duration,
    #[cfg(feature = "file-events")]
    events: Events,
    /// When the last check started.
    #[cfg(feature = "file-events")]
    looked: Instant,
}

#[cfg(feature = "file-events")]
enum Events {
    /// They are to be requested.
    Wanted,
    Watched(Watched),
    /// There are none.
    None,
}

/// How long a check is deferred while a writer writes all the time.
#[cfg(feature = "file-events")]
const GAP: Duration = Duration::from_millis(5);

/// Minimum pause as a multiple of the last check's duration: a large directory takes a while.
#[cfg(feature = "file-events")]
const SHARE: u32 = 3;

/// How much less often checks are made if the system reports changes, and their minimum rate: writes through mapped
/// memory, for example, are not reported.
#[cfg(feature = "file-events")]
const LESS_OFTEN: u32 = if cfg!(target_os = "linux") { 10 } else { 1 };
#[cfg(feature = "file-events")]
const OFTEN_ENOUGH: Duration = Duration::from_secs(1);

impl Pause {
    pub(crate) fn new<T: Element>(interval: Duration, out: &Emitter<T>) -> Self {
        #[cfg(not(feature = "file-events"))]
        let _ = out;
        Self {
            interval,
            #[cfg(feature = "file-events")]
            events: match out.is_real_time() && !interval.is_zero() {
                true => Events::Wanted,
                false => Events::None,
            },
            #[cfg(feature = "file-events")]
            looked: Instant::now(),
        }
    }

    /// Waits for the interval, whatever happens.
    pub(crate) async fn sleep<T: Element>(&self, out: &Emitter<T>) -> Result<(), Stop> {
        out.sleep(self.interval).await
    }

    /// Waits for the next check of `place`.
    #[cfg(not(feature = "file-events"))]
    pub(crate) async fn wait<T: Element>(
        &mut self,
        out: &Emitter<T>,
        _: impl FnOnce() -> Place,
    ) -> Result<(), Stop> {
        self.sleep(out).await
    }

    /// Waits for the next check of `place`.
    #[cfg(feature = "file-events")]
    pub(crate) async fn wait<T: Element>(
        &mut self,
        out: &Emitter<T>,
        place: impl FnOnce() -> Place,
    ) -> Result<(), Stop> {
        let gap = (self.looked.elapsed() * SHARE).clamp(GAP, OFTEN_ENOUGH);
        let gap = gap.min(self.interval);
        let waited = self.wait_for_change(out, place, gap).await;
        self.looked = Instant::now();
        waited
    }

    #[cfg(feature = "file-events")]
    async fn wait_for_change<T: Element>(
        &mut self,
        out: &Emitter<T>,
        place: impl FnOnce() -> Place,
        gap: Duration,
    ) -> Result<(), Stop> {
        match &self.events {
            Events::None => self.sleep(out).await,
            Events::Wanted => {
                self.events = ask(place());
                match self.events {
                    // Earlier changes were not reported.
                    Events::Watched(_) => out.yield_now().await,
                    _ => self.sleep(out).await,
                }
            }
            Events::Watched(watched) => {
                let longer = (self.interval * LESS_OFTEN).min(OFTEN_ENOUGH);
                let longer = longer.max(self.interval);
                match first(watched.changed(When::Soon), out.sleep(longer)).await {
                    First::One(When::Now) => return out.sleep(gap).await,
                    First::One(When::Soon) => {
                        let closed = watched.changed(When::Now);
                        return match first(closed, out.sleep(self.interval)).await {
                            First::One(_) => out.sleep(gap).await,
                            First::Other(slept) => slept,
                        };
                    }
                    First::Other(slept) => slept?,
                }
                if !watched.is_current() {
                    self.events = Events::Wanted;
                }
                Ok(())
            }
        }
    }
}

#[cfg(feature = "file-events")]
enum First<A, B> {
    One(A),
    Other(B),
}

/// Waits for the first of two futures.
#[cfg(feature = "file-events")]
async fn first<A, B>(one: impl Future<Output = A>, other: impl Future<Output = B>) -> First<A, B> {
    let (mut one, mut other) = (std::pin::pin!(one), std::pin::pin!(other));
    std::future::poll_fn(move |cx| {
        if let Poll::Ready(result) = other.as_mut().poll(cx) {
            return Poll::Ready(First::Other(result));
        }
        one.as_mut().poll(cx).map(First::One)
    })
    .await
}

/// Requests reports of changes.
#[cfg(feature = "file-events")]
fn ask(place: Place) -> Events {
    let asked = match place {
        Place::Directory(directory) => Watched::new(&directory, Changes::Names),
        // The target of a link changes elsewhere.
        Place::File(path) if path.is_symlink() => return Events::None,
        Place::File(path) => match (path.parent(), path.file_name()) {
            (Some(directory), Some(name)) => Watched::new(directory, Changes::Of(name.to_owned())),
            _ => return Events::None,
        },
        Place::Many => return Events::None,
    };
    match asked {
        Ok(watched) => Events::Watched(watched),
        Err(NotWatched::NoDirectory) => Events::Wanted,
        Err(NotWatched::Never) => Events::None,
    }
}

#[cfg(all(
    test,
    feature = "file-events",
    feature = "filenames",
    feature = "textfile"
))]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs::{self, File};
    use std::io::Write;

    use thalweg::Stream;

    use super::*;
    use crate::{Filenames, TextFile, prelude::*};

    fn until(is_so: impl Fn() -> bool) {
        while !is_so() {
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_file_event_is_handled_before_the_poll_interval() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut log = File::create(&path).unwrap();
        let names = Stream::filenames(Filenames::new(dir.path()).poll_interval("1h"));
        let lines = Stream::from_textfile(TextFile::new(&path).poll_interval("1h"));
        let (found, read) = (names.sink_to_list(), lines.sink_to_list());
        names.start().unwrap();
        lines.start().unwrap();
        until(|| found.len() == 1);
        for number in 1..=3 {
            writeln!(log, "{number}").unwrap();
            until(|| read.len() == number);
            fs::write(dir.path().join(format!("{number}.csv")), "").unwrap();
            until(|| found.len() == 1 + number);
        }
        // Truncated, and written anew.
        log.set_len(0).unwrap();
        fs::write(&path, "another\n").unwrap();
        until(|| read.len() == 4);
        assert_eq!(read.to_vec(), ["1", "2", "3", "another"]);
        names.drain("30s").wait().unwrap();
        lines.drain("30s").wait().unwrap();
    }

    #[test]
    fn symlinks_and_several_directories_are_polled() {
        let dir = tempfile::tempdir().unwrap();
        let is_none = |place| matches!(ask(place), Events::None);
        assert!(is_none(Place::Many));
        assert!(!is_none(Place::File(dir.path().join("none"))));
        let later = ask(Place::Directory(dir.path().join("none")));
        assert!(matches!(later, Events::Wanted));
        #[cfg(unix)]
        {
            let link = dir.path().join("link");
            std::os::unix::fs::symlink("elsewhere", &link).unwrap();
            assert!(is_none(Place::File(link)));
        }
    }
}
