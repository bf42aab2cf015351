//! What goes from one process to another: bytes, and large pieces of memory that both can see.

use crate::sync::{Mutex, lock};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

/// Larger pieces of bytes than this are put into memory that both processes see, not through the socket.
pub const LARGE: usize = 64 << 10;

/// Something on its way to another process.
#[derive(Debug)]
pub struct Parcel {
    recipients: Recipients,
    pub(super) head: Head,
    /// Memory that belongs to it, and is not copied.
    pub buffers: Vec<Shared>,
    /// What it stands for is called so. It is not sent.
    name: Option<Box<str>>,
}

/// Those who remember a parcel, and may forget it when it is gone.
pub(super) trait Recipient: Send + Sync + std::fmt::Debug {
    /// The parcel with that number is gone.
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

#[derive(Debug, Clone)]
pub(super) enum Head {
    Small(Vec<u8>),
    Large(Shared),
}

/// A piece of memory that processes can share: written once, and read from then on.
#[derive(Debug, Clone)]
pub struct Shared {
    file: Arc<OwnedFd>,
    len: u64,
}

impl Parcel {
    /// A parcel of bytes, and memory that goes along.
    ///
    /// # Errors
    /// When there is no memory for the bytes.
    pub fn new(bytes: Vec<u8>, buffers: Vec<Shared>) -> io::Result<Self> {
        let head = if bytes.len() > LARGE {
            Head::Large(Shared::copy_of(&bytes)?)
        } else {
            Head::Small(bytes)
        };
        Ok(Self::of(head, buffers))
    }

    /// A parcel of bytes that are sent through the socket, however many they are.
    pub fn small(bytes: Vec<u8>) -> Self {
        Self::of(Head::Small(bytes), Vec::new())
    }

    /// A parcel without anything in it.
    pub fn empty() -> Self {
        Self::of(Head::Small(Vec::new()), Vec::new())
    }

    pub(super) fn of(head: Head, buffers: Vec<Shared>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let recipients = Recipients {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            all: Mutex::default(),
        };
        Self {
            recipients,
            head,
            buffers,
            name: None,
        }
    }

    /// A number that no other parcel of this process has.
    pub fn id(&self) -> u64 {
        self.recipients.id
    }

    /// Has a recipient told when the parcel is gone.
    pub(super) fn tell_when_gone(&self, recipient: Weak<dyn Recipient>) {
        lock(&self.recipients.all).push(recipient);
    }

    /// Another parcel that stands for the same. Large memory is not copied.
    pub fn duplicate(&self) -> Self {
        Self::of(self.head.clone(), self.buffers.clone())
    }

    /// The same, with a name for what it stands for.
    pub fn named(self, name: impl Into<Box<str>>) -> Self {
        let name = Some(name.into());
        Self { name, ..self }
    }

    /// What it stands for is called so.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The bytes.
    ///
    /// # Errors
    /// When they cannot be read from the memory they are in.
    pub fn bytes(&self) -> io::Result<std::borrow::Cow<'_, [u8]>> {
        match &self.head {
            Head::Small(bytes) => Ok(bytes.into()),
            Head::Large(shared) => shared.read().map(Into::into),
        }
    }

    /// How many bytes it is, all in all.
    pub fn len(&self) -> u64 {
        let head = match &self.head {
            Head::Small(bytes) => bytes.len() as u64,
            Head::Large(shared) => shared.len,
        };
        head + self.buffers.iter().map(|buffer| buffer.len).sum::<u64>()
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

impl Shared {
    /// Memory with a copy of the bytes.
    ///
    /// # Errors
    /// When there is not that much.
    pub fn copy_of(bytes: &[u8]) -> io::Result<Self> {
        Self::written(|file| file.write_all(bytes))
    }

    /// Memory that `write` fills.
    ///
    /// # Errors
    /// When there is not that much, or `write` fails.
    pub fn written(write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<Self> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let mut file = File::from(memfd_create("thalweg", flags)?);
        write(&mut file)?;
        let len = file.stream_position()?;
        // Whoever maps it can rely on it: it neither shrinks nor changes.
        fcntl_add_seals(
            &file,
            SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE,
        )?;
        Ok(Self {
            file: Arc::new(file.into()),
            len,
        })
    }

    pub(super) fn received(file: OwnedFd, len: u64) -> Self {
        Self {
            file: Arc::new(file),
            len,
        }
    }

    /// How many bytes it is.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether it is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The file that stands for it.
    pub fn file(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// A copy of the bytes.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn read(&self) -> io::Result<Vec<u8>> {
        let file = File::from(self.file.try_clone()?);
        let mut bytes = vec![0; usize::try_from(self.len).map_err(io::Error::other)?];
        // All who have the file share the place where it would be read next, in whatever process.
        file.read_exact_at(&mut bytes, 0)?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_heads_are_shared_and_read_again() -> io::Result<()> {
        for len in [0, 10, LARGE, LARGE + 1, 1 << 20] {
            let bytes: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
            let parcel = Parcel::new(bytes.clone(), vec![Shared::copy_of(b"more")?])?;
            assert_eq!(matches!(parcel.head, Head::Large(_)), len > LARGE);
            assert_eq!(*parcel.bytes()?, *bytes);
            assert_eq!(*parcel.bytes()?, *bytes, "and once more");
            assert_eq!(parcel.len(), len as u64 + 4);
        }
        Ok(())
    }

    #[test]
    fn readers_do_not_disturb_each_other() -> io::Result<()> {
        let bytes: Vec<u8> = (0..1_u32 << 20).map(|i| (i % 249) as u8).collect();
        let shared = Shared::copy_of(&bytes)?;
        std::thread::scope(|scope| {
            let readers: Vec<_> = (0..4).map(|_| scope.spawn(|| shared.read())).collect();
            for reader in readers {
                assert!(reader.join().expect("it does not panic")? == bytes);
            }
            Ok(())
        })
    }
}
