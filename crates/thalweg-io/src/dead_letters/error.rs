use std::io;

use thalweg::BoxError;

/// Error of writing or reading dead letters.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeadLetterError {
    /// The storage cannot be used as given.
    #[error("dead letters in {place}: {problem}")]
    Invalid {
        /// The storage.
        place: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A file cannot be opened, read or written.
    #[error(
        "dead letters in {place}: {source}; check the path, its permissions and the room on the disk"
    )]
    File {
        /// The file.
        place: String,
        /// The cause.
        source: io::Error,
    },
    /// A letter is longer than 16 MiB. The others are still written or read.
    #[error(
        "dead letters in {place}: the letter of an element of `{node}` has {len} bytes, and 16 MiB is the most; keep less of the element"
    )]
    TooLong {
        /// The storage.
        place: String,
        /// The node that failed on the element, if it was read before the limit.
        node: String,
        /// Size of the letter in bytes.
        len: usize,
    },
    /// A stored record is not a letter. The records after it are still read.
    #[error("dead letters in {place}: {at} is not a letter: {problem}")]
    NoLetter {
        /// The storage.
        place: String,
        /// Position of the record in the storage.
        at: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The element cannot be turned into a failure record.
    #[error("dead letters in {place}: {source}")]
    Element {
        /// The storage.
        place: String,
        /// The cause.
        source: BoxError,
    },
    /// The database reports an error.
    #[cfg(feature = "sql")]
    #[error(transparent)]
    Sql(#[from] crate::SqlError),
    /// The brokers report an error, or cannot be reached.
    #[cfg(feature = "kafka")]
    #[error(transparent)]
    Kafka(#[from] crate::KafkaError),
    /// A letter has failed again, and too many letters after it have been read.
    #[error(transparent)]
    Stuck(#[from] crate::PositionError),
}

impl DeadLetterError {
    /// Whether other letters may still be written or read.
    pub(super) fn is_about_one(&self) -> bool {
        match self {
            Self::TooLong { .. } | Self::NoLetter { .. } | Self::Element { .. } => true,
            #[cfg(feature = "sql")]
            Self::Sql(error) => error.blames_row(),
            #[cfg(feature = "kafka")]
            Self::Kafka(error) => error.is_too_large(),
            _ => false,
        }
    }
}
