use std::path::PathBuf;

use bytes::Bytes;

use super::Checksum;

/// A file to read: its URL, an optional local file, and expected checksums.
///
/// ```
/// use thalweg_io::{Checksum, RemoteFile};
///
/// let file = RemoteFile::new("s3://readings/2026.parquet").save_as("2026.parquet").checksum(Checksum::crc32c("364b3fb7"));
/// assert_eq!(file.url, "s3://readings/2026.parquet");
/// ```
#[derive(Clone, Debug)]
pub struct RemoteFile {
    /// The URL.
    pub url: String,
    /// The local file for the content; by default it is in memory.
    pub file: Option<PathBuf>,
    /// The expected checksums.
    pub checksums: Vec<Checksum>,
}

impl RemoteFile {
    /// A file to read into memory.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            file: None,
            checksums: Vec::new(),
        }
    }

    /// Saves the content to a local file, large ones in parallel parts. Readers of the file see either all of it or its
    /// previous content.
    #[must_use]
    pub fn save_as(mut self, file: impl Into<PathBuf>) -> Self {
        self.file = Some(file.into());
        self
    }

    /// Checks the content; with another checksum it fails, and no local file is created.
    #[must_use]
    pub fn checksum(mut self, checksum: Checksum) -> Self {
        self.checksums.push(checksum);
        self
    }
}

impl From<&str> for RemoteFile {
    fn from(url: &str) -> Self {
        Self::new(url)
    }
}

impl From<String> for RemoteFile {
    fn from(url: String) -> Self {
        Self::new(url)
    }
}

/// A file that was read.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RemoteContent {
    /// The URL as given.
    pub url: String,
    /// The content; empty if it is in a local file.
    pub body: Bytes,
    /// The local file with the content, if one was requested.
    pub file: Option<PathBuf>,
    /// Its length, in bytes.
    pub len: u64,
    /// Identifies the version of the file, if its system provides that.
    pub etag: Option<String>,
}

impl RemoteContent {
    /// The content as text; invalid UTF-8 becomes U+FFFD.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A file to write: its URL and its content, in memory or in a local file.
///
/// ```
/// use thalweg_io::RemoteObject;
///
/// let small = RemoteObject::new("s3://readings/today.txt", "20.5\n");
/// let large = RemoteObject::of_file("s3://readings/2026.parquet", "/var/lib/river/2026.parquet");
/// assert_eq!((small.url.as_str(), large.file.is_some()), ("s3://readings/today.txt", true));
/// ```
#[derive(Clone, Debug)]
pub struct RemoteObject {
    /// The URL.
    pub url: String,
    /// The content, unless it is in a local file.
    pub body: Bytes,
    /// The local file with the content.
    pub file: Option<PathBuf>,
}

impl RemoteObject {
    /// A file with this content.
    pub fn new(url: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Self {
            url: url.into(),
            body: body.into(),
            file: None,
        }
    }

    /// A file with the content of a local one, which is read in parts.
    pub fn of_file(url: impl Into<String>, file: impl Into<PathBuf>) -> Self {
        Self {
            url: url.into(),
            body: Bytes::new(),
            file: Some(file.into()),
        }
    }
}

impl<U: Into<String>, B: Into<Bytes>> From<(U, B)> for RemoteObject {
    fn from((url, body): (U, B)) -> Self {
        Self::new(url, body)
    }
}
