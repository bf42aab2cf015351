use std::fmt;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use thalweg::BoxError;

/// Errors of reading and writing files. Each names the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The name, or a limit, is invalid.
    #[error("{}: {problem}", path.display())]
    Invalid {
        /// The name.
        path: PathBuf,
        /// What is wrong, with the remedy.
        problem: String,
    },
    /// The operating system reports an error.
    #[error("cannot {action} {}: {source}{}", path.display(), Remedy(source, path, action))]
    Io {
        /// The operation: `create`, `write to`, `finish`, `open` or `read`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// An element cannot be written in this format.
    #[error("{}: {problem}", path.display())]
    Element {
        /// The file that it was to be in.
        path: PathBuf,
        /// What is wrong with it.
        problem: BoxError,
    },
    /// The elements of a file are lost with it.
    #[error("{source}; its {elements} elements are lost with it")]
    Lost {
        /// Number of elements in the file.
        elements: u64,
        /// Why it was not renamed.
        source: Box<FileError>,
    },
    /// Invalid record in a file. Reading continues after it.
    #[error("{}: {source}", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        source: RecordError,
    },
}

impl FileError {
    pub(super) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        Self::Io {
            action,
            path,
            source,
        }
    }

    /// Whether a retry may help: another program's file stays where it is.
    pub(super) fn is_temporary(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() != ErrorKind::AlreadyExists)
    }

    pub(super) fn invalid(path: &Path, problem: impl Into<String>) -> Self {
        Self::Invalid {
            path: path.to_owned(),
            problem: problem.into(),
        }
    }
}

/// The remedy for an error of the system.
struct Remedy<'a>(&'a io::Error, &'a Path, &'static str);

impl fmt::Display for Remedy<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let folder = self.1.parent().filter(|path| !path.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new(".")).display();
        match self.0.kind() {
            ErrorKind::NotFound if matches!(self.2, "open" | "read") => {
                f.write_str("; check its name")
            }
            ErrorKind::NotFound => write!(f, "; is there a folder {folder}? It is not made"),
            ErrorKind::PermissionDenied => {
                write!(
                    f,
                    "; give this user the rights for it, and for the folder {folder}"
                )
            }
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                write!(f, "; make room on the disk of {folder}")
            }
            ErrorKind::FileTooLarge => f.write_str("; set a smaller `max_bytes`"),
            ErrorKind::ReadOnlyFilesystem => write!(f, "; {folder} can only be read"),
            _ => Ok(()),
        }
    }
}

/// An invalid record, with its position.
#[derive(Debug, thiserror::Error)]
#[error("line {line}, byte {byte}: {problem}")]
pub struct RecordError {
    /// 1-based number of the record's first line; for records other than lines, of the record. Counted from where
    /// reading started.
    pub line: u64,
    /// Offset of the record in bytes.
    pub byte: u64,
    /// What is wrong with it.
    pub problem: BoxError,
}
