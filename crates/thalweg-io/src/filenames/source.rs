//! File names as the source of a pipeline.

use std::iter;
use std::path::PathBuf;

use thalweg::{BuildError, Emitter, Source, Stop, Stream};

use super::Filenames;
use crate::watch::{Pause, Watch};

impl Source for Filenames {
    type Item = PathBuf;
    const KIND: &'static str = "filenames";

    fn label(&self) -> Option<String> {
        let name = self.pattern.file_name()?;
        Some(name.to_string_lossy().into_owned())
    }

    async fn run(&mut self, out: &Emitter<PathBuf>) -> Result<(), Stop> {
        let mut pause = Pause::new(self.poll_interval.clone()?, out);
        let mut watch = Watch::default();
        loop {
            if self.ready.is_empty() {
                match self.poll() {
                    Ok(names) => {
                        watch.well();
                        self.ready.extend(names);
                    }
                    Err(error) => watch.failed(error, out)?,
                }
            }
            out.emit_buffered(iter::from_fn(|| self.ready.pop_front()))
                .await?;
            pause.wait(out, || self.place()).await?;
        }
    }
}

/// File names as sources: [`Stream::filenames`](FromFilenames::filenames).
pub trait FromFilenames {
    /// Emits the paths of the files that match a pattern, given as a path with wildcards or as a configured
    /// [`Filenames`]: existing ones, sorted, and then new ones, without end. The name is streamz's.
    ///
    /// Checks are made when the system reports a change, or every 100 ms, or at the
    /// [`poll_interval`](Filenames::poll_interval).
    ///
    /// ```
    /// use thalweg::{Stream, VirtualClock};
    /// use thalweg_io::{Filenames, prelude::*};
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let dir = dir.path();
    /// std::fs::write(dir.join("a.csv"), "1\n")?;
    ///
    /// let clock = VirtualClock::new();
    /// let names = Stream::from_source_on(Filenames::new(dir.join("*.csv")), &clock);
    /// let list = names.sink_to_list();
    /// names.start()?;
    /// clock.run_until_idle();
    /// assert_eq!(list.take(), [dir.join("a.csv")]);
    ///
    /// std::fs::write(dir.join("b.csv"), "2\n")?;
    /// clock.advance(std::time::Duration::from_millis(100));
    /// assert_eq!(list.take(), [dir.join("b.csv")]);
    ///
    /// // The same on the current event loop, or on a loop thread.
    /// let names = Stream::filenames(dir.join("*.csv"));
    /// # names.check()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn filenames(pattern: impl Into<Filenames>) -> Stream<PathBuf>;
}

impl FromFilenames for Stream<PathBuf> {
    fn filenames(pattern: impl Into<Filenames>) -> Self {
        let names = pattern.into();
        let build_error = names.poll_interval.clone().err();
        let stream = Stream::from_source(names);
        if let Some(build_error) = build_error {
            stream.build_error(BuildError::new("filenames", build_error));
        }
        stream
    }
}
