//! A remote file as the source of a pipeline.

use std::fmt;

use bytes::{Bytes, BytesMut};
use thalweg::{Element, Emitter, Source, Stop, Stream};

use super::address::hidden;
use super::download::Download;
use super::place::{Place, Places};
use super::{Remote, RemoteError};
use crate::Position;
use crate::background::{Inbox, Outbox};
use crate::files::{EmitRecords, MAX_HEADER, Records};

/// Maximum pieces buffered for the pipeline.
const AHEAD: usize = 8;

/// A remote file as a source of chunks, lines or records, until its end.
///
/// It is read a few pieces ahead of the pipeline. Stopped and started again, the source continues with the record after
/// the last one emitted.
pub struct UrlSource<T> {
    url: String,
    remote: Remote,
    records: Records<T>,
    position: Option<Position>,
    reading: Option<Reading<T>>,
}

struct Reading<T> {
    pieces: Inbox<Piece, RemoteError>,
    records: EmitRecords<T>,
}

/// A piece of the file.
enum Piece {
    /// Start offset, with the header of the file if its format has one and it is read from a later offset.
    Begin(u64, Bytes),
    Content(Bytes),
}

impl<T> UrlSource<T> {
    /// The file at a URL with these records. Nothing is requested before the pipeline runs.
    pub fn new(url: impl Into<String>, records: Records<T>) -> Self {
        Self {
            url: url.into(),
            remote: Remote::new(),
            records,
            position: None,
            reading: None,
        }
    }

    /// Settings for the file.
    #[must_use]
    pub fn remote(mut self, remote: Remote) -> Self {
        self.remote = remote;
        self
    }

    /// Continues after a position, an offset in bytes, if it has a value, and advances it. A file that has become
    /// shorter is read from its beginning.
    #[must_use]
    pub fn position(mut self, position: &Position) -> Self {
        self.position = Some(position.clone());
        self
    }

    /// Checks the URL, before anything is requested.
    ///
    /// # Errors
    /// As [`Remote::check`].
    pub fn check(&self) -> Result<(), RemoteError> {
        self.remote.check(&self.url)
    }
}

/// Reads a file from `offset` on, or from its beginning if it is shorter.
async fn fetch(place: Place, mut offset: u64, wants_header: bool, out: Outbox<Piece, RemoteError>) {
    let fetched = async {
        let (mut meta, mut header) = (None, BytesMut::new());
        if offset > 0 {
            let end = offset.min(MAX_HEADER as u64);
            let mut head = Download::new(place.clone(), 0, Some(end), None);
            let found = head.start().await?;
            if found.len.is_some_and(|len| len < offset) {
                offset = 0;
            } else if wants_header {
                while let Some(piece) = head.next().await? {
                    header.extend_from_slice(&piece);
                }
            }
            meta = Some(found);
        }
        // Sent together: otherwise records of the header's bytes would be emitted in between.
        out.send(Piece::Begin(offset, header.freeze())).await;
        let mut download = Download::new(place.clone(), offset, None, meta);
        let len = download.start().await?.len.unwrap_or(offset);
        place.remote.progress.add_total(len.saturating_sub(offset));
        while let Some(piece) = download.next().await? {
            if !out.send(Piece::Content(piece)).await {
                break;
            }
        }
        Ok(())
    };
    if let Err(error) = fetched.await {
        out.report(error).await;
    }
}

impl<T: Element> UrlSource<T> {
    fn open(&self) -> Result<Reading<T>, RemoteError> {
        let place = Places::new(&self.remote).find(&self.url)?;
        let buffer = self.records.buffer();
        let position = self.position.as_ref().and_then(Position::value);
        let offset = position.and_then(|value| value.parse().ok()).unwrap_or(0);
        let wants_header = buffer.wants_header();
        let fill = |out| fetch(place, offset, wants_header, out);
        Ok(Reading {
            pieces: Inbox::fill(AHEAD, fill).map_err(RemoteError::Start)?,
            records: EmitRecords::new(buffer),
        })
    }

    async fn emit_all(&mut self, reading: &mut Reading<T>, out: &Emitter<T>) -> Result<(), Stop> {
        let (url, position) = (hidden(&self.url), self.position.clone());
        let bad = |source| RemoteError::Record {
            url: url.clone(),
            source,
        };
        loop {
            let was_ended = reading.records.has_ended;
            let position = position.as_ref();
            reading.records.emit(position, out, bad).await?;
            if was_ended {
                return Ok(());
            }
            match out.or_stop(reading.pieces.next_batch()).await?? {
                Some(pieces) => pieces.into_iter().for_each(|piece| reading.take(piece)),
                None => reading.records.has_ended = true,
            }
        }
    }
}

impl<T> Reading<T> {
    fn take(&mut self, piece: Piece) {
        let buffer = &mut self.records.buffer;
        match piece {
            Piece::Content(bytes) => buffer.push(&bytes),
            Piece::Begin(offset, header) => {
                for piece in header.chunks(4096) {
                    if buffer.wants_header() {
                        buffer.push(piece);
                        // Bytes after it have been returned before.
                        let _ = buffer.next_record();
                    }
                }
                buffer.restart(offset);
            }
        }
    }
}

impl<T> fmt::Debug for UrlSource<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UrlSource")
            .field("url", &hidden(&self.url))
            .field("records", &self.records)
            .finish_non_exhaustive()
    }
}

impl<T: Element> Source for UrlSource<T> {
    type Item = T;
    const KIND: &'static str = "from_url";

    fn label(&self) -> Option<String> {
        let url = hidden(&self.url);
        Some(url.rsplit('/').next().unwrap_or_default().to_owned())
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

/// Remote files as sources: [`Stream::from_url`](FromUrl::from_url).
pub trait FromUrl<T> {
    /// Emits the chunks, lines or records of a remote file, until its end.
    ///
    /// A lost connection is restored, and reading continues at the same byte, if the file is unchanged. An invalid
    /// record is a failure of this node with URL, line and byte, and the records after it are emitted. A file that does
    /// not exist or cannot be read ends the source.
    ///
    /// ```
    /// use thalweg::Stream;
    /// use thalweg_io::{UrlSource, files::Records, prelude::*};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("points.jsonl");
    /// std::fs::write(&path, "[1, 2]\n[3, 4]\n")?;
    /// let url = format!("file://{}", path.display());
    /// let points = Stream::from_url(UrlSource::new(url, Records::<[u32; 2]>::jsonl()));
    /// let list = points.sink_to_list();
    /// points.run("10s").wait()?;
    /// assert_eq!(list.to_vec(), [[1, 2], [3, 4]]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn from_url(source: UrlSource<T>) -> Stream<T>;
}

impl<T: Element> FromUrl<T> for Stream<T> {
    fn from_url(source: UrlSource<T>) -> Stream<T> {
        Stream::from_source(source)
    }
}
