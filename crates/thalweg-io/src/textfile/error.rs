//! Errors of text files, as sources and as sinks.

use std::io;
use std::path::{Path, PathBuf};

use crate::LineError;

/// Errors of reading and writing text files. Each names the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TextFileError {
    /// The file cannot be opened: it does not exist, or access is denied, for example.
    #[error("cannot open {}: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The path is a directory, a pipe or a device. A pipe can be read with a [`Reader`](crate::Reader).
    #[error("{} is not a regular file", path.display())]
    NotAFile {
        /// The path.
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
    /// The file contains an invalid line; see [`Lines`](crate::Lines).
    #[error("{}: {source}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line's error.
        source: LineError,
    },
}

impl TextFileError {
    /// The file.
    pub fn path(&self) -> &Path {
        match self {
            Self::Open { path, .. }
            | Self::NotAFile { path }
            | Self::Read { path, .. }
            | Self::Write { path, .. }
            | Self::Line { path, .. } => path,
        }
    }

    /// Whether it concerns a single line, and reading continues with the next.
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
