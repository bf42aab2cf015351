use std::io;
use std::path::PathBuf;

use thalweg::BoxError;
use tokio_tungstenite::tungstenite;

use crate::tls::{TlsError, is_refusal};

/// Errors of sending and receiving over a WebSocket. URLs are shown without their query.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WebSocketError {
    /// The URL or a header is invalid.
    #[error("{url}: {problem}")]
    Invalid {
        /// The URL.
        url: String,
        /// What is wrong, with the remedy.
        problem: String,
    },
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
    /// The certificate or the key cannot be used.
    #[error("TLS: {path}: {problem}", path = path.display())]
    Tls {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A client's connection was lost, or a message from it is invalid.
    #[error("from {peer}: {problem}")]
    Client {
        /// The client.
        peer: String,
        /// What happened.
        problem: String,
    },
    /// The server cannot be reached.
    #[error("{url} cannot be reached: {source}; tried {attempts} times")]
    Connect {
        /// The URL.
        url: String,
        /// Number of attempts.
        attempts: u32,
        /// The cause.
        source: BoxError,
    },
    /// The connection to the server was lost.
    #[error("{url}: the connection is lost: {problem}")]
    Lost {
        /// The URL.
        url: String,
        /// What happened.
        problem: String,
    },
    /// An element cannot be sent.
    #[error("to {url}: {problem}")]
    Element {
        /// The URL.
        url: String,
        /// What is wrong with it.
        problem: BoxError,
    },
    /// The system has no thread or descriptor left.
    #[error("cannot start to speak WebSocket: {0}")]
    Start(io::Error),
}

impl From<TlsError> for WebSocketError {
    fn from(error: TlsError) -> Self {
        match error {
            TlsError::File { path, problem } => Self::Tls { path, problem },
            TlsError::System(error) => Self::Start(io::Error::other(error)),
        }
    }
}

/// Why connecting failed, and whether to retry.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) source: BoxError,
    pub(super) is_for_good: bool,
}

impl From<tungstenite::Error> for Refused {
    fn from(error: tungstenite::Error) -> Self {
        let is_for_good = match &error {
            // The server's answer to the request, unless it is only busy.
            tungstenite::Error::Http(response) => {
                let status = response.status().as_u16();
                (300..500).contains(&status) && !matches!(status, 408 | 425 | 429)
            }
            tungstenite::Error::Url(_) | tungstenite::Error::HttpFormat(_) => true,
            _ => false,
        };
        Self {
            source: error.into(),
            is_for_good,
        }
    }
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        // An invalid certificate will still be invalid at the next attempt.
        let is_for_good = is_refusal(&error);
        Self {
            source: error.into(),
            is_for_good,
        }
    }
}
