use std::io;
use std::path::PathBuf;

use thalweg::BoxError;

use crate::LineError;
use crate::tls::TlsError;

/// Errors of sending and receiving over TCP.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TcpError {
    /// The address cannot be listened on.
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
    /// A received message is invalid.
    #[error("from {peer}: {source}")]
    Frame {
        /// The peer.
        peer: String,
        /// What is wrong with it.
        source: LineError,
    },
    /// The peer closed the connection within a message.
    #[error("from {peer}: the connection ended within a message, after {len} bytes of it")]
    Incomplete {
        /// The peer.
        peer: String,
        /// Bytes received of it.
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
    /// The server cannot be reached.
    #[error("{host}:{port} cannot be reached: {source}; tried {attempts} times")]
    Connect {
        /// The host.
        host: String,
        /// The port.
        port: u16,
        /// Number of attempts.
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
    /// A message is longer than its length prefix can express.
    #[error("to {host}:{port}: a message of {len} bytes, and its length has to fit into {width}")]
    TooLong {
        /// The host.
        host: String,
        /// The port.
        port: u16,
        /// The message's length in bytes.
        len: usize,
        /// The width of the length prefix in bytes.
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
    /// Whether other messages may still arrive.
    pub(super) fn is_temporary(&self) -> bool {
        matches!(self, Self::Frame { .. } | Self::Incomplete { .. })
    }
}
