//! Memory files shared between processes.

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;

/// A memory file: written by one process, read by others.
#[derive(Debug)]
pub struct SharedFile(File);

impl SharedFile {
    /// Creates an empty one, private until it is sent. The name appears in lists of open files.
    pub(in crate::process) fn create(name: &str) -> io::Result<Self> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        Ok(Self(memfd_create(name, flags)?.into()))
    }

    /// Seals it: from now on it neither shrinks nor changes, so that other processes can map it.
    pub(in crate::process) fn seal(&self) -> io::Result<()> {
        let seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
        Ok(fcntl_add_seals(&self.0, seals)?)
    }

    /// Duplicates its descriptor.
    pub(in crate::process) fn duplicate(&self) -> io::Result<Self> {
        Ok(Self(self.0.try_clone()?))
    }

    /// Fills the buffer with bytes from offset `at` on, without affecting other readers.
    ///
    /// # Errors
    /// There are fewer, or they cannot be read.
    pub fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        self.0.read_exact_at(bytes, at)
    }

    /// Writes bytes from offset `at` on.
    pub(in crate::process) fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, at)
    }

    /// Its descriptor number, valid as long as this value exists.
    pub fn descriptor(&self) -> i32 {
        self.0.as_raw_fd()
    }
}

impl Write for &SharedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&self.0).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsFd for SharedFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<OwnedFd> for SharedFile {
    fn from(file: OwnedFd) -> Self {
        Self(file.into())
    }
}
