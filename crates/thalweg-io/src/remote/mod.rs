//! Remote files: as a whole by [`read_url`](ReadUrls::read_url) and [`write_url`](WriteUrls::write_url), in pieces by
//! [`from_url`](FromUrl::from_url).
//!
//! | URL | system | feature |
//! |---|---|---|
//! | `file:///folder/name` | this machine's files | `remote` |
//! | `http://host/path`, `https://` | servers of the web, for reading | `remote` |
//! | `webdav://host/path`, `webdavs://` | WebDAV over HTTP, over HTTPS | `remote` |
//! | `s3://bucket/key` | Amazon S3, and what speaks its protocol | `remote-s3` |
//! | `ftp://host/path`, `ftps://` | FTP, and FTP over TLS | `remote-ftp` |
//! | `sftp://host/path` | SFTP, by the program `ssh` | `remote-sftp` |
//!
//! ```
//! use thalweg::Stream;
//! use thalweg_io::{Lines, Remote, RemoteObject, UrlSource, files::Records, prelude::*};
//!
//! # let folder = tempfile::tempdir()?;
//! let url = format!("file://{}/readings.csv", folder.path().display());
//! let objects = Stream::new();
//! objects.write_url(Remote::new());
//! objects.emit(RemoteObject::new(&url, "20.5\n20.7\n")).wait()?;
//!
//! let lines = Stream::from_url(UrlSource::new(&url, Records::lines(Lines::text())?));
//! let list = lines.sink_to_list();
//! lines.run("10s").wait()?;
//! assert_eq!(list.to_vec(), ["20.5", "20.7"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod address;
mod checksum;
mod content;
mod download;
mod error;
mod options;
#[cfg(feature = "parquet")]
mod parquet;
pub(crate) mod place;
mod progress;
mod saved;
mod source;
mod stream;
#[cfg(test)]
mod tests;
mod transfers;
mod upload;

pub use self::checksum::Checksum;
pub use self::content::{RemoteContent, RemoteFile, RemoteObject};
pub use self::error::{RemoteError, RemoteFailure};
pub use self::options::Remote;
#[cfg(feature = "parquet")]
pub use self::parquet::{FromUrlParquet, UrlParquet};
pub use self::progress::TransferProgress;
pub use self::source::{FromUrl, UrlSource};
pub use self::stream::{ReadUrls, WriteUrls};
pub use self::transfers::Transfers;
