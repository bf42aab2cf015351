//! A text file as the source of a pipeline.

use thalweg::{BuildError, Element, Emitter, Source, Stop, Stream};

use super::{Poll, TextFile, TextFileError};
use crate::watch::{Pause, Place, Watch};

impl<T: Element> Source for TextFile<T> {
    type Item = T;
    const KIND: &'static str = "from_textfile";

    fn label(&self) -> Option<String> {
        let name = self.path.file_name()?;
        Some(name.to_string_lossy().into_owned())
    }

    async fn run(&mut self, out: &Emitter<T>) -> Result<(), Stop> {
        if let Some(position) = &self.position {
            position.show(out);
        }
        let mut pause = Pause::new(self.poll_interval.clone()?, out);
        let mut watch = Watch::default();
        loop {
            match self.poll() {
                Ok(Poll::Line(line)) => {
                    watch.well();
                    self.emit_from(line, out).await?;
                }
                // Writers have an interval to release a file that has lost its name.
                Ok(Poll::Idle) if self.is_rotating() => {
                    watch.well();
                    pause.sleep(out).await?;
                }
                Ok(Poll::Idle) => {
                    watch.well();
                    pause.wait(out, || Place::File(self.path.clone())).await?;
                }
                Ok(Poll::End) => return Ok(()),
                Err(error) if error.is_passed_over() => {
                    out.report(error);
                    out.yield_now().await?;
                }
                Err(error) if self.follow => {
                    watch.failed(error, out)?;
                    pause.sleep(out).await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl<T: Element> TextFile<T> {
    /// Whether another file has the name of the one being read.
    fn is_rotating(&self) -> bool {
        let reading = self.reading.as_ref();
        reading.is_some_and(|reading| reading.tail.is_rotating())
    }

    /// Emits a line and those that have been read with it.
    async fn emit_from(&mut self, line: T, out: &Emitter<T>) -> Result<(), Stop> {
        let Some(reading) = &mut self.reading else {
            return out.emit(line).await;
        };
        if let Some(position) = &self.position {
            out.or_stop(position.room()).await??;
            let ack = position.ack(reading.lines.offset(), out.now());
            return out.emit_with(line, ack).await;
        }
        let fault = |error| TextFileError::line(&self.path, error).into();
        reading.lines.emit_from(line, out, fault).await
    }
}

/// Text files as sources: [`Stream::from_textfile`](FromTextFile::from_textfile).
pub trait FromTextFile {
    /// Conversion of a line to an element.
    type Line: Element;

    /// Emits the lines of a text file, given by its path or as a configured [`TextFile`]: existing ones, and then those
    /// that are added to it, without end, unless [`until_end`](TextFile::until_end) is set. The name is streamz's.
    ///
    /// The file is checked when the system reports a change, or every 100 ms, or at the
    /// [`poll_interval`](TextFile::poll_interval); see [`TextFile`] for rotation, truncation, missing files and
    /// failures.
    ///
    /// ```
    /// use thalweg::Stream;
    /// use thalweg_io::{TextFile, prelude::*};
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("readings.csv");
    /// std::fs::write(&path, "20.5\n20.7\n")?;
    /// let lines = Stream::from_textfile(TextFile::new(&path).until_end());
    /// let readings = lines.try_map(|line| line.parse::<f64>()).sink_to_list();
    /// lines.run("5s").wait()?;
    /// assert_eq!(readings.to_vec(), [20.5, 20.7]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// A log that is followed, and a pipeline that ends when asked to:
    ///
    /// ```
    /// # use thalweg::Stream;
    /// # use thalweg_io::prelude::*;
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("app.log");
    /// let lines = Stream::from_textfile(&path);
    /// let errors = lines.filter(|line| line.contains("ERROR")).sink_to_list();
    /// lines.start()?;
    /// // …
    /// lines.drain("5s").wait()?;
    /// # assert!(errors.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn from_textfile(file: impl Into<TextFile<Self::Line>>) -> Stream<Self::Line>;
}

impl<T: Element> FromTextFile for Stream<T> {
    type Line = T;

    fn from_textfile(file: impl Into<TextFile<T>>) -> Self {
        let file = file.into();
        let build_error = file.poll_interval.clone().err();
        let stream = Stream::from_source(file);
        if let Some(build_error) = build_error {
            stream.build_error(BuildError::new("from_textfile", build_error));
        }
        stream
    }
}
