//! Writing content, with retries.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::fs::File;
use tokio::io::AsyncReadExt;
use tokio::time::sleep;

use super::error::Trouble;
use super::place::Place;
use super::{RemoteError, RemoteFailure, RemoteObject};

/// Maximum bytes read of a local file at once.
const CHUNK: usize = 256 * 1024;

/// The content of a file to write.
#[derive(Clone, Debug)]
pub(super) enum Content {
    Memory(Bytes),
    File(Arc<PathBuf>),
}

/// The content in pieces.
pub(super) enum ContentPieces {
    Memory(Bytes),
    File(File, Arc<PathBuf>, Arc<super::address::Address>),
}

impl Content {
    fn of(object: &RemoteObject) -> Self {
        match &object.file {
            Some(file) => Self::File(Arc::new(file.clone())),
            None => Self::Memory(object.body.clone()),
        }
    }

    /// Its length, in bytes.
    ///
    /// # Errors
    /// The metadata of the local file cannot be read.
    pub(super) async fn len(&self, place: &Place) -> Result<u64, Trouble> {
        match self {
            Self::Memory(bytes) => Ok(bytes.len() as u64),
            Self::File(path) => {
                let found = tokio::fs::metadata(&**path).await;
                Ok(found.map_err(|error| refused(place, path, error))?.len())
            }
        }
    }

    /// All of it at once, for systems that accept nothing else.
    ///
    /// # Errors
    /// The local file cannot be read, or is too large for that.
    pub(super) async fn whole(&self, place: &Place) -> Result<Bytes, Trouble> {
        let path = match self {
            Self::Memory(bytes) => return Ok(bytes.clone()),
            Self::File(path) => path,
        };
        let (len, max_len) = (self.len(place).await?, place.remote.max_len);
        if len > max_len {
            let problem = format!(
                "this system takes a file in one piece only, {path:?} has {len} bytes, and `max_len` is {max_len}"
            );
            return Err(Trouble::lasting(RemoteFailure::Unsupported, problem));
        }
        let read = tokio::fs::read(&**path).await;
        Ok(read.map_err(|error| refused(place, path, error))?.into())
    }

    /// # Errors
    /// The local file cannot be opened.
    pub(super) async fn pieces(&self, place: &Place) -> Result<ContentPieces, Trouble> {
        match self {
            Self::Memory(bytes) => Ok(ContentPieces::Memory(bytes.clone())),
            Self::File(path) => {
                let file = File::open(&**path).await;
                let file = file.map_err(|error| refused(place, path, error))?;
                let address = place.address.clone();
                Ok(ContentPieces::File(file, path.clone(), address))
            }
        }
    }
}

impl ContentPieces {
    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// The local file cannot be read.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Trouble> {
        match self {
            Self::Memory(bytes) if bytes.is_empty() => Ok(None),
            Self::Memory(bytes) => Ok(Some(bytes.split_to(CHUNK.min(bytes.len())))),
            Self::File(file, path, address) => {
                let mut piece = BytesMut::with_capacity(CHUNK);
                let read = file.read_buf(&mut piece).await;
                let read = read.map_err(|source| {
                    Trouble::Final(RemoteError::File {
                        action: "read",
                        url: address.shown(),
                        path: path.to_path_buf(),
                        source,
                    })
                })?;
                Ok((read > 0).then(|| piece.freeze()))
            }
        }
    }
}

fn refused(place: &Place, path: &Arc<PathBuf>, source: std::io::Error) -> Trouble {
    Trouble::Final(RemoteError::File {
        action: "read",
        url: place.address.shown(),
        path: path.to_path_buf(),
        source,
    })
}

/// Writes a file, retrying from its beginning.
///
/// # Errors
/// The error of the last attempt.
pub(super) async fn upload(place: &Place, object: &RemoteObject) -> Result<(), RemoteError> {
    let content = Content::of(object);
    let failed = |trouble: Trouble, attempts| trouble.into_error("write", &place.address, attempts);
    let len = content
        .len(place)
        .await
        .map_err(|trouble| failed(trouble, 1))?;
    place.remote.progress.add_total(len);
    let mut attempts = 0;
    loop {
        let written = place.write(&content).await;
        attempts += 1;
        let trouble = match written {
            Ok(()) => return Ok(()),
            Err(trouble) => trouble,
        };
        if !trouble.is_temporary() || attempts > place.remote.retries {
            return Err(failed(trouble, attempts));
        }
        sleep(place.remote.pause(attempts - 1, &trouble)).await;
    }
}
