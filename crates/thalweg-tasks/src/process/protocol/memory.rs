//! Memory that processes share: files in memory, of which there is a bound.

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many files in memory this process has.
static OPEN: AtomicU64 = AtomicU64::new(0);

/// How many files this process may have open for this purpose: a part of all that it may have open.
pub fn most_open() -> u64 {
    const PART: u64 = 4;
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    (limit / PART).clamp(8, 1024)
}

/// A place among the files that may be open.
#[derive(Debug)]
struct Place;

impl Place {
    fn take() -> Option<Self> {
        let most = most_open();
        let more = |open: u64| (open < most).then_some(open + 1);
        OPEN.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
            .is_ok()
            .then(|| Self)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        OPEN.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A file in memory, written once and read from then on.
#[derive(Debug, Clone)]
pub(in crate::process) struct MemoryFile {
    file: Arc<OwnedFd>,
    /// Descriptors beyond the bound are closed soon.
    _place: Option<Arc<Place>>,
}

impl MemoryFile {
    /// A file that `write` fills; `None` if too many are open.
    ///
    /// # Errors
    /// When there is not that much memory, or `write` fails.
    pub(crate) fn written(
        write: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> io::Result<Option<Self>> {
        let Some(place) = Place::take() else {
            return Ok(None);
        };
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let mut file = File::from(memfd_create("thalweg", flags)?);
        write(&mut file)?;
        // Whoever maps it can rely on it: it neither shrinks nor changes.
        let seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
        fcntl_add_seals(&file, seals)?;
        Ok(Some(Self {
            file: Arc::new(file.into()),
            _place: Some(Arc::new(place)),
        }))
    }

    /// A file that has come, if it may stay open; otherwise itself, to be read and closed.
    pub(crate) fn received(file: OwnedFd) -> Result<Self, OwnedFd> {
        match Place::take() {
            None => Err(file),
            Some(place) => Ok(Self {
                file: Arc::new(file),
                _place: Some(Arc::new(place)),
            }),
        }
    }

    /// A file for one message.
    pub(crate) fn passing(file: OwnedFd) -> Self {
        Self {
            file: Arc::new(file),
            _place: None,
        }
    }

    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    pub(crate) fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        read_at(self.descriptor(), bytes, at)
    }
}

/// As many bytes, if there is the memory.
///
/// # Errors
/// When there is not.
pub(in crate::process) fn room_for(len: u64) -> io::Result<Vec<u8>> {
    let len = usize::try_from(len).map_err(io::Error::other)?;
    let mut bytes = Vec::new();
    bytes
        .try_reserve_exact(len)
        .map_err(|_| io::Error::other(format!("there is no memory for {len} bytes")))?;
    Ok(bytes)
}

/// All bytes of a file.
///
/// # Errors
/// When there is no memory for them, or they cannot be read.
pub(in crate::process) fn read_all(file: OwnedFd, len: u64) -> io::Result<Vec<u8>> {
    let mut bytes = room_for(len)?;
    bytes.resize(usize::try_from(len).map_err(io::Error::other)?, 0);
    read_at(file.as_fd(), &mut bytes, 0)?;
    Ok(bytes)
}

/// Reads as many bytes as there is room for.
///
/// # Errors
/// When there are less, or they cannot be read.
pub fn read_at(file: BorrowedFd<'_>, mut bytes: &mut [u8], mut at: u64) -> io::Result<()> {
    // All who have the file share the place where it would be read next, in whatever process.
    while !bytes.is_empty() {
        match rustix::io::pread(file, &mut *bytes, at) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => {
                bytes = &mut bytes[read..];
                at += read as u64;
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
