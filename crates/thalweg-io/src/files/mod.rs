//! Files that appear only when they are complete, and files of records: JSON lines, CSV, length-prefixed messages,
//! Parquet.
//!
//! A reader of the folder never sees half a file. A file is written beside its final name as `.name.partial`,
//! synchronized to the disk, and then renamed.
//!
//! ```
//! use thalweg::Stream;
//! use thalweg_io::{Files, prelude::*};
//!
//! # let dir = tempfile::tempdir()?;
//! # let folder = dir.path();
//! let readings = Stream::new();
//! let files = Files::new(folder.join("readings-{number}.jsonl")).max_rows(2).max_age("1h");
//! readings.to_jsonl(files);
//! readings.emit_many([("a", 20.5), ("b", 21.0), ("a", 20.7)]).wait()?;
//! readings.drain("10s").wait()?;
//! let first = std::fs::read_to_string(folder.join("readings-000000.jsonl"))?;
//! assert_eq!(first, "[\"a\",20.5]\n[\"b\",21.0]\n");
//!
//! let records: Stream<(String, f64)> = Stream::from_jsonl(folder.join("readings-000001.jsonl"));
//! let list = records.sink_to_list();
//! records.run("10s").wait()?;
//! assert_eq!(list.to_vec(), [("a".to_string(), 20.7)]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod error;
mod format;
mod kept;
#[cfg(all(test, feature = "textfile"))]
mod kept_tests;
#[cfg(all(test, unix, feature = "textfile"))]
mod kill_tests;
mod name;
#[cfg(feature = "parquet")]
mod parquet;
mod part;
mod records;
mod sink;
#[cfg(all(test, feature = "csv"))]
mod tests;

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::Serialize;
use thalweg::interval::{IntervalError, IntoInterval};
use thalweg::{BuildError, Element, Sink, Stream};

use crate::Position;

pub use self::error::{FileError, RecordError};
#[cfg(feature = "csv")]
pub use self::format::CsvRows;
pub use self::format::{Format, LengthPrefixed};
#[cfg(feature = "parquet")]
pub use self::parquet::{FromParquet, Parquet, ParquetFile, ToParquet};
#[cfg(feature = "csv")]
pub use self::records::{CsvRow, FromCsv};
#[cfg(feature = "remote")]
pub(crate) use self::records::{EmitRecords, MAX_HEADER};
pub use self::records::{FromJsonl, FromRecords, RecordBuffer, RecordFile, Records};
pub use self::sink::{FileSink, Finished};
pub use crate::framing::PrefixWidth;
use kept::Kept;
use name::Template;

/// Names and limits of the files that a pipeline writes one after the other.
///
/// A file is complete, and gets its name, when it reaches its limit of rows, bytes or age, and when the pipeline is
/// drained. The name contains `{number}`, which becomes `000000`, `000001` and so on, if there is to be more than one
/// file; it may contain `{start}`, the time at which the file was begun, in UTC, such as `20260131T235959Z`. A name
/// without a number stands for a single file, which gets its name at the drain, and replaces an existing file.
///
/// Numbers continue after the highest one in the folder. Unfinished files of an earlier program are removed: a template
/// is for one pipeline at a time.
///
/// ```
/// use thalweg_io::Files;
///
/// let files = Files::new("out/part-{number}.csv").max_rows(1_000_000).max_bytes(256 << 20).max_age("10min");
/// files.check()?;
/// let error = Files::new("out/all.csv").max_rows(10).check().unwrap_err();
/// assert_eq!(error.to_string(), "out/all.csv: files that end need `{number}` in their name");
/// # Ok::<(), thalweg_io::files::FileError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Files {
    path: PathBuf,
    max_rows: Option<u64>,
    max_bytes: Option<u64>,
    max_age: Option<Result<Duration, IntervalError>>,
    syncs: bool,
    start: Option<SystemTime>,
    kept: Kept,
}

/// The checked name and limits.
pub(crate) struct Settings {
    template: Template,
    max_rows: Option<u64>,
    max_bytes: Option<u64>,
    max_age: Option<Duration>,
    syncs: bool,
    start: Option<SystemTime>,
    kept: Kept,
}

impl Files {
    /// Files with this name. Their folder must exist.
    pub fn new(path: impl AsRef<Path>) -> Self {
        Self {
            path: path.as_ref().to_owned(),
            max_rows: None,
            max_bytes: None,
            max_age: None,
            syncs: true,
            start: None,
            kept: Kept::new(),
        }
    }

    /// Completes a file after this many rows.
    #[must_use]
    pub fn max_rows(mut self, rows: u64) -> Self {
        self.max_rows = Some(rows);
        self
    }

    /// Completes a file at this size in bytes. It may be longer by one element.
    #[must_use]
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = Some(bytes);
        self
    }

    /// Completes a file this long after its first element, on the pipeline's clock: a duration, a number of seconds, or
    /// text such as `"10min"`.
    #[must_use]
    pub fn max_age(mut self, age: impl IntoInterval) -> Self {
        self.max_age = Some(age.into_interval());
        self
    }

    /// Whether a file is synchronized to the disk, on a separate thread, before it gets its name: true by default.
    /// Otherwise a file is complete even if the program is killed, but perhaps not after a power failure. A virtual
    /// clock waits for no other thread: a pipeline on one must not synchronize.
    #[must_use]
    pub fn sync(mut self, sync: bool) -> Self {
        self.syncs = sync;
        self
    }

    /// Time that the zero of the pipeline's clock stands for in names, for virtual clocks; by default this machine's
    /// time.
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    /// use thalweg::{Stream, VirtualClock};
    /// use thalweg_io::{Files, prelude::*};
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let folder = dir.path();
    /// let clock = VirtualClock::new();
    /// let lines = Stream::on(&clock);
    /// let files = Files::new(folder.join("{number}-{start}.txt")).max_age("1min").sync(false);
    /// lines.to_files(files.start(SystemTime::UNIX_EPOCH));
    /// lines.emit("a line").wait()?;
    /// clock.advance(Duration::from_secs(60));
    /// assert_eq!(std::fs::read(folder.join("000000-19700101T000000Z.txt"))?, b"a line\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn start(mut self, start: SystemTime) -> Self {
        self.start = Some(start);
        self
    }

    /// The position with this name, for one source of one pipeline. It is kept in a hidden file beside the files that
    /// the source's elements are written to, so that the pipeline may be killed at any moment and started again. Pass
    /// it to the source, and these files to the sink; their name contains `{number}`.
    ///
    /// Nothing is lost or doubled if the source emits the same elements again after a position, and the pipeline makes
    /// the same rows of each element, or of groups that do not overlap. Files with their names may be removed
    /// meanwhile.
    ///
    /// ```
    /// use thalweg::Stream;
    /// use thalweg_io::{Files, TextFile, prelude::*};
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let folder = dir.path();
    /// std::fs::write(folder.join("log"), "river\nbed\n")?;
    /// // The second run has nothing left to do.
    /// for _ in 0..2 {
    ///     let files = Files::new(folder.join("part-{number}.txt"));
    ///     let position = files.position("log")?;
    ///     let lines = Stream::from_textfile(TextFile::new(folder.join("log")).until_end().position(&position));
    ///     lines.to_files(files);
    ///     lines.run("10s").wait()?;
    /// }
    /// assert_eq!(std::fs::read_to_string(folder.join("part-000000.txt"))?, "river\nbed\n");
    /// assert!(!folder.join("part-000001.txt").exists());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`FileError::Invalid`]: the name of the position or of the files is invalid, or the stored position is.
    /// [`FileError::Io`]: it cannot be read.
    pub fn position(&self, name: &str) -> Result<Position, FileError> {
        let template = self.clone().settings()?.template;
        if !template.is_numbered() {
            let problem = "files that positions are kept beside need `{number}` in their name";
            return Err(FileError::invalid(&self.path, problem));
        }
        self.kept.position(&template, name)
    }

    /// Checks name and limits before anything is written.
    ///
    /// # Errors
    /// [`FileError::Invalid`].
    pub fn check(&self) -> Result<(), FileError> {
        self.clone().settings().map(drop)
    }

    fn settings(self) -> Result<Settings, FileError> {
        let template = Template::parse(&self.path)?;
        let invalid = |problem: String| FileError::invalid(&self.path, problem);
        for (name, limit) in [("max_rows", self.max_rows), ("max_bytes", self.max_bytes)] {
            if limit == Some(0) {
                return Err(invalid(format!("`{name}` is at least 1")));
            }
        }
        let max_age = self.max_age.transpose();
        let max_age = max_age.map_err(|error| invalid(format!("`max_age`: {error}")))?;
        let ends = self.max_rows.is_some() || self.max_bytes.is_some() || max_age.is_some();
        if ends && !template.is_numbered() {
            return Err(invalid(
                "files that end need `{number}` in their name".to_string(),
            ));
        }
        Ok(Settings {
            template,
            max_rows: self.max_rows,
            max_bytes: self.max_bytes,
            max_age,
            syncs: self.syncs,
            start: self.start,
            kept: self.kept,
        })
    }
}

impl Settings {
    fn is_full(&self, rows: u64, bytes: u64) -> bool {
        let is_over = |limit: Option<u64>, value| limit.is_some_and(|limit| value >= limit);
        is_over(self.max_rows, rows) || is_over(self.max_bytes, bytes)
    }
}

impl<P: AsRef<Path>> From<P> for Files {
    fn from(path: P) -> Self {
        Self::new(path)
    }
}

/// Files as sinks: [`Stream::to_files`](ToFiles::to_files).
pub trait ToFiles<T> {
    /// Writes each element, a string or bytes, as a line of a file, which appears when it is complete: see [`Files`].
    ///
    /// An element is acknowledged when its file has its name. A file also ends after 32,768 elements that wait for
    /// that, if its name has a number. An element that cannot be written, for want of room say, is a failure of this
    /// node, and can be tried again; those before it are kept. A file that cannot be synchronized to the disk, or not
    /// get its name, is kept, written anew and tried again for half a minute, on a thread of its own. Then its elements
    /// have failed, which is a failure of this node with the last of them.
    ///
    /// ```
    /// use thalweg::Stream;
    /// use thalweg_io::prelude::*;
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("words.txt");
    /// let words = Stream::new();
    /// words.to_files(&path);
    /// words.emit_many(["river", "bed"]).wait()?;
    /// assert!(!path.exists());
    /// words.drain("10s").wait()?;
    /// assert_eq!(std::fs::read_to_string(&path)?, "river\nbed\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn to_files(&self, files: impl Into<Files>) -> Sink
    where
        T: AsRef<[u8]>;

    /// The same in another [`Format`].
    fn to_files_as(&self, files: impl Into<Files>, format: impl Format<T>) -> Sink;
}

impl<T: Element> ToFiles<T> for Stream<T> {
    fn to_files(&self, files: impl Into<Files>) -> Sink
    where
        T: AsRef<[u8]>,
    {
        self.to_files_as(files, format::TextLines)
    }

    fn to_files_as(&self, files: impl Into<Files>, format: impl Format<T>) -> Sink {
        fn apply<T: Element, F: Format<T>>(stream: &Stream<T>, files: Files, format: F) -> Sink {
            match FileSink::new(files, format) {
                Ok(sink) => stream.apply(sink).into(),
                Err(error) => {
                    stream.build_error(BuildError::new(F::KIND, error));
                    stream.sink(drop)
                }
            }
        }
        apply(self, files.into(), format)
    }
}

/// Lines of JSON as sinks: [`Stream::to_jsonl`](ToJsonl::to_jsonl).
pub trait ToJsonl {
    /// Writes each element as a line of JSON: as [`to_files`](ToFiles::to_files) writes lines.
    fn to_jsonl(&self, files: impl Into<Files>) -> Sink;
}

impl<T: Element + Serialize> ToJsonl for Stream<T> {
    fn to_jsonl(&self, files: impl Into<Files>) -> Sink {
        self.to_files_as(files, format::JsonLines)
    }
}

/// CSV as sinks: [`Stream::to_csv`](ToCsv::to_csv).
#[cfg(feature = "csv")]
pub trait ToCsv {
    /// Writes each element as a record of CSV, with commas, as [`to_files`](ToFiles::to_files) writes lines. If
    /// elements are structs, each file begins with the names of their fields.
    ///
    /// ```
    /// use thalweg::Stream;
    /// use thalweg_io::prelude::*;
    ///
    /// #[derive(Clone, serde::Serialize)]
    /// struct Reading { sensor: &'static str, celsius: f64 }
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("readings.csv");
    /// let readings = Stream::new();
    /// readings.to_csv(&path);
    /// readings.emit(Reading { sensor: "a, left", celsius: 20.5 }).wait()?;
    /// readings.drain("10s").wait()?;
    /// assert_eq!(std::fs::read_to_string(&path)?, "sensor,celsius\n\"a, left\",20.5\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn to_csv(&self, files: impl Into<Files>) -> Sink;
}

#[cfg(feature = "csv")]
impl<T: Element + Serialize> ToCsv for Stream<T> {
    fn to_csv(&self, files: impl Into<Files>) -> Sink {
        self.to_files_as(files, format::Csv::<T>::new())
    }
}
