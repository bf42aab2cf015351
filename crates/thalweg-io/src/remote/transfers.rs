use std::io;
use std::sync::Arc;

use tokio::sync::Semaphore;

use super::content::{RemoteContent, RemoteFile, RemoteObject};
use super::download::read_whole;
use super::place::Places;
use super::saved::save;
use super::upload::upload;
use super::{Remote, RemoteError};
use crate::background::spawn;
use crate::reply::reply;

/// Reads and writes the files of one node: its connections, and the order of transfers. Clones share it.
#[derive(Clone, Debug)]
pub struct Transfers(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    places: Places,
    room: Semaphore,
    is_ordered: bool,
}

impl Transfers {
    /// Creates transfers with these options.
    pub fn new(remote: &Remote) -> Self {
        Self(Arc::new(Shared {
            places: Places::new(remote),
            room: Semaphore::new(remote.max_in_flight),
            is_ordered: remote.is_ordered,
        }))
    }

    /// Whether files are emitted in the order of their URLs.
    pub fn is_ordered(&self) -> bool {
        self.0.is_ordered
    }

    /// Reads a file when its turn has come.
    ///
    /// # Errors
    /// [`RemoteError`].
    pub fn read(
        &self,
        file: RemoteFile,
    ) -> impl Future<Output = Result<RemoteContent, RemoteError>> + Send + use<> {
        let shared = self.0.clone();
        run(async move {
            let place = shared.places.find(&file.url)?;
            // The semaphore is never closed.
            let _room = shared.room.acquire().await;
            let (meta, body, len) = match &file.file {
                Some(path) => {
                    let (meta, len) = save(place, path, &file.checksums).await?;
                    (meta, Default::default(), len)
                }
                None => {
                    let (meta, body) = read_whole(place, &file.checksums).await?;
                    let len = body.len() as u64;
                    (meta, body, len)
                }
            };
            Ok(RemoteContent {
                url: file.url,
                body,
                file: file.file,
                len,
                etag: meta.etag,
            })
        })
    }

    /// Writes a file when its turn has come.
    ///
    /// # Errors
    /// [`RemoteError`].
    pub fn write(
        &self,
        object: RemoteObject,
    ) -> impl Future<Output = Result<(), RemoteError>> + Send + use<> {
        let shared = self.0.clone();
        run(async move {
            let place = shared.places.find(&object.url)?;
            // The semaphore is never closed.
            let _room = shared.room.acquire().await;
            upload(&place, &object).await
        })
    }
}

/// Runs a transfer on the background runtime. It is aborted when the future is dropped.
async fn run<R: Send + 'static>(
    transfer: impl Future<Output = Result<R, RemoteError>> + Send + 'static,
) -> Result<R, RemoteError> {
    let (replier, ended) = reply();
    let running = spawn(async move { replier.put(transfer.await) });
    let _running = running.map_err(RemoteError::Start)?;
    let ended = ended.await;
    ended.unwrap_or_else(|| {
        Err(RemoteError::Start(io::Error::other(
            "its threads have ended",
        )))
    })
}
