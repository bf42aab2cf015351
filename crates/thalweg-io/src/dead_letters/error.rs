use std::io;

use thalweg::BoxError;

/// Why dead letters are not written, or not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeadLetterError {
    /// The place cannot be used as it was given.
    #[error("dead letters in {place}: {problem}")]
    Invalid {
        /// The place.
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
    /// A letter is longer than 16 MiB. The others are written, or read.
    #[error(
        "dead letters in {place}: the letter of an element of `{node}` has {len} bytes, and 16 MiB is the most; keep less of the element"
    )]
    TooLong {
        /// The place.
        place: String,
        /// The node that failed on the element, if the letter has been read so far.
        node: String,
        /// Bytes of the letter.
        len: usize,
    },
    /// What is kept there is no letter. Those behind it are read.
    #[error("dead letters in {place}: {at} is no letter: {problem}")]
    NoLetter {
        /// The place.
        place: String,
        /// Where it stands there.
        at: String,
        /// What is wrong with it.
        problem: String,
    },
    /// An element cannot be taken for a failure.
    #[error("dead letters in {place}: {source}")]
    Element {
        /// The place.
        place: String,
        /// The cause.
        source: BoxError,
    },
    /// The database refuses.
    #[cfg(feature = "sql")]
    #[error(transparent)]
    Sql(#[from] crate::SqlError),
    /// The brokers refuse, or cannot be reached.
    #[cfg(feature = "kafka")]
    #[error(transparent)]
    Kafka(#[from] crate::KafkaError),
    /// A letter has failed again, and too many behind it have been read.
    #[error(transparent)]
    Stuck(#[from] crate::PositionError),
}

impl DeadLetterError {
    /// Whether another letter may be written, or read, nevertheless.
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
