//! Memory shared between processes: a limited number of memory files.

use crate::process::system::{SharedFile, open_limit};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Number of memory files of this process.
static OPEN: AtomicU64 = AtomicU64::new(0);

/// Maximum number of them: a part of the limit on open files.
pub fn most_open() -> u64 {
    const PART: u64 = 4;
    (open_limit() / PART).clamp(8, 1024)
}

/// A permit for an open file.
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

/// A memory file, written once and read from then on.
#[derive(Debug, Clone)]
pub(in crate::process) struct MemoryFile {
    file: Arc<SharedFile>,
    /// Descriptors beyond the limit are closed soon.
    _place: Option<Arc<Place>>,
}

impl MemoryFile {
    /// Creates a file filled by `write`; `None` if too many are open.
    ///
    /// # Errors
    /// There is not enough memory, or `write` fails.
    pub(crate) fn written(
        write: impl FnOnce(&SharedFile) -> io::Result<()>,
    ) -> io::Result<Option<Self>> {
        let Some(place) = Place::take() else {
            return Ok(None);
        };
        let file = SharedFile::create("thalweg")?;
        write(&file)?;
        file.seal()?;
        Ok(Some(Self {
            file: Arc::new(file),
            _place: Some(Arc::new(place)),
        }))
    }

    /// Takes a received file, if it may stay open; otherwise returns it, to be read and closed.
    pub(crate) fn received(file: SharedFile) -> Result<Self, SharedFile> {
        match Place::take() {
            None => Err(file),
            Some(place) => Ok(Self {
                file: Arc::new(file),
                _place: Some(Arc::new(place)),
            }),
        }
    }

    /// Creates a file for one message.
    pub(crate) fn passing(file: SharedFile) -> Self {
        Self {
            file: Arc::new(file),
            _place: None,
        }
    }

    pub(crate) fn file(&self) -> &SharedFile {
        &self.file
    }
}

/// Allocates this many bytes, if there is enough memory.
///
/// # Errors
/// There is not.
pub(in crate::process) fn room_for(len: u64) -> io::Result<Vec<u8>> {
    let len = usize::try_from(len).map_err(io::Error::other)?;
    let mut bytes = Vec::new();
    bytes
        .try_reserve_exact(len)
        .map_err(|_| io::Error::other(format!("there is no memory for {len} bytes")))?;
    Ok(bytes)
}

/// Reads all bytes of a file.
///
/// # Errors
/// There is not enough memory, or they cannot be read.
pub(in crate::process) fn read_all(file: SharedFile, len: u64) -> io::Result<Vec<u8>> {
    let mut bytes = room_for(len)?;
    bytes.resize(usize::try_from(len).map_err(io::Error::other)?, 0);
    file.read_at(&mut bytes, 0)?;
    Ok(bytes)
}
