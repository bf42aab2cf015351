//! Files of Parquet, whose elements are Arrow's record batches.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use async_channel::Receiver;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use thalweg::{BoxError, Emitter, Sink, Source, Stop, Stream};

use super::{FileError, Files, Format, ToFiles};

/// The most bytes that are held of the rows that are written together.
const MAX_GROUP: usize = 64 << 20;

/// The most batches that are read ahead.
const AHEAD: usize = 2;

/// Parquet as a [`Format`] of record batches, compressed with Snappy.
///
/// Rows are written in groups, which are in memory until they have 64 MiB, or the file ends. All batches of a file have
/// the columns of the first.
///
/// ```
/// use thalweg_io::files::Parquet;
///
/// let format = Parquet::new();
/// # drop(format);
/// ```
#[derive(Default)]
pub struct Parquet {
    writing: Option<Writing>,
}

impl fmt::Debug for Parquet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parquet").finish_non_exhaustive()
    }
}

struct Writing {
    writer: ArrowWriter<Shared>,
    written: Shared,
    schema: SchemaRef,
}

/// What the writer has written.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl io::Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        written.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Shared {
    fn move_to(&self, out: &mut Vec<u8>) {
        let mut written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        out.append(&mut written);
    }
}

impl Parquet {
    /// Parquet, compressed with Snappy.
    pub fn new() -> Self {
        Self::default()
    }

    fn start(&mut self, schema: SchemaRef) -> Result<&mut Writing, BoxError> {
        let written = Shared::default();
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY);
        let writer =
            ArrowWriter::try_new(written.clone(), schema.clone(), Some(properties.build()))?;
        Ok(self.writing.insert(Writing {
            writer,
            written,
            schema,
        }))
    }
}

impl Format<RecordBatch> for Parquet {
    const KIND: &'static str = "to_parquet";

    fn begin(&mut self, _: &mut Vec<u8>) -> Result<(), BoxError> {
        self.writing = None;
        Ok(())
    }

    fn add(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<(), BoxError> {
        let writing = match &mut self.writing {
            Some(writing) => writing,
            None => self.start(batch.schema())?,
        };
        // What the writer finds only when it has begun to write cannot be taken back.
        if batch.schema() != writing.schema {
            let problem = format!(
                "the columns of a file are those of its first batch, {}, and this one has {}",
                columns(&writing.schema),
                columns(&batch.schema()),
            );
            return Err(problem.into());
        }
        writing.writer.write(batch)?;
        if writing.writer.in_progress_size() >= MAX_GROUP {
            writing.writer.flush()?;
        }
        writing.written.move_to(out);
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), BoxError> {
        if let Some(writing) = self.writing.take() {
            writing.writer.close()?;
            writing.written.move_to(out);
        }
        Ok(())
    }

    fn rows(&self, batch: &RecordBatch) -> u64 {
        batch.num_rows() as u64
    }

    fn held(&self) -> u64 {
        let writing = self.writing.as_ref();
        writing.map_or(0, |writing| writing.writer.in_progress_size() as u64)
    }
}

fn columns(schema: &SchemaRef) -> String {
    let fields = schema.fields().iter();
    let fields = fields.map(|field| format!("{} {}", field.name(), field.data_type()));
    fields.collect::<Vec<_>>().join(", ")
}

/// Parquet as sinks: [`Stream::to_parquet`](ToParquet::to_parquet).
pub trait ToParquet {
    /// Writes batches to files of Parquet, as [`to_files`](ToFiles::to_files) writes lines: see [`Parquet`].
    ///
    /// ```
    /// use std::sync::Arc;
    /// use arrow_array::{Int64Array, RecordBatch};
    /// use thalweg::Stream;
    /// use thalweg_io::{Files, prelude::*};
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let folder = dir.path();
    /// let numbers = |range: std::ops::Range<i64>| {
    ///     let column = Arc::new(Int64Array::from_iter_values(range));
    ///     RecordBatch::try_from_iter([("number", column as _)])
    /// };
    /// let batches = Stream::new();
    /// batches.to_parquet(Files::new(folder.join("part-{number}.parquet")).max_rows(100));
    /// batches.emit_many([numbers(0..60)?, numbers(60..120)?, numbers(120..130)?]).wait()?;
    /// batches.drain("10s").wait()?;
    ///
    /// let read = Stream::from_parquet(folder.join("part-000000.parquet"));
    /// let rows = read.map(|batch| batch.num_rows()).sink_to_list();
    /// read.run("10s").wait()?;
    /// assert_eq!(rows.to_vec().iter().sum::<usize>(), 120);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn to_parquet(&self, files: impl Into<Files>) -> Sink;
}

impl ToParquet for Stream<RecordBatch> {
    fn to_parquet(&self, files: impl Into<Files>) -> Sink {
        self.to_files_as(files, Parquet::new())
    }
}

/// A file of Parquet as a source of record batches, until its end.
#[derive(Debug)]
pub struct ParquetFile {
    path: PathBuf,
    batch_rows: usize,
    reading: Option<Receiver<Result<RecordBatch, FileError>>>,
}

impl ParquetFile {
    /// A file, which is opened when the pipeline runs.
    pub fn new(path: impl AsRef<Path>) -> Self {
        Self {
            path: path.as_ref().to_owned(),
            batch_rows: 8192,
            reading: None,
        }
    }

    /// The most rows of a batch, 8192 by default.
    #[must_use]
    pub fn batch_rows(mut self, rows: usize) -> Self {
        self.batch_rows = rows.max(1);
        self
    }

    /// Reads on a thread of its own, ahead of the pipeline by two batches.
    fn open(&self) -> Result<Receiver<Result<RecordBatch, FileError>>, FileError> {
        let path = self.path.clone();
        let file = open_file(&path).map_err(|source| FileError::io("open", &path, source))?;
        let failed = |path: &Path, problem: String| {
            FileError::io(
                "read",
                path,
                io::Error::new(io::ErrorKind::InvalidData, problem),
            )
        };
        let reader = ParquetRecordBatchReaderBuilder::try_new(file)
            .and_then(|reader| reader.with_batch_size(self.batch_rows).build())
            .map_err(|problem| failed(&path, problem.to_string()))?;
        let (sender, receiver) = async_channel::bounded(AHEAD);
        let thread = std::thread::Builder::new().name("thalweg parquet".to_string());
        let read = move || {
            for batch in reader {
                let batch = batch.map_err(|problem| failed(&path, problem.to_string()));
                if sender.send_blocking(batch).is_err() {
                    break;
                }
            }
        };
        let started = thread.spawn(read);
        started.map_err(|source| FileError::io("read", &self.path, source))?;
        Ok(receiver)
    }
}

/// Opens a regular file: the end is read first, and opening a pipe would wait for a writer.
fn open_file(path: &Path) -> io::Result<File> {
    let metadata = fs::metadata(path)?;
    if metadata.is_file() {
        return File::open(path);
    }
    let problem = "Parquet is read from its end, so it has to be a regular file; copy it to one";
    Err(io::Error::new(io::ErrorKind::InvalidInput, problem))
}

impl<P: AsRef<Path>> From<P> for ParquetFile {
    fn from(path: P) -> Self {
        Self::new(path)
    }
}

impl Source for ParquetFile {
    type Item = RecordBatch;
    const KIND: &'static str = "from_parquet";

    fn label(&self) -> Option<String> {
        let name = self.path.file_name()?;
        Some(name.to_string_lossy().into_owned())
    }

    async fn run(&mut self, out: &Emitter<RecordBatch>) -> Result<(), Stop> {
        let batches = match &self.reading {
            Some(batches) => batches.clone(),
            None => self.reading.insert(self.open()?).clone(),
        };
        while let Ok(batch) = out.or_stop(batches.recv()).await? {
            out.emit(batch?).await?;
        }
        Ok(())
    }
}

/// Parquet as sources: [`Stream::from_parquet`](FromParquet::from_parquet).
pub trait FromParquet {
    /// The rows of a file of Parquet, in batches, until its end. A file that is not there, or is none of Parquet, ends
    /// the source with an error that names it.
    fn from_parquet(file: impl Into<ParquetFile>) -> Stream<RecordBatch>;
}

impl FromParquet for Stream<RecordBatch> {
    fn from_parquet(file: impl Into<ParquetFile>) -> Stream<RecordBatch> {
        Stream::from_source(file.into())
    }
}
