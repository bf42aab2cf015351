use std::io;

use thalweg::BoxError;

/// Errors of reading and writing messages.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MqttError {
    /// An argument is invalid.
    #[error("MQTT at {address}: {problem}")]
    Invalid {
        /// The broker's host and port.
        address: String,
        /// What is wrong.
        problem: String,
    },
    /// The broker cannot be reached, or the connection was lost. The source retries.
    #[error(
        "MQTT at {address}, topic `{topic}`: {problem}; tried again, with pauses of up to 30 s: check that the broker runs, and that no other client has the same id"
    )]
    Unreachable {
        /// The broker's host and port.
        address: String,
        /// The topic.
        topic: String,
        /// The cause.
        problem: String,
    },
    /// A permanent refusal of the client or the subscription.
    #[error("MQTT at {address}, topic `{topic}`: {problem}; {remedy}")]
    Refused {
        /// The broker's host and port.
        address: String,
        /// The topic.
        topic: String,
        /// The refusal.
        problem: String,
        /// The remedy.
        remedy: &'static str,
    },
    /// Messages were not written.
    #[error("MQTT at {address}: not written to topic `{topic}`: {problem}; tried {attempts} times")]
    NotWritten {
        /// The broker's host and port.
        address: String,
        /// The topic.
        topic: String,
        /// The cause.
        problem: String,
        /// Number of attempts.
        attempts: u32,
    },
    /// A message exceeds the limit.
    #[error(
        "MQTT at {address}: a message of {len} bytes for topic `{topic}`, and {max_len} are the most; raise `max_len`, and the broker's limit, or write less at once"
    )]
    TooLong {
        /// The broker's host and port.
        address: String,
        /// The topic.
        topic: String,
        /// Size of the message in bytes.
        len: usize,
        /// The limit, in bytes.
        max_len: u32,
    },
    /// An element cannot be sent.
    #[error("MQTT at {address}, topic `{topic}`: {problem}")]
    Element {
        /// The broker's host and port.
        address: String,
        /// The topic.
        topic: String,
        /// What is wrong with it.
        problem: BoxError,
    },
    /// The system has no thread or descriptor left.
    #[error("cannot start to work with MQTT: {0}")]
    Start(io::Error),
}

impl MqttError {
    /// Whether the source continues.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }
}
