//! Text files: as a source, existing and added lines; as a sink, a line for each element.

mod content;
mod error;
mod sink;
mod source;
mod tail;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use error::TextFileError;
pub use sink::{SinkToTextFile, TextFileSink};
pub use source::FromTextFile;
use tail::{CHUNK, Look, Start, Tail};
use thalweg::interval::{IntervalError, IntoInterval, wait};

use crate::lines::LineBuffer;
use crate::{Lines, Position};

/// A text file as a source of lines: existing ones, and then those that are added, without end.
///
/// The name is streamz's `from_textfile`; unlike there, lines are emitted without their `\n` unless
/// [`Lines::keep_delimiter`] is set.
///
/// # What happens when the file …
///
/// - **does not exist**: the source waits for it. With [`until_end`](Self::until_end) that is an error.
/// - **ends without a line ending**: the last line is held back until its ending arrives. With `until_end` it is
///   emitted at the end.
/// - **is renamed or removed**: reading continues, until another file has its name.
/// - **is replaced** (a log is rotated): the old file is read to its end first, plus one more `poll_interval` for
///   writers that still hold it; then the new one is read from its first byte. An incomplete line at the old one's end
///   is emitted. A file that gets and loses the name between two checks is missed: keep `poll_interval` below the time
///   between rotations.
/// - **is truncated**: it is read again from its first byte, and the incomplete line read before is emitted. That is
///   also noticed if the file has grown past the old position by the next check, unless the 64 bytes before that
///   position are unchanged.
/// - **cannot be read**: that is an error which names it.
///
/// Every complete line is emitted once, in order. Files are distinguished by device and inode on Unix; elsewhere a file
/// shorter than the one being read is assumed to be another.
///
/// # In a pipeline
///
/// [`Stream::from_textfile`](FromTextFile::from_textfile) makes a stream of it. Stopped and started again, it continues
/// with the line after the last one emitted. An invalid line is a failure of the source's node, and reading continues
/// with the next one. A file that cannot be read ends the source; if the file was being followed already, the error is
/// reported, and checks continue until it can be read, without loss.
///
/// With the feature `file-events`, where the system reports changes, the file is checked within milliseconds of one,
/// and otherwise every second. It is checked every `poll_interval` on network file systems, if it is a link, and on a
/// virtual clock.
///
/// # Without one
///
/// ```
/// use std::io::Write;
/// use thalweg_io::{TextFile, textfile::Poll};
///
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("readings.csv");
/// let mut writer = std::fs::File::create(&path)?;
/// writer.write_all(b"20.5\n20.7\n20")?;
///
/// let mut file = TextFile::new(&path);
/// assert_eq!(file.poll()?, Poll::Line("20.5".to_string()));
/// assert_eq!(file.poll()?, Poll::Line("20.7".to_string()));
/// assert_eq!(file.poll()?, Poll::Idle);
///
/// writer.write_all(b".9\n")?;
/// assert_eq!(file.poll()?, Poll::Line("20.9".to_string()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TextFile<T = String> {
    path: PathBuf,
    lines: Lines<T>,
    follow: bool,
    /// Whether reading starts with the last line of the existing content, or after this many bytes.
    from_end: Option<u64>,
    poll_interval: Result<Duration, IntervalError>,
    chunk: usize,
    position: Option<Position>,
    reading: Option<Reading<T>>,
}

/// Result of polling a [`TextFile`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Poll<T> {
    /// A line.
    Line(T),
    /// Nothing new: poll again after the [`poll_interval`](TextFile::poll_interval).
    Idle,
    /// The file has been read to its end, and is not followed.
    End,
}

struct Reading<T> {
    tail: Tail,
    lines: LineBuffer<T>,
    ended: bool,
}

impl TextFile<String> {
    /// Follows the file with this name from its first line on. Nothing is opened before the first poll.
    pub fn new(path: impl AsRef<Path>) -> Self {
        Self {
            path: path.as_ref().to_owned(),
            lines: Lines::text(),
            follow: true,
            from_end: None,
            poll_interval: Ok(Duration::from_millis(100)),
            chunk: CHUNK,
            position: None,
            reading: None,
        }
    }
}

impl<T> TextFile<T> {
    /// How the text is split into lines and decoded. Reading starts over.
    pub fn lines<U>(self, lines: Lines<U>) -> TextFile<U> {
        TextFile {
            path: self.path,
            lines,
            follow: self.follow,
            from_end: self.from_end,
            poll_interval: self.poll_interval,
            chunk: self.chunk,
            position: self.position,
            reading: None,
        }
    }

    /// Ends with the file's end instead of following it.
    pub fn until_end(mut self) -> Self {
        self.follow = false;
        self
    }

    /// Skips the lines that exist when reading starts. An incomplete last line is not skipped, so that the first
    /// emitted line is a complete one.
    pub fn from_end(mut self) -> Self {
        self.from_end = Some(u64::MAX);
        self
    }

    /// Skips the lines within the first `len` bytes: those that existed when the file had that length. Lines added
    /// since are emitted.
    pub fn from_end_of(mut self, len: u64) -> Self {
        self.from_end = Some(len);
        self
    }

    /// Continues after a position, an offset in bytes, if it has a value, and advances it: for a file that only grows.
    /// One that has become shorter is read from its first byte. Effective in a pipeline only.
    ///
    /// A last line without an ending, emitted because of [`until_end`](Self::until_end), counts as read; text added to
    /// it later is the next line.
    pub fn position(mut self, position: &Position) -> Self {
        self.position = Some(position.clone());
        self
    }

    /// Interval of checks when there was nothing new: a duration, a number of seconds, or a text such as `"2s"`; 100 ms
    /// by default. With zero it is checked again as soon as other tasks of the event loop have had a turn. An invalid
    /// time is a build error, which the pipeline reports.
    pub fn poll_interval(mut self, interval: impl IntoInterval) -> Self {
        self.poll_interval = wait(interval);
        self
    }

    /// Takes what has been read of the file and not returned: complete lines, then the last one, which has no ending.
    /// `None` when nothing is left. Does not read the file.
    ///
    /// For callers that stop reading for good and want the incomplete line as well.
    ///
    /// # Errors
    ///
    /// [`TextFileError::Line`]; the next call continues with the next line.
    ///
    /// ```
    /// use thalweg_io::{TextFile, textfile::Poll};
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("readings.csv");
    /// std::fs::write(&path, "20.5\n20")?;
    /// let mut file = TextFile::new(&path);
    /// assert_eq!(file.poll()?, Poll::Line("20.5".to_string()));
    /// assert_eq!(file.poll()?, Poll::Idle);
    /// assert_eq!(file.take_rest()?, Some("20".to_string()));
    /// assert_eq!(file.take_rest()?, None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn take_rest(&mut self) -> Result<Option<T>, TextFileError> {
        let Some(Reading { lines, .. }) = &mut self.reading else {
            return Ok(None);
        };
        let line = lines.next_line().or_else(|| lines.finish());
        line.transpose()
            .map_err(|error| TextFileError::line(&self.path, error))
    }

    /// Returns the next line, without waiting for one. Pipelines call it; it needs none.
    ///
    /// Reads at most 64 KiB at a time, on the calling thread.
    ///
    /// # Errors
    ///
    /// See [`TextFileError`]. The next call continues where it can: with the next line after an invalid one, with
    /// another attempt to read the file otherwise.
    pub fn poll(&mut self) -> Result<Poll<T>, TextFileError> {
        let Reading { tail, lines, ended } = match &mut self.reading {
            Some(reading) => reading,
            none => {
                let buffer = self.lines.buffer();
                let lines = buffer.map_err(|error| TextFileError::line(&self.path, error))?;
                let kept = self.position.as_ref().and_then(Position::value);
                let kept = kept.and_then(|value| value.parse().ok());
                let start = match (kept, self.from_end) {
                    (Some(offset), _) => Start::At(offset),
                    (None, Some(len)) => Start::AfterLast(self.lines.ending().to_owned(), len),
                    (None, None) => Start::Beginning,
                };
                let tail = Tail::new(self.path.clone(), self.follow, start, self.chunk);
                none.insert(Reading {
                    tail,
                    lines,
                    ended: false,
                })
            }
        };
        loop {
            let mut line = lines.next_line();
            if line.is_none() {
                if *ended {
                    return Ok(Poll::End);
                }
                match tail.look()? {
                    Look::Bytes(bytes) => {
                        lines.push(bytes);
                        continue;
                    }
                    Look::OtherContent(offset) => {
                        line = lines.finish();
                        lines.restart(offset);
                    }
                    Look::Nothing => return Ok(Poll::Idle),
                    Look::End => {
                        *ended = true;
                        line = lines.finish();
                    }
                }
            }
            match line {
                Some(Ok(line)) => return Ok(Poll::Line(line)),
                Some(Err(error)) => return Err(TextFileError::line(&self.path, error)),
                None => {}
            }
        }
    }
}

impl<T> fmt::Debug for TextFile<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TextFile")
            .field("path", &self.path)
            .field("lines", &self.lines)
            .field("follow", &self.follow)
            .field("from_end", &self.from_end)
            .field("poll_interval", &self.poll_interval)
            .finish_non_exhaustive()
    }
}

impl<P: AsRef<Path>> From<P> for TextFile<String> {
    fn from(path: P) -> Self {
        Self::new(path)
    }
}
