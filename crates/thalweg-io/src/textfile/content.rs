//! An open file, read from a position whose content is checked to be unchanged.

use std::fs::{File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use memchr::memmem;

/// This many bytes before the position are read again each time, and compared: a file that was truncated and has grown
/// past the position since is not mistaken for one that merely grew.
pub(super) const OVERLAP: usize = 64;

pub(super) struct Content {
    file: File,
    position: u64,
    /// The bytes just before `position`, at most [`OVERLAP`].
    before: Vec<u8>,
}

/// Result of reading on.
pub(super) enum Chunk {
    /// New bytes in the buffer.
    Bytes(Range<usize>),
    /// Nothing, for now.
    AtEnd,
    /// The content before the position has changed: the file was truncated, or overwritten.
    Replaced,
}

impl Content {
    pub(super) fn new(file: File) -> Self {
        Self {
            file,
            position: 0,
            before: Vec::new(),
        }
    }

    pub(super) fn position(&self) -> u64 {
        self.position
    }

    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<Chunk> {
        let known = self.before.len();
        self.file
            .seek(SeekFrom::Start(self.position - known as u64))?;
        let filled = fill(&mut self.file, buffer)?;
        if filled < known || buffer[..known] != self.before[..] {
            return Ok(Chunk::Replaced);
        }
        if filled == known {
            return Ok(Chunk::AtEnd);
        }
        self.position += (filled - known) as u64;
        self.before.clear();
        self.before
            .extend_from_slice(&buffer[filled.saturating_sub(OVERLAP)..filled]);
        Ok(Chunk::Bytes(known..filled))
    }

    /// Starts over at the first byte.
    pub(super) fn rewind(&mut self) {
        self.position = 0;
        self.before.clear();
    }

    /// Skips the existing content, except an incomplete line at its end.
    pub(super) fn skip_to_last_line(
        &mut self,
        ending: &[u8],
        len: u64,
        buffer: &mut [u8],
    ) -> io::Result<()> {
        let mut end = self.file.seek(SeekFrom::End(0))?.min(len);
        self.position = 0;
        while end > 0 {
            let start = end.saturating_sub(buffer.len() as u64);
            self.file.seek(SeekFrom::Start(start))?;
            let filled = fill(&mut self.file, &mut buffer[..(end - start) as usize])?;
            if let Some(at) = memmem::rfind(&buffer[..filled], ending) {
                self.position = start + (at + ending.len()) as u64;
                break;
            }
            // The next part must include an ending that this one has cut.
            end = match start {
                0 => 0,
                _ => start + ending.len() as u64 - 1,
            };
        }
        self.remember(buffer)
    }

    /// Skips to a byte, if the file is that long.
    pub(super) fn skip_to(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let len = self.file.seek(SeekFrom::End(0))?;
        self.position = if offset <= len { offset } else { 0 };
        self.remember(buffer)
    }

    /// Remembers the bytes before the position.
    fn remember(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        let known = self.position.min(OVERLAP as u64);
        self.file.seek(SeekFrom::Start(self.position - known))?;
        let filled = fill(&mut self.file, &mut buffer[..known as usize])?;
        self.before = buffer[..filled].to_owned();
        Ok(())
    }

    /// Whether `named`, the file that the path refers to now, is another file than this one.
    #[cfg(unix)]
    pub(super) fn is_other(&self, named: &Metadata) -> io::Result<bool> {
        use std::os::unix::fs::MetadataExt;
        let own = self.file.metadata()?;
        Ok((own.dev(), own.ino()) != (named.dev(), named.ino()))
    }

    /// Whether `named`, the file that the path refers to now, is another file than this one: assumed if it is shorter.
    #[cfg(not(unix))]
    pub(super) fn is_other(&self, named: &Metadata) -> io::Result<bool> {
        Ok(named.len() < self.file.metadata()?.len())
    }
}

/// Reads until `buffer` is full or the file ends; returns the number of bytes.
fn fill(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
