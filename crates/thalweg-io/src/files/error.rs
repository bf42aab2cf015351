use std::fmt;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use thalweg::BoxError;

/// Why a file could not be written, or not be read. Each names the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The name, or a limit, is none.
    #[error("{}: {problem}", path.display())]
    Invalid {
        /// The name.
        path: PathBuf,
        /// What is wrong, and what would be right.
        problem: String,
    },
    /// The system refused something.
    #[error("cannot {action} {}: {source}{}", path.display(), Remedy(source, path, action))]
    Io {
        /// What was tried: `create`, `write to`, `finish`, `open` or `read`.
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
        /// How many elements were in the file.
        elements: u64,
        /// Why it has not got its name.
        source: Box<FileError>,
    },
    /// What stands at a place of a file is no record. Reading goes on behind it.
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

    /// Whether another try may help: another program's file stays where it is.
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

/// What can be done, behind an error of the system.
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

/// Why bytes are no record, and where they stand.
#[derive(Debug, thiserror::Error)]
#[error("line {line}, byte {byte}: {problem}")]
pub struct RecordError {
    /// The number of the line that the record begins in, from 1 on; for records that are no lines, of the record. It
    /// counts from where reading has begun.
    pub line: u64,
    /// Where the record begins, in bytes from the start of the file.
    pub byte: u64,
    /// What is wrong with it.
    pub problem: BoxError,
}
