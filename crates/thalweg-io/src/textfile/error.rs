//! Errors of text files, as sources and as sinks.

use std::io;
use std::path::{Path, PathBuf};

use crate::LineError;

/// Why a text file could not be read or written. Each names the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TextFileError {
    /// It could not be opened: it is not there, say, or may not be opened.
    #[error("cannot open {}: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// It is a directory, a pipe or a device. A pipe can be read with a [`Reader`](crate::Reader).
    #[error("{} is not a regular file", path.display())]
    NotAFile {
        /// The path that is no file.
        path: PathBuf,
    },
    /// Reading failed.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// Writing failed.
    #[error("cannot write to {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The input is no line as [`Lines`](crate::Lines) describes it.
    #[error("{}: {source}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line's error.
        source: LineError,
    },
}

impl TextFileError {
    /// The file it happened with.
    pub fn path(&self) -> &Path {
        match self {
            Self::Open { path, .. }
            | Self::NotAFile { path }
            | Self::Read { path, .. }
            | Self::Write { path, .. }
            | Self::Line { path, .. } => path,
        }
    }

    /// Whether it concerns a single line, and reading goes on with the next.
    pub(super) fn is_passed_over(&self) -> bool {
        matches!(self, Self::Line { source, .. } if source.is_passed_over())
    }

    /// Whether there is no such file.
    pub(super) fn is_missing(&self) -> bool {
        matches!(self, Self::Open { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }

    pub(super) fn open(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        Self::Open { path, source }
    }

    pub(super) fn read(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        Self::Read { path, source }
    }

    pub(super) fn write(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        Self::Write { path, source }
    }

    pub(super) fn line(path: &Path, source: LineError) -> Self {
        let path = path.to_owned();
        Self::Line { path, source }
    }
}
