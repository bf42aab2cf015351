//! Remote Parquet files. They are read from their end, so a local copy is made first.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

use arrow_array::RecordBatch;
use thalweg::{Emitter, Source, Stop, Stream};

use super::address::hidden;
use super::place::number;
use super::{Remote, RemoteError, RemoteFile, Transfers};
use crate::files::ParquetFile;

/// A remote Parquet file as a source of record batches, until its end.
///
/// It is copied to the system's folder for temporary files first, in parallel parts if it is large; the copy is removed
/// at the end of the source.
#[derive(Debug)]
pub struct UrlParquet {
    url: String,
    remote: Remote,
    batch_rows: usize,
    reading: Option<(ParquetFile, Copy)>,
}

impl UrlParquet {
    /// The file at a URL. Nothing is requested before the pipeline runs.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            remote: Remote::new(),
            batch_rows: 8192,
            reading: None,
        }
    }

    /// Settings for the file.
    #[must_use]
    pub fn remote(mut self, remote: Remote) -> Self {
        self.remote = remote;
        self
    }

    /// Maximum rows per batch, 8192 by default.
    #[must_use]
    pub fn batch_rows(mut self, rows: usize) -> Self {
        self.batch_rows = rows;
        self
    }
}

impl<T: Into<String>> From<T> for UrlParquet {
    fn from(url: T) -> Self {
        Self::new(url)
    }
}

/// A private folder, removed with its contents on drop.
#[derive(Debug)]
struct Copy(PathBuf);

impl Copy {
    fn new() -> io::Result<Self> {
        let folder = env::temp_dir().join(format!("thalweg-{:016x}", number()));
        #[cfg_attr(not(unix), expect(unused_mut, reason = "rights are set on Unix"))]
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&folder)?;
        Ok(Self(folder))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0
            .join(Path::new(name).file_name().unwrap_or("file".as_ref()))
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        // The rest is in a folder that systems empty.
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Source for UrlParquet {
    type Item = RecordBatch;
    const KIND: &'static str = "from_url";

    fn label(&self) -> Option<String> {
        let url = hidden(&self.url);
        Some(url.rsplit('/').next().unwrap_or_default().to_owned())
    }

    async fn run(&mut self, out: &Emitter<RecordBatch>) -> Result<(), Stop> {
        let (mut file, copy) = match self.reading.take() {
            Some(reading) => reading,
            None => {
                let copy = Copy::new().map_err(RemoteError::Start)?;
                let path = copy.file(&hidden(&self.url));
                let transfers = Transfers::new(&self.remote);
                let wanted = RemoteFile::new(self.url.clone()).save_as(&path);
                out.or_stop(transfers.read(wanted)).await??;
                let file = ParquetFile::new(path).batch_rows(self.batch_rows);
                (file, copy)
            }
        };
        let ended = file.run(out).await;
        if matches!(ended, Err(Stop::Stopped)) {
            self.reading = Some((file, copy));
        }
        ended
    }
}

/// Remote Parquet files as sources: [`Stream::from_url_parquet`](FromUrlParquet::from_url_parquet).
pub trait FromUrlParquet {
    /// Emits the rows of a remote Parquet file, in batches, until its end. A file that does not exist, or is not
    /// Parquet, ends the source with an error that names it.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use arrow_array::{Int64Array, RecordBatch};
    /// use thalweg::Stream;
    /// use thalweg_io::prelude::*;
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("numbers.parquet");
    /// let numbers = Arc::new(Int64Array::from_iter_values(0..100));
    /// let batches = Stream::new();
    /// batches.to_parquet(&path);
    /// batches.emit(RecordBatch::try_from_iter([("number", numbers as _)])?).wait()?;
    /// batches.drain("10s").wait()?;
    ///
    /// let read = Stream::from_url_parquet(format!("file://{}", path.display()));
    /// let rows = read.map(|batch| batch.num_rows()).sink_to_list();
    /// read.run("10s").wait()?;
    /// assert_eq!(rows.to_vec().iter().sum::<usize>(), 100);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn from_url_parquet(file: impl Into<UrlParquet>) -> Stream<RecordBatch>;
}

impl FromUrlParquet for Stream<RecordBatch> {
    fn from_url_parquet(file: impl Into<UrlParquet>) -> Self {
        Stream::from_source(file.into())
    }
}
