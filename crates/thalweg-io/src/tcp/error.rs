use std::io;
use std::path::PathBuf;

use thalweg::BoxError;

use crate::LineError;
use crate::tls::TlsError;

/// Why something over TCP did not come, or not arrive.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TcpError {
    /// It cannot listen there.
    #[error("cannot listen at {host}:{port}: {source}")]
    Bind {
        /// The host.
        host: String,
        /// The port.
        port: u16,
        /// The cause.
        source: io::Error,
    },
    /// The delimiter is empty.
    #[error("{0}")]
    Framing(LineError),
    /// A message that came over a connection is none of those that are taken.
    #[error("from {peer}: {source}")]
    Frame {
        /// The other end.
        peer: String,
        /// What is wrong with it.
        source: LineError,
    },
    /// The other end has gone in the middle of a message.
    #[error("from {peer}: the connection ended within a message, after {len} bytes of it")]
    Incomplete {
        /// The other end.
        peer: String,
        /// How much has come of it.
        len: usize,
    },
    /// The certificate or the key cannot be used.
    #[error("TLS: {path}: {problem}", path = path.display())]
    Tls {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The system has no thread or descriptor left for the server.
    #[error("cannot start to serve over TCP: {0}")]
    Start(io::Error),
    /// The other end cannot be reached.
    #[error("{host}:{port} cannot be reached: {source}; tried {attempts} times")]
    Connect {
        /// The host.
        host: String,
        /// The port.
        port: u16,
        /// How often it was tried.
        attempts: u32,
        /// The cause.
        source: io::Error,
    },
    /// An element cannot be sent.
    #[error("to {host}:{port}: {problem}")]
    Element {
        /// The host.
        host: String,
        /// The port.
        port: u16,
        /// What is wrong with it.
        problem: BoxError,
    },
    /// A message is longer than its length can say.
    #[error("to {host}:{port}: a message of {len} bytes, and its length has to fit into {width}")]
    TooLong {
        /// The host.
        host: String,
        /// The port.
        port: u16,
        /// The message's length, in bytes.
        len: usize,
        /// The width of a length, in bytes.
        width: usize,
    },
}

impl From<TlsError> for TcpError {
    fn from(error: TlsError) -> Self {
        match error {
            TlsError::File { path, problem } => Self::Tls { path, problem },
            TlsError::System(error) => Self::Start(io::Error::other(error)),
        }
    }
}

impl TcpError {
    /// Whether others may come all the same.
    pub(super) fn is_temporary(&self) -> bool {
        matches!(self, Self::Frame { .. } | Self::Incomplete { .. })
    }
}
