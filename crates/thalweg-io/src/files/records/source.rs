//! Files of records as the sources of pipelines.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use thalweg::{Element, Emitter, Source, Stop, Stream};

use super::super::FileError;
use super::emit::EmitRecords;
use super::{MAX_HEADER, RecordBuffer, Records};
use crate::Position;
use crate::reader::Chunks;

/// A file as a source of records, until its end.
///
/// It is read on a separate thread, at most 320 KiB ahead of the pipeline. A pipe is also opened there, which waits for a
/// writer.
pub struct RecordFile<T> {
    path: PathBuf,
    records: Records<T>,
    position: Option<Position>,
    reading: Option<Reading<T>>,
}

struct Reading<T> {
    chunks: Chunks<FileError>,
    records: EmitRecords<T>,
}

impl<T> RecordFile<T> {
    /// A file with these records. Nothing is opened before the pipeline runs.
    pub fn new(path: impl AsRef<Path>, records: Records<T>) -> Self {
        Self {
            path: path.as_ref().to_owned(),
            records,
            position: None,
            reading: None,
        }
    }

    /// Continues after a position, an offset in bytes, if it has a value, and advances it. A file that has become
    /// shorter is read from its beginning.
    #[must_use]
    pub fn position(mut self, position: &Position) -> Self {
        self.position = Some(position.clone());
        self
    }

    fn open(&self) -> Result<Reading<T>, FileError> {
        let metadata = fs::metadata(&self.path);
        let metadata = metadata.map_err(|source| FileError::io("open", &self.path, source))?;
        let mut buffer = self.records.buffer();
        let chunks = match metadata.is_file() {
            true => self.read(self.open_file(&mut buffer)?),
            false => self.read(Unopened::new(&self.path)),
        };
        Ok(Reading {
            chunks: chunks?,
            records: EmitRecords::new(buffer),
        })
    }

    /// Opens a regular file after the stored position.
    fn open_file(&self, buffer: &mut RecordBuffer<T>) -> Result<File, FileError> {
        let failed = |source| FileError::io("open", &self.path, source);
        let mut file = File::open(&self.path).map_err(failed)?;
        let offset = self.position.as_ref().and_then(Position::value);
        let offset: Option<u64> = offset.and_then(|value| value.parse().ok());
        if let Some(offset) = offset {
            let len = file.metadata().map_err(failed)?.len();
            if (1..=len).contains(&offset) {
                self.read_header(&mut file, buffer)?;
                buffer.restart(offset);
                file.seek(SeekFrom::Start(offset)).map_err(failed)?;
            }
        }
        Ok(file)
    }

    fn read(&self, source: impl Read + Send + 'static) -> Result<Chunks<FileError>, FileError> {
        let path = self.path.clone();
        let chunks = Chunks::read("thalweg records", source, move |end| {
            end.map_err(|source| FileError::io("read", &path, source))
        });
        chunks.map_err(|source| FileError::io("read", &self.path, source))
    }

    /// Reads the header, if there is one.
    fn read_header(&self, file: &mut File, buffer: &mut RecordBuffer<T>) -> Result<(), FileError> {
        let mut left = MAX_HEADER;
        let mut chunk = [0; 4096];
        while buffer.wants_header() && left > 0 {
            let read = file.read(&mut chunk);
            let read = read.map_err(|source| FileError::io("read", &self.path, source))?;
            if read == 0 {
                break;
            }
            buffer.push(&chunk[..read]);
            // Bytes after it have been returned before.
            let _ = buffer.next_record();
            left = left.saturating_sub(read);
        }
        Ok(())
    }
}

/// A pipe or a device, opened by the first read: that may wait for a writer.
struct Unopened {
    path: PathBuf,
    open: Option<File>,
}

impl Unopened {
    fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            open: None,
        }
    }
}

impl Read for Unopened {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let file = match &mut self.open {
            Some(file) => file,
            none => none.insert(File::open(&self.path)?),
        };
        file.read(buffer)
    }
}

impl<T> fmt::Debug for RecordFile<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordFile")
            .field("path", &self.path)
            .field("records", &self.records)
            .finish_non_exhaustive()
    }
}

impl<T: Element> Source for RecordFile<T> {
    type Item = T;
    const KIND: &'static str = "from_records";

    fn label(&self) -> Option<String> {
        let name = self.path.file_name()?;
        Some(name.to_string_lossy().into_owned())
    }

    async fn run(&mut self, out: &Emitter<T>) -> Result<(), Stop> {
        if let Some(position) = &self.position {
            position.show(out);
        }
        let mut reading = match self.reading.take() {
            Some(reading) => reading,
            None => self.open()?,
        };
        let ended = self.emit_all(&mut reading, out).await;
        if matches!(ended, Err(Stop::Stopped)) {
            self.reading = Some(reading);
        }
        ended
    }
}

impl<T: Element> RecordFile<T> {
    async fn emit_all(&mut self, reading: &mut Reading<T>, out: &Emitter<T>) -> Result<(), Stop> {
        let (path, position) = (self.path.clone(), self.position.clone());
        let bad = |source| FileError::Record {
            path: path.clone(),
            source,
        };
        loop {
            let was_ended = reading.records.has_ended;
            let position = position.as_ref();
            reading.records.emit(position, out, bad).await?;
            if was_ended {
                return Ok(());
            }
            match out.or_stop(reading.chunks.next()).await? {
                Some(Ok(bytes)) => reading.records.buffer.push(&bytes),
                Some(Err(error)) => return Err(error.into()),
                None => reading.records.has_ended = true,
            }
        }
    }

    /// The stream of its records.
    pub(super) fn stream(self) -> Stream<T> {
        Stream::from_source(self)
    }
}

/// Files of records as sources: [`Stream::from_records`](FromRecords::from_records).
pub trait FromRecords<T> {
    /// Emits the records of a file, until its end.
    ///
    /// An invalid record is a failure of this node with file, line and byte, and the records after it are emitted. A
    /// file that does not exist or cannot be read ends the source. Stopped and started again, it continues with the
    /// record after the last one emitted.
    ///
    /// ```
    /// use thalweg::{OnError, Stream};
    /// use thalweg_io::files::{PrefixWidth, RecordFile, Records};
    /// use thalweg_io::prelude::*;
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("words.bin");
    /// std::fs::write(&path, b"\x00\x05river\x00\x03bed\x00\x09cut")?;
    /// let words = Stream::from_records(RecordFile::new(&path, Records::length_prefixed(PrefixWidth::Two)));
    /// let failures = words.errors().map(|failure| failure.cause().to_string()).sink_to_list();
    /// let list = words.sink_to_list();
    /// words.run("10s").wait()?;
    /// assert_eq!(list.to_vec(), [b"river".to_vec(), b"bed".to_vec()]);
    /// assert!(failures.to_vec()[0].ends_with("line 3, byte 12: the content ends within a message, after 5 bytes of it"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn from_records(file: RecordFile<T>) -> Stream<T>;
}

impl<T: Element> FromRecords<T> for Stream<T> {
    fn from_records(file: RecordFile<T>) -> Stream<T> {
        file.stream()
    }
}

/// JSON lines as sources: [`Stream::from_jsonl`](FromJsonl::from_jsonl).
pub trait FromJsonl<T> {
    /// Emits the values of a file of JSON lines. See [`from_records`](FromRecords::from_records).
    fn from_jsonl(path: impl AsRef<Path>) -> Stream<T>;
}

impl<T: Element + DeserializeOwned> FromJsonl<T> for Stream<T> {
    fn from_jsonl(path: impl AsRef<Path>) -> Stream<T> {
        RecordFile::new(path, Records::jsonl()).stream()
    }
}
