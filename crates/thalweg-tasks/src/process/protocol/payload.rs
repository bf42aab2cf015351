//! Payloads between processes: pieces of bytes, large ones in shared memory.

use crate::process::protocol::memory::{MemoryFile, room_for};
use crate::process::system::SharedFile;
use crate::sync::{Mutex, lock};
use std::borrow::Cow;
use std::io::{self, Write};
use std::ops::Range;
use std::sync::Weak;
use std::sync::atomic::{AtomicU64, Ordering};

/// More bytes than this are sent once to each process that needs them, and stay where they were made.
pub const LARGE: usize = 64 << 10;

/// More bytes than this are put into memory that both processes see, not through the socket.
pub const SHARED: usize = 1 << 20;

/// Pieces begin at multiples of this many bytes: numbers in them are read where they are.
const ALIGNED: u64 = 64;

/// Something on its way to another process: a head, and buffers that belong to it.
#[derive(Debug)]
pub struct Payload {
    recipients: Recipients,
    pub(in crate::process) body: Body,
    /// How long each piece is; the head is the first.
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

/// The pieces, one behind the other.
#[derive(Debug, Clone)]
pub(in crate::process) enum Body {
    Bytes(Vec<u8>),
    File(MemoryFile),
}

/// Where the pieces of a payload are.
#[derive(Debug)]
pub enum Pieces<'a> {
    /// In this process' memory.
    Bytes(Vec<&'a [u8]>),
    /// In a file of this many bytes, at these places.
    File {
        /// The file, which does not change any more.
        file: &'a SharedFile,
        /// How long it is, in bytes.
        len: u64,
        /// Where each piece is.
        places: Vec<Range<u64>>,
    },
}

impl Payload {
    /// A payload of bytes.
    ///
    /// # Errors
    /// When there is no memory for the bytes.
    pub fn new(bytes: Vec<u8>) -> io::Result<Self> {
        if bytes.len() > SHARED {
            return Self::of_pieces(&[&bytes]);
        }
        Ok(Self::small(bytes))
    }

    /// A payload of bytes that are sent through the socket, however many they are.
    pub fn small(bytes: Vec<u8>) -> Self {
        let lens = vec![bytes.len() as u64];
        Self::of(Body::Bytes(bytes), lens)
    }

    /// A payload without anything in it.
    pub fn empty() -> Self {
        Self::small(Vec::new())
    }

    /// A payload of a head and buffers.
    ///
    /// # Errors
    /// When there is no memory for them.
    pub fn of_pieces(pieces: &[&[u8]]) -> io::Result<Self> {
        let lens: Vec<_> = pieces.iter().map(|piece| piece.len() as u64).collect();
        if lens.iter().sum::<u64>() > SHARED as u64 {
            let in_file = Self::in_file(lens.clone(), |mut file, piece| {
                file.write_all(pieces[piece])
            });
            // What the system has no file for goes through the socket.
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

    /// A payload of pieces that are that long, in a file: `write` is to write each. There is none if too many files are
    /// open.
    ///
    /// # Errors
    /// When the system gives no file, there is no memory, or `write` fails.
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

    /// Another payload that stands for the same. A file is not copied.
    pub fn duplicate(&self) -> Self {
        Self::of(self.body.clone(), self.lens.clone())
    }

    /// A number that no other payload of this process has.
    pub fn id(&self) -> u64 {
        self.recipients.id
    }

    /// Has a recipient told when the payload is gone.
    pub(in crate::process) fn tell_when_gone(&self, recipient: Weak<dyn Recipient>) {
        lock(&self.recipients.all).push(recipient);
    }

    /// The same, with a name for what it stands for.
    pub fn named(self, name: impl Into<Box<str>>) -> Self {
        let name = Some(name.into());
        Self { name, ..self }
    }

    /// The name of what it stands for.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The bytes of the head.
    ///
    /// # Errors
    /// When they cannot be read from the memory they are in.
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
    /// When there is less than there should be.
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

    /// How many bytes it is, all in all.
    pub fn len(&self) -> u64 {
        self.lens.iter().sum()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether it is too much to be sent more often than necessary.
    pub fn is_large(&self) -> bool {
        self.len() > LARGE as u64
    }
}

fn cut_short() -> io::Error {
    io::Error::other("a part of it is missing")
}

/// Where pieces of these lengths are.
fn places(lens: &[u64]) -> impl Iterator<Item = Range<u64>> {
    lens.iter().scan(0_u64, |end, len| {
        let start = end.next_multiple_of(ALIGNED);
        *end = start + len;
        Some(start..*end)
    })
}

/// Where the last piece ends.
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

    /// The pieces of a payload, read from wherever they are.
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
    fn pieces_come_back_wherever_they_are() -> io::Result<()> {
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
    fn readers_do_not_disturb_each_other() -> io::Result<()> {
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
