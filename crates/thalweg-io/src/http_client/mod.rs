//! HTTP resources: read line by line, or polled.

mod lines;
mod poll;
#[cfg(test)]
mod tests;

use std::io;
use std::path::PathBuf;

pub use self::lines::{FromHttpLines, HttpLines};
pub use self::poll::{FromHttpPoll, HttpPoll};
use crate::{LineError, WebError};

/// Error of a source or a request.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// The server could not be reached, or did not answer as expected.
    #[error(transparent)]
    Web(#[from] WebError),
    /// A line is invalid; see [`Lines`](crate::Lines). Reading continues with the next one.
    #[error("{url}: {source}")]
    Line {
        /// The URL, without user, password and query.
        url: String,
        /// The line's error.
        source: LineError,
    },
    /// A body exceeds the limit.
    #[error("the body of {url} is longer than {max_len} bytes")]
    TooLong {
        /// The URL, without user, password and query.
        url: String,
        /// The limit, in bytes.
        max_len: u64,
    },
    /// The server's `robots.txt` does not allow a request, and the request was not sent; see
    /// [`Fetch::robots`](crate::Fetch::robots).
    #[error("{url} is not asked for, since its server's robots.txt {reason}")]
    Robots {
        /// The URL, without user, password and query.
        url: String,
        /// The rule, or why the rules are unknown.
        reason: String,
    },
    /// A body cannot be written to a file.
    #[error("cannot write {url} to {path:?}: {source}")]
    File {
        /// The URL, without user, password and query.
        url: String,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The system has no thread or descriptor left for the connection.
    #[error("cannot start to read over HTTP: {0}")]
    Start(io::Error),
}

impl HttpError {
    /// Whether a retry may help.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Web(error) => error.is_temporary(),
            Self::Line { .. } | Self::TooLong { .. } => true,
            Self::File { .. } | Self::Robots { .. } | Self::Start(_) => false,
        }
    }
}
