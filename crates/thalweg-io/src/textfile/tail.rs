//! Finding the next bytes: in the open file, or in the file that took its name.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::TextFileError;
use super::content::{Chunk, Content, OVERLAP};

/// Maximum bytes read at once, so that other tasks of the loop get a turn.
pub(super) const CHUNK: usize = 64 * 1024;

/// Files that took the name while an earlier one was still being read. Beyond this number the name is not checked until
/// one of them is finished.
const MAX_PENDING: usize = 16;

/// Where reading starts in the first file.
pub(super) enum Start {
    Beginning,
    /// After the last of these endings.
    AfterLast(Vec<u8>, u64),
    /// At this byte, if it exists: a shorter file is another one.
    At(u64),
}

/// Follows a name from file to file, or reads one file to its end.
pub(super) struct Tail {
    path: PathBuf,
    follow: bool,
    start: Start,
    current: Option<Content>,
    pending: VecDeque<Content>,
    /// `current` had nothing more at the last check, although another file had its name already.
    quiet: bool,
    buffer: Vec<u8>,
}

/// Result of a look at the file.
pub(super) enum Look<'a> {
    Bytes(&'a [u8]),
    /// From here on, bytes belong to another content, and start at this offset in it.
    OtherContent(u64),
    Nothing,
    End,
}

impl Tail {
    pub(super) fn new(path: PathBuf, follow: bool, start: Start, chunk: usize) -> Self {
        let ending = match &start {
            Start::Beginning | Start::At(_) => 0,
            Start::AfterLast(ending, _) => ending.len(),
        };
        Self {
            path,
            follow,
            start,
            current: None,
            pending: VecDeque::new(),
            quiet: false,
            buffer: vec![0; OVERLAP + ending + chunk],
        }
    }

    /// Whether another file has the name of the one being read.
    pub(super) fn is_rotating(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Reads at most one chunk.
    pub(super) fn look(&mut self) -> Result<Look<'_>, TextFileError> {
        if self.current.is_none() {
            return self.open_first();
        }
        // Checked before the read, so that bytes appended before the file was moved away are read before the move is
        // acted upon; reported after it.
        let noticed = match self.follow {
            true => self.notice_successor(),
            false => Ok(()),
        };
        let Some(current) = &mut self.current else {
            return Ok(Look::Nothing);
        };
        match current.read(&mut self.buffer) {
            Err(error) => Err(TextFileError::read(&self.path, error)),
            Ok(Chunk::Bytes(range)) => {
                self.quiet = false;
                Ok(Look::Bytes(&self.buffer[range]))
            }
            Ok(Chunk::Replaced | Chunk::AtEnd) if !self.follow => Ok(Look::End),
            Ok(Chunk::Replaced) => {
                self.quiet = false;
                current.rewind();
                Ok(Look::OtherContent(0))
            }
            Ok(Chunk::AtEnd) if self.pending.is_empty() => noticed.map(|()| Look::Nothing),
            // A writer may hold the old file open a little longer than the file has its name.
            Ok(Chunk::AtEnd) if !self.quiet => {
                self.quiet = true;
                Ok(Look::Nothing)
            }
            Ok(Chunk::AtEnd) => {
                self.quiet = false;
                self.current = self.pending.pop_front();
                Ok(Look::OtherContent(0))
            }
        }
    }

    fn open_first(&mut self) -> Result<Look<'_>, TextFileError> {
        let mut content = match open(&self.path) {
            Ok(content) => content,
            Err(error) if self.follow && error.is_missing() => {
                // A file that appears later is new: it is read whole.
                self.start = Start::Beginning;
                return Ok(Look::Nothing);
            }
            Err(error) => return Err(error),
        };
        if let Start::AfterLast(ending, len) = &self.start {
            content
                .skip_to_last_line(ending, *len, &mut self.buffer)
                .map_err(|error| TextFileError::read(&self.path, error))?;
        }
        if let Start::At(offset) = self.start {
            content
                .skip_to(offset, &mut self.buffer)
                .map_err(|error| TextFileError::read(&self.path, error))?;
        }
        let position = content.position();
        self.current = Some(content);
        Ok(Look::OtherContent(position))
    }

    /// Opens the file that the name refers to now, unless it was the last one opened.
    fn notice_successor(&mut self) -> Result<(), TextFileError> {
        if self.pending.len() >= MAX_PENDING {
            return Ok(());
        }
        let Some(newest) = self.pending.back().or(self.current.as_ref()) else {
            return Ok(());
        };
        let looked = fs::metadata(&self.path)
            .and_then(|named| newest.is_other(&named))
            .map_err(|error| TextFileError::open(&self.path, error))
            .and_then(|is_other| is_other.then(|| open(&self.path)).transpose());
        match looked {
            Ok(successor) => {
                self.pending.extend(successor);
                Ok(())
            }
            Err(error) if error.is_missing() => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn open(path: &Path) -> Result<Content, TextFileError> {
    let opened = fs::metadata(path).and_then(|metadata| match metadata.is_file() {
        // Only then: opening a pipe that nobody writes to would block.
        true => File::open(path).map(Some),
        false => Ok(None),
    });
    match opened {
        Ok(Some(file)) => Ok(Content::new(file)),
        Ok(None) => Err(TextFileError::NotAFile {
            path: path.to_owned(),
        }),
        Err(error) => Err(TextFileError::open(path, error)),
    }
}
