use std::io;

use crate::position::{Overdue, PositionError};

/// The remedy for a message that is too large.
pub(super) const SEND_LESS: &str = "raise the option `message.max.bytes`, and `max.message.bytes` of the topic, or write less at once";

/// Errors of reading and writing messages. `brokers` are always the addresses as given.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KafkaError {
    /// An option is missing or invalid.
    #[error("Kafka at {brokers}: {problem}")]
    Invalid {
        /// The brokers.
        brokers: String,
        /// What is wrong.
        problem: String,
    },
    /// No broker can be reached. The client keeps trying.
    #[error(
        "Kafka at {brokers}: no broker can be reached ({problem}); the client tries again, with pauses of up to 10 s: check that the brokers run, and that the addresses they advertise can be reached from here"
    )]
    Unreachable {
        /// The brokers.
        brokers: String,
        /// The error of the last attempt.
        problem: String,
    },
    /// The brokers refuse the login, or an operation that it has no permission for.
    #[error("Kafka at {brokers}: {problem}; check user, password and permissions")]
    Refused {
        /// The brokers.
        brokers: String,
        /// Their message.
        problem: String,
    },
    /// A topic does not exist.
    #[error("Kafka at {brokers}: the topic `{topic}` does not exist; create it, or check its name")]
    NoTopic {
        /// The brokers.
        brokers: String,
        /// The topic.
        topic: String,
    },
    /// The group has no offset to start from, and the option `auto.offset.reset` is `error`.
    #[error(
        "Kafka at {brokers}: group `{group}` cannot go on in {partitions}: {problem}; commit another offset for the group, or set the option `auto.offset.reset` to \"earliest\" or \"latest\""
    )]
    NoOffset {
        /// The brokers.
        brokers: String,
        /// The consumer group.
        group: String,
        /// The topics and partitions, as far as they are known.
        partitions: String,
        /// The cause.
        problem: String,
    },
    /// Any other error. The client retries, unless the error is fatal.
    #[error("Kafka at {brokers}: reading {topics} as group `{group}`: {problem}")]
    Read {
        /// The brokers.
        brokers: String,
        /// The consumer group.
        group: String,
        /// The topics.
        topics: String,
        /// The cause.
        problem: String,
        /// Whether the source has ended.
        is_fatal: bool,
    },
    /// Offsets could not be committed. They are committed again with the next ones.
    #[error(
        "Kafka at {brokers}: the offsets of group `{group}` could not be committed ({problem}); what was done since the last commit is read again if this process ends"
    )]
    Commit {
        /// The brokers.
        brokers: String,
        /// The consumer group.
        group: String,
        /// The cause.
        problem: String,
    },
    /// A message was not written.
    #[error(
        "Kafka at {brokers}: a message of {bytes} bytes was not written to topic `{topic}`{}: {problem}{}",
        partition.map(|partition| format!(", partition {partition}")).unwrap_or_default(),
        remedy.map(|remedy| format!("; {remedy}")).unwrap_or_default()
    )]
    NotWritten {
        /// The brokers.
        brokers: String,
        /// The topic.
        topic: String,
        /// The partition, if one was chosen.
        partition: Option<i32>,
        /// Size of key and value, in bytes.
        bytes: usize,
        /// The cause.
        problem: String,
        /// The remedy.
        remedy: Option<&'static str>,
    },
    /// An element is not a valid message.
    #[error("Kafka at {brokers}: not written to topic `{topic}`: {problem}")]
    NoRecord {
        /// The brokers.
        brokers: String,
        /// The topic.
        topic: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A transaction was aborted, or cannot be started.
    #[error("Kafka at {brokers}: transactions `{id}`: {problem}; {remedy}")]
    Transaction {
        /// The brokers.
        brokers: String,
        /// Its transactional id.
        id: String,
        /// The cause.
        problem: String,
        /// The remedy.
        remedy: &'static str,
    },
    /// The position of a partition is not available.
    #[error(
        "Kafka at {brokers}: no position for topic `{topic}`, partition {partition}: {problem}"
    )]
    NoPosition {
        /// The brokers.
        brokers: String,
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// What is wrong with it.
        problem: String,
    },
    /// A message has failed, and too many messages after it have been read.
    #[error(transparent)]
    Stuck(#[from] PositionError),
    /// A message has been unfinished for a long time.
    #[error(transparent)]
    Overdue(#[from] Overdue),
    /// No thread can be started.
    #[error("cannot start to work with Kafka: {0}")]
    Start(io::Error),
}

impl KafkaError {
    /// Whether a smaller message would have been written.
    #[cfg(feature = "dead-letters")]
    pub(crate) fn is_too_large(&self) -> bool {
        matches!(self, Self::NotWritten { remedy: Some(remedy), .. } if *remedy == SEND_LESS)
    }

    /// Whether the source continues.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::Commit { .. }
            | Self::NotWritten { .. }
            | Self::Overdue(_) => true,
            Self::Read { is_fatal, .. } => !is_fatal,
            Self::Invalid { .. }
            | Self::Refused { .. }
            | Self::NoTopic { .. }
            | Self::NoOffset { .. }
            | Self::NoPosition { .. }
            | Self::NoRecord { .. }
            | Self::Transaction { .. }
            | Self::Stuck(_)
            | Self::Start(_) => false,
        }
    }
}
