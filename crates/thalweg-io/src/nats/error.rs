use std::io;

use thalweg::BoxError;

/// Errors of reading and writing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NatsError {
    /// An argument is invalid.
    #[error("NATS at {address}: {problem}")]
    Invalid {
        /// The server's address.
        address: String,
        /// What is wrong.
        problem: String,
    },
    /// The server cannot be reached, or the connection was lost. The source retries.
    #[error(
        "NATS at {address}, {place}: {problem}; tried again, with pauses of up to 30 s: check that the server runs"
    )]
    Unreachable {
        /// The server's address.
        address: String,
        /// The subject, and the stream.
        place: String,
        /// The cause.
        problem: String,
    },
    /// Messages without a stream arrived faster than they were taken, and are lost. The source continues.
    #[error(
        "NATS at {address}, {place}: messages were lost, since the pipeline is too slow for them; let more wait, or read a stream of JetStream"
    )]
    Dropped {
        /// The server's address.
        address: String,
        /// The subject.
        place: String,
    },
    /// A permanent refusal by the server.
    #[error("NATS at {address}, {place}: {problem}; {remedy}")]
    Refused {
        /// The server's address.
        address: String,
        /// The subject, and the stream.
        place: String,
        /// Its message.
        problem: String,
        /// The remedy.
        remedy: &'static str,
    },
    /// Elements were not written.
    #[error("NATS at {address}: not written to {place}: {problem}; tried {attempts} times")]
    NotWritten {
        /// The server's address.
        address: String,
        /// The subject, and the stream.
        place: String,
        /// The cause.
        problem: String,
        /// Number of attempts.
        attempts: u32,
    },
    /// A message exceeds the server's limit.
    #[error(
        "NATS at {address}, {place}: a message of {len} bytes, where the server takes {max_len}; send less, or raise `max_payload` in the server's settings"
    )]
    TooLong {
        /// The server's address.
        address: String,
        /// The subject, and the stream.
        place: String,
        /// Its length in bytes.
        len: usize,
        /// The server's limit in bytes.
        max_len: usize,
    },
    /// An element is not a valid message.
    #[error("NATS at {address}, {place}: {problem}")]
    Element {
        /// The server's address.
        address: String,
        /// The subject, and the stream.
        place: String,
        /// What is wrong with it.
        problem: BoxError,
    },
    /// The system has no thread or descriptor left.
    #[error("cannot start to work with NATS: {0}")]
    Start(io::Error),
}

impl NatsError {
    /// Whether the source continues.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Dropped { .. })
    }
}
