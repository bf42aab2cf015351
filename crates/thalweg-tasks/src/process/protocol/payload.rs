//! Payloads between processes: pieces of bytes, with large ones in shared memory.

use crate::process::protocol::memory::{MemoryFile, room_for};
use crate::process::system::SharedFile;
use crate::sync::{Mutex, lock};
use std::borrow::Cow;
use std::io::{self, Write};
use std::ops::Range;
use std::sync::Weak;
use std::sync::atomic::{AtomicU64, Ordering};

/// Payloads larger than this, in bytes, are sent once to each process that needs them, and stay where they were
/// created.
pub const LARGE: usize = 64 << 10;

/// Payloads larger than this, in bytes, are put into shared memory, not through the socket.
pub const SHARED: usize = 1 << 20;

/// Alignment of pieces in bytes: numbers in them are read in place.
const ALIGNED: u64 = 64;

/// Serialized data for another process: a head, and its buffers.
#[derive(Debug)]
pub struct Payload {
    recipients: Recipients,
    pub(in crate::process) body: Body,
    /// Lengths of the pieces; the head is the first.
    pub(in crate::process) lens: Vec<u64>,
    /// Display name of the function it stands for, for errors. Not transmitted.
    name: Option<Box<str>>,
}

/// Recipients that remember a payload, to be told when it is gone.
pub(in crate::process) trait Recipient: Send + Sync + std::fmt::Debug {
    /// The payload with that number is gone.
    fn forget(&self, id: u64);
}

#[derive(Debug)]
struct Recipients {
    id: u64,
    all: Mutex<Vec<Weak<dyn Recipient>>>,
}

impl Drop for Recipients {
    fn drop(&mut self) {
        let all = std::mem::take(&mut *lock(&self.all));
        for recipient in all.iter().filter_map(Weak::upgrade) {
            recipient.forget(self.id);
        }
    }
}

/// The pieces, one after the other.
#[derive(Debug, Clone)]
pub(in crate::process) enum Body {
    Bytes(Vec<u8>),
    File(MemoryFile),
}

/// Where the pieces of a payload are.
#[derive(Debug)]
pub enum Pieces<'a> {
    /// In this process's memory.
    Bytes(Vec<&'a [u8]>),
    /// In a file of this length in bytes, at these offsets.
    File {
        /// The file, which does not change any more.
        file: &'a SharedFile,
        /// Its length in bytes.
        len: u64,
        /// Offset of each piece.
        places: Vec<Range<u64>>,
    },
}

impl Payload {
    /// Creates a payload of bytes.
    ///
    /// # Errors
    /// There is not enough memory.
    pub fn new(bytes: Vec<u8>) -> io::Result<Self> {
        if bytes.len() > SHARED {
            return Self::of_pieces(&[&bytes]);
        }
        Ok(Self::small(bytes))
    }

    /// Creates a payload of bytes that is sent through the socket, whatever its length.
    pub fn small(bytes: Vec<u8>) -> Self {
        let lens = vec![bytes.len() as u64];
        Self::of(Body::Bytes(bytes), lens)
    }

    /// Creates an empty payload.
    pub fn empty() -> Self {
        Self::small(Vec::new())
    }

    /// Creates a payload of a head and buffers.
    ///
    /// # Errors
    /// There is not enough memory.
    pub fn of_pieces(pieces: &[&[u8]]) -> io::Result<Self> {
        let lens: Vec<_> = pieces.iter().map(|piece| piece.len() as u64).collect();
        if lens.iter().sum::<u64>() > SHARED as u64 {
            let in_file = Self::in_file(lens.clone(), |mut file, piece| {
                file.write_all(pieces[piece])
            });
            // If the system cannot create a file, it goes through the socket.
            if let Ok(Some(payload)) = in_file {
                return Ok(payload);
            }
        }
        let mut bytes = room_for(end_of(&lens))?;
        for (piece, place) in pieces.iter().zip(places(&lens)) {
            bytes.resize(usize::try_from(place.start).map_err(io::Error::other)?, 0);
            bytes.extend_from_slice(piece);
        }
        Ok(Self::of(Body::Bytes(bytes), lens))
    }

    /// Creates a payload of pieces with these lengths, in a file: `write` writes each. None if too many files are open.
    ///
    /// # Errors
    /// The system cannot create a file, there is not enough memory, or `write` fails.
    pub fn in_file(
        lens: Vec<u64>,
        mut write: impl FnMut(&SharedFile, usize) -> io::Result<()>,
    ) -> io::Result<Option<Self>> {
        let file = MemoryFile::written(|mut file| {
            let mut end = 0;
            for (piece, place) in places(&lens).enumerate() {
                let gap = [0; ALIGNED as usize];
                let len = usize::try_from(place.start - end).map_err(io::Error::other)?;
                file.write_all(&gap[..len])?;
                write(file, piece)?;
                end = place.end;
            }
            Ok(())
        })?;
        Ok(file.map(|file| Self::of(Body::File(file), lens)))
    }

    pub(in crate::process) fn of(body: Body, lens: Vec<u64>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let recipients = Recipients {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            all: Mutex::default(),
        };
        Self {
            recipients,
            body,
            lens,
            name: None,
        }
    }

    /// Creates another payload with the same contents. A file is not copied.
    pub fn duplicate(&self) -> Self {
        Self::of(self.body.clone(), self.lens.clone())
    }

    /// A unique number in this process.
    pub fn id(&self) -> u64 {
        self.recipients.id
    }

    /// Tells a recipient when the payload is gone.
    pub(in crate::process) fn tell_when_gone(&self, recipient: Weak<dyn Recipient>) {
        lock(&self.recipients.all).push(recipient);
    }

    /// Sets a display name for the contents.
    pub fn named(self, name: impl Into<Box<str>>) -> Self {
        let name = Some(name.into());
        Self { name, ..self }
    }

    /// The display name of the contents.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The bytes of the head.
    ///
    /// # Errors
    /// They cannot be read from their memory.
    pub fn bytes(&self) -> io::Result<Cow<'_, [u8]>> {
        let len = self.lens.first().copied().unwrap_or(0);
        match &self.body {
            Body::Bytes(bytes) => {
                let len = usize::try_from(len).map_err(io::Error::other)?;
                let head = bytes.get(..len);
                head.map(Cow::Borrowed).ok_or_else(cut_short)
            }
            Body::File(file) => {
                let mut bytes = room_for(len)?;
                bytes.resize(usize::try_from(len).map_err(io::Error::other)?, 0);
                file.file().read_at(&mut bytes, 0)?;
                Ok(bytes.into())
            }
        }
    }

    /// All pieces, the head first.
    ///
    /// # Errors
    /// There is less than there should be.
    pub fn pieces(&self) -> io::Result<Pieces<'_>> {
        match &self.body {
            Body::Bytes(bytes) => {
                let piece = |place: Range<u64>| {
                    let start = usize::try_from(place.start).ok()?;
                    bytes.get(start..usize::try_from(place.end).ok()?)
                };
                let pieces = places(&self.lens).map(piece).collect::<Option<_>>();
                pieces.map(Pieces::Bytes).ok_or_else(cut_short)
            }
            Body::File(file) => Ok(Pieces::File {
                file: file.file(),
                len: end_of(&self.lens),
                places: places(&self.lens).collect(),
            }),
        }
    }

    /// Total length in bytes.
    pub fn len(&self) -> u64 {
        self.lens.iter().sum()
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether it is too large to be sent more often than necessary.
    pub fn is_large(&self) -> bool {
        self.len() > LARGE as u64
    }
}

fn cut_short() -> io::Error {
    io::Error::other("a part of it is missing")
}

/// Offsets of pieces with these lengths.
fn places(lens: &[u64]) -> impl Iterator<Item = Range<u64>> {
    lens.iter().scan(0_u64, |end, len| {
        let start = end.next_multiple_of(ALIGNED);
        *end = start + len;
        Some(start..*end)
    })
}

/// End of the last piece.
pub(in crate::process) fn end_of(lens: &[u64]) -> u64 {
    places(lens).last().map_or(0, |place| place.end)
}

#[cfg(all(test, not(thalweg_loom)))]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn sample(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i % 251) as u8).collect()
    }

    /// The pieces of a payload, read from where they are.
    fn read(payload: &Payload) -> io::Result<Vec<Vec<u8>>> {
        match (payload.pieces()?, &payload.body) {
            (Pieces::Bytes(pieces), _) => Ok(pieces.into_iter().map(<[u8]>::to_vec).collect()),
            (Pieces::File { places, .. }, Body::File(file)) => places
                .into_iter()
                .map(|place| {
                    let mut piece = vec![0; (place.end - place.start) as usize];
                    file.file().read_at(&mut piece, place.start).map(|()| piece)
                })
                .collect(),
            _ => Err(cut_short()),
        }
    }

    #[test]
    fn pieces_of_any_size_round_trip() -> io::Result<()> {
        for len in [0, 10, LARGE, LARGE + 1, SHARED, SHARED + 1, 3 << 20] {
            let pieces = [sample(7), sample(len), sample(0), sample(65)];
            let slices: Vec<_> = pieces.iter().map(Vec::as_slice).collect();
            let payload = Payload::of_pieces(&slices)?;
            assert_eq!(matches!(payload.body, Body::File(_)), len >= SHARED);
            assert_eq!(read(&payload)?, pieces);
            assert_eq!(*payload.bytes()?, *pieces[0]);
            assert_eq!(*payload.bytes()?, *pieces[0], "and once more");
            assert_eq!(payload.len(), len as u64 + 72);
        }
        Ok(())
    }

    #[test]
    fn concurrent_readers_do_not_interfere() -> io::Result<()> {
        let bytes = sample(4 << 20);
        let payload = Arc::new(Payload::new(bytes.clone())?);
        std::thread::scope(|scope| {
            let read = || payload.bytes().map(Cow::into_owned);
            let readers: Vec<_> = (0..4).map(|_| scope.spawn(read)).collect();
            for reader in readers {
                assert!(reader.join().expect("it does not panic")? == bytes);
            }
            Ok(())
        })
    }
}
