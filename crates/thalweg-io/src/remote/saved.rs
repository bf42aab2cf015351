//! Saving files locally, large ones in parallel parts.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::fs::File;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use super::download::{Checking, Download};
use super::place::{Meta, Place};
use super::{Checksum, RemoteError};
use crate::saving::Saving;

/// Maximum bytes read at once to compute a checksum.
const CHUNK: usize = 256 * 1024;

/// Saves a file locally, where it appears when complete; returns its metadata and its length in bytes.
///
/// # Errors
/// It cannot be read or written, is too large, or has another checksum.
pub(super) async fn save(
    place: Place,
    path: &Path,
    checksums: &[Checksum],
) -> Result<(Meta, u64), RemoteError> {
    let mut checking = Checking::new(&place, checksums)?;
    let failed = refusal(&place, path);
    let (saving, mut file) = Saving::create(path).await.map_err(&failed)?;
    let meta = match parts_of(&place).await {
        Some((meta, len)) => {
            check_len(&place, len)?;
            place.remote.progress.add_total(len);
            file.set_len(len).await.map_err(&failed)?;
            save_parts(&place, path, &saving, &meta, len).await?;
            meta
        }
        None => {
            let mut download = Download::new(place.clone(), 0, None, None);
            let meta = download.start().await?;
            check_len(&place, meta.len.unwrap_or(0))?;
            place.remote.progress.add_total(meta.len.unwrap_or(0));
            let written = write(
                &place,
                &mut download,
                &mut file,
                path,
                place.remote.max_file_len,
            );
            written.await?;
            meta
        }
    };
    checking.add_known(&place, &meta);
    file.flush().await.map_err(&failed)?;
    if !checking.is_empty() {
        let partial = saving.partial().to_owned();
        let checked = tokio::task::spawn_blocking(move || hash(&partial, checking)).await;
        let checking = checked.unwrap_or_else(|error| Err(io::Error::other(error)));
        checking.map_err(&failed)?.finish(place.address.shown())?;
    }
    let len = file.metadata().await.map_err(&failed)?.len();
    saving.finish(file).await.map_err(&failed)?;
    Ok((meta, len))
}

/// The metadata and the length of a file that is worth reading in parts. An error here occurs again when the file is
/// read.
async fn parts_of(place: &Place) -> Option<(Meta, u64)> {
    if place.remote.parallel < 2 {
        return None;
    }
    let asked = timeout(place.remote.time_limit, place.stat()).await;
    let meta = asked.ok()?.ok()?;
    let len = meta.len.filter(|len| *len > place.remote.part_len)?;
    meta.has_ranges.then_some((meta, len))
}

async fn save_parts(
    place: &Place,
    path: &Path,
    saving: &Saving,
    meta: &Meta,
    len: u64,
) -> Result<(), RemoteError> {
    let part_len = place.remote.part_len;
    let parts = (0..len.div_ceil(part_len)).map(|number| {
        let (start, end) = (number * part_len, ((number + 1) * part_len).min(len));
        async move {
            let file = saving.open_at(start).await;
            let mut file = file.map_err(refusal(place, path))?;
            let mut download = Download::new(place.clone(), start, Some(end), Some(meta.clone()));
            write(place, &mut download, &mut file, path, end - start).await
        }
    });
    let parts = stream::iter(parts).buffer_unordered(place.remote.parallel);
    parts.try_collect::<()>().await
}

/// Writes the pieces to a file, at most `max_len` bytes.
async fn write(
    place: &Place,
    download: &mut Download,
    file: &mut File,
    path: &Path,
    max_len: u64,
) -> Result<(), RemoteError> {
    let mut len = 0;
    while let Some(piece) = download.next().await? {
        len += piece.len() as u64;
        if len > max_len {
            return Err(too_long(place));
        }
        file.write_all(&piece).await.map_err(refusal(place, path))?;
    }
    file.flush().await.map_err(refusal(place, path))
}

fn check_len(place: &Place, len: u64) -> Result<(), RemoteError> {
    match len > place.remote.max_file_len {
        true => Err(too_long(place)),
        false => Ok(()),
    }
}

fn too_long(place: &Place) -> RemoteError {
    RemoteError::TooLong {
        url: place.address.shown(),
        max_len: place.remote.max_file_len,
        option: "max_file_len",
    }
}

fn hash(path: &Path, mut checking: Checking) -> io::Result<Checking> {
    let mut file = std::fs::File::open(path)?;
    let mut buffer = vec![0; CHUNK];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(checking),
            read => checking.update(&buffer[..read]),
        }
    }
}

fn refusal(place: &Place, path: &Path) -> impl Fn(io::Error) -> RemoteError + use<> {
    let (url, path): (String, PathBuf) = (place.address.shown(), path.to_owned());
    move |source| RemoteError::File {
        action: "write to",
        url: url.clone(),
        path: path.clone(),
        source,
    }
}
