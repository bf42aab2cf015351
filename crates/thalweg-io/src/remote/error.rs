use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::address::Address;
use crate::files::RecordError;

/// Errors of remote files. Each names the URL, without user, password and query.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RemoteError {
    /// The URL or an option is invalid.
    #[error("cannot use {url:?}: {problem}")]
    Invalid {
        /// The URL.
        url: String,
        /// What is wrong, with the remedy.
        problem: String,
    },
    /// This build of the library has no support for the system.
    #[error("cannot use {url:?}: it wants thalweg-io's feature `{feature}`; build with it")]
    NotBuilt {
        /// The URL.
        url: String,
        /// The feature of `thalweg-io`.
        feature: &'static str,
    },
    /// The system refused, or could not be reached.
    #[error("cannot {action} {url}: {problem}{}{}", Attempts(*attempts), Remedy(*reason, url))]
    Failed {
        /// The operation: `read` or `write`.
        action: &'static str,
        /// The URL.
        url: String,
        /// The kind of failure.
        reason: RemoteFailure,
        /// Its message.
        problem: String,
        /// Number of attempts.
        attempts: u32,
    },
    /// The file has changed during reading.
    #[error("{url} has changed while it was read; read it again")]
    Changed {
        /// The URL.
        url: String,
    },
    /// A file exceeds the limit.
    #[error(
        "{url} is longer than {max_len} bytes; raise `{option}`, save it to a file, or read it in pieces by `from_url`"
    )]
    TooLong {
        /// The URL.
        url: String,
        /// The limit, in bytes.
        max_len: u64,
        /// The option that sets the limit.
        option: &'static str,
    },
    /// A file has an unexpected checksum.
    #[error(
        "{url} has the {algorithm} checksum {found}, and {expected} was expected; it is damaged or another file"
    )]
    Checksum {
        /// The URL.
        url: String,
        /// The algorithm.
        algorithm: &'static str,
        /// The expected checksum.
        expected: String,
        /// The actual checksum.
        found: String,
    },
    /// The local file cannot be read or written.
    #[error("cannot {action} {path:?}, for {url}: {source}")]
    File {
        /// The operation: `write to` or `read`.
        action: &'static str,
        /// The URL.
        url: String,
        /// The local file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// Invalid record in a file. Reading continues after it.
    #[error("{url}: {source}")]
    Record {
        /// The URL.
        url: String,
        /// What is wrong, and where.
        source: RecordError,
    },
    /// The system has no thread or descriptor left for the connection.
    #[error("cannot start a transfer: {0}")]
    Start(io::Error),
}

/// The kind of a [`RemoteError::Failed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RemoteFailure {
    /// The file, folder or bucket does not exist.
    NotFound,
    /// The login was refused, or lacks permissions.
    Denied,
    /// The certificate is not trusted.
    Certificate,
    /// The system is full.
    Full,
    /// The system could not be reached, or the connection was lost.
    Network,
    /// The system, or this build of the library, does not support it.
    Unsupported,
    /// Anything else.
    Other,
}

struct Attempts(u32);

impl fmt::Display for Attempts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 | 1 => Ok(()),
            attempts => write!(f, ", after {attempts} attempts"),
        }
    }
}

struct Remedy<'a>(RemoteFailure, &'a str);

impl fmt::Display for Remedy<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            RemoteFailure::NotFound => "; check its name",
            RemoteFailure::Denied if self.1.starts_with("s3:") => {
                "; check the access key, the region and its rights for the bucket"
            }
            RemoteFailure::Denied if self.1.starts_with("sftp:") => {
                "; check the user, its key and the host's entry in `known_hosts`"
            }
            RemoteFailure::Denied => "; check the user, the password and its rights",
            RemoteFailure::Certificate => {
                "; have this machine trust the authority that issued it, and check the host's name"
            }
            RemoteFailure::Full => "; make room there",
            RemoteFailure::Network => "; check the address, and that the server is up",
            RemoteFailure::Unsupported | RemoteFailure::Other => "",
        })
    }
}

/// Why an attempt failed.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The system's message, and whether a retry may help.
    Failed {
        reason: RemoteFailure,
        problem: String,
        is_temporary: bool,
        /// The pause that the system asks for.
        asked: Duration,
    },
    Changed,
    /// An error that needs no further words.
    Final(RemoteError),
}

impl Trouble {
    pub(super) fn lasting(reason: RemoteFailure, problem: impl Into<String>) -> Self {
        Self::new(reason, problem, false)
    }

    pub(super) fn passing(problem: impl Into<String>) -> Self {
        Self::new(RemoteFailure::Network, problem, true)
    }

    pub(super) fn new(
        reason: RemoteFailure,
        problem: impl Into<String>,
        is_temporary: bool,
    ) -> Self {
        let problem = problem.into();
        let is_trusted = !problem.contains("invalid peer certificate");
        Self::Failed {
            reason: match is_trusted {
                true => reason,
                false => RemoteFailure::Certificate,
            },
            problem,
            is_temporary: is_temporary && is_trusted,
            asked: Duration::ZERO,
        }
    }

    pub(super) fn is_temporary(&self) -> bool {
        matches!(
            self,
            Self::Failed {
                is_temporary: true,
                ..
            }
        )
    }

    /// The pause that the system asks for.
    pub(super) fn asked(&self) -> Duration {
        match self {
            Self::Failed { asked, .. } => *asked,
            Self::Changed | Self::Final(_) => Duration::ZERO,
        }
    }

    /// The user's error, after this many attempts.
    pub(super) fn into_error(
        self,
        action: &'static str,
        address: &Address,
        attempts: u32,
    ) -> RemoteError {
        let url = address.shown();
        match self {
            Self::Failed {
                reason, problem, ..
            } => RemoteError::Failed {
                action,
                url,
                reason,
                problem,
                attempts,
            },
            Self::Changed => RemoteError::Changed { url },
            Self::Final(error) => error,
        }
    }
}
