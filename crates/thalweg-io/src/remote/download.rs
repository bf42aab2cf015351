//! Resumable reading.

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use tokio::time::{sleep, timeout};

use super::checksum::Hasher;
use super::error::Trouble;
use super::place::{Meta, Pieces, Place};
use super::{Checksum, RemoteError};

/// A file, or a part of one, in pieces. After a lost connection, pieces already read are not read again.
pub(super) struct Download {
    place: Place,
    offset: u64,
    end: Option<u64>,
    /// Metadata from the first request.
    meta: Option<Meta>,
    pieces: Option<Pieces>,
    /// Consecutive attempts without progress.
    failures: u32,
}

impl Download {
    /// From `offset` on, up to `end` if given. `meta` must still match.
    pub(super) fn new(place: Place, offset: u64, end: Option<u64>, meta: Option<Meta>) -> Self {
        Self {
            place,
            offset,
            end,
            meta,
            pieces: None,
            failures: 0,
        }
    }

    /// Requests the file, unless that has been done; returns its metadata.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub(super) async fn start(&mut self) -> Result<Meta, RemoteError> {
        loop {
            match self.open().await {
                Ok(meta) => return Ok(meta),
                Err(trouble) => self.pause(trouble).await?,
            }
        }
    }

    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// It cannot be read, or has changed meanwhile.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, RemoteError> {
        loop {
            match self.try_next().await {
                Ok(piece) => {
                    if let Some(piece) = &piece {
                        self.offset += piece.len() as u64;
                        self.failures = 0;
                        self.place.remote.progress.add_done(piece.len() as u64);
                    }
                    return Ok(piece);
                }
                Err(trouble) => self.pause(trouble).await?,
            }
        }
    }

    async fn open(&mut self) -> Result<Meta, Trouble> {
        if let (Some(meta), Some(_)) = (&self.meta, &self.pieces) {
            return Ok(meta.clone());
        }
        let limit = self.place.remote.time_limit;
        let opened = self.place.read(self.offset, self.end, self.meta.as_ref());
        let opened = timeout(limit, opened).await;
        let (meta, pieces) = opened.unwrap_or_else(|_| Err(idle(limit)))?;
        self.pieces = Some(pieces);
        Ok(self.meta.get_or_insert(meta).clone())
    }

    async fn try_next(&mut self) -> Result<Option<Bytes>, Trouble> {
        let meta = self.open().await?;
        let limit = self.place.remote.time_limit;
        let Some(pieces) = &mut self.pieces else {
            return Ok(None);
        };
        let piece = timeout(limit, pieces.next()).await;
        match piece.unwrap_or_else(|_| Some(Err(idle(limit)))) {
            Some(piece) => piece.map(Some),
            None => match self.end.or(meta.len) {
                Some(end) if self.offset < end => Err(Trouble::passing(format!(
                    "it ended after {} of {end} bytes",
                    self.offset
                ))),
                _ => Ok(None),
            },
        }
    }

    /// Waits before another attempt.
    ///
    /// # Errors
    /// There are no more.
    async fn pause(&mut self, trouble: Trouble) -> Result<(), RemoteError> {
        self.pieces = None;
        self.failures += 1;
        if !trouble.is_temporary() || self.failures > self.place.remote.retries {
            return Err(trouble.into_error("read", &self.place.address, self.failures));
        }
        sleep(self.place.remote.pause(self.failures - 1, &trouble)).await;
        Ok(())
    }
}

fn idle(limit: std::time::Duration) -> Trouble {
    Trouble::passing(format!("nothing came for {limit:?}"))
}

/// The checksums being computed, and the expected ones.
pub(super) struct Checking {
    wanted: Vec<(Checksum, Hasher)>,
}

impl Checking {
    /// # Errors
    /// A checksum is invalid.
    pub(super) fn new(place: &Place, checksums: &[Checksum]) -> Result<Self, RemoteError> {
        for checksum in checksums {
            checksum.check().map_err(|problem| RemoteError::Invalid {
                url: place.address.shown(),
                problem,
            })?;
        }
        let wanted = checksums.iter().cloned();
        let wanted = wanted.map(|checksum| (checksum.clone(), checksum.hasher()));
        Ok(Self {
            wanted: wanted.collect(),
        })
    }

    /// Adds the checksum that the system reports.
    pub(super) fn add_known(&mut self, place: &Place, meta: &Meta) {
        let of_etag = || {
            let etag = meta.etag.as_deref()?.trim_matches('"');
            let is_md5 = etag.len() == 32 && etag.bytes().all(|digit| digit.is_ascii_hexdigit());
            (place.remote.verify_etag && is_md5).then(|| etag.to_owned())
        };
        if let Some(md5) = meta.md5.clone().or_else(of_etag) {
            let checksum = Checksum::md5(md5);
            let hasher = checksum.hasher();
            self.wanted.push((checksum, hasher));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.wanted.is_empty()
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        for (_, hasher) in &mut self.wanted {
            hasher.update(bytes);
        }
    }

    /// # Errors
    /// A checksum differs.
    pub(super) fn finish(self, url: String) -> Result<(), RemoteError> {
        for (checksum, hasher) in self.wanted {
            let found = hasher.finish();
            if found != checksum.digits() {
                return Err(RemoteError::Checksum {
                    url,
                    algorithm: checksum.algorithm(),
                    expected: checksum.digits().to_owned(),
                    found,
                });
            }
        }
        Ok(())
    }
}

/// Reads a file into memory.
///
/// # Errors
/// It cannot be read, is too large, or has another checksum.
pub(super) async fn read_whole(
    place: Place,
    checksums: &[Checksum],
) -> Result<(Meta, Bytes), RemoteError> {
    let mut checking = Checking::new(&place, checksums)?;
    let max_len = place.remote.max_len;
    let too_long = || RemoteError::TooLong {
        url: place.address.shown(),
        max_len,
        option: "max_len",
    };
    let mut download = Download::new(place.clone(), 0, None, None);
    let meta = download.start().await?;
    if meta.len.is_some_and(|len| len > max_len) {
        return Err(too_long());
    }
    place.remote.progress.add_total(meta.len.unwrap_or(0));
    checking.add_known(&place, &meta);
    let mut body = BytesMut::with_capacity(meta.len.unwrap_or(0) as usize);
    while let Some(piece) = download.next().await? {
        if (body.len() + piece.len()) as u64 > max_len {
            return Err(too_long());
        }
        checking.update(&piece);
        body.extend_from_slice(&piece);
    }
    checking.finish(place.address.shown())?;
    Ok((meta, body.freeze()))
}
