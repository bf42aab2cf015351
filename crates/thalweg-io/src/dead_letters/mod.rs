//! Dead letters: elements that a function failed on, stored with their error in a file, a table or a topic, and
//! replayed when the cause has been fixed.
//!
//! ```
//! use thalweg::Stream;
//! use thalweg_io::{DeadLetters, prelude::*};
//!
//! # let dir = tempfile::tempdir()?;
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! # let _guard = runtime.enter();
//! # runtime.block_on(async {
//! let letters = DeadLetters::file(dir.path().join("letters.jsonl"));
//! let texts = Stream::new();
//! let numbers = texts.try_map(|text: &String| text.parse::<f64>());
//! numbers.errors().to_dead_letters(&letters, |text: &String| text.as_str().into());
//! texts.emit_many(["20.5", "21,2"].map(String::from)).await?;
//! texts.drain("10s").await?;
//!
//! // Once commas are understood:
//! let again = Stream::from_dead_letters(&letters);
//! let numbers = again.try_map(|letter| {
//!     letter.element.text().unwrap_or_default().replace(',', ".").parse::<f64>()
//! });
//! let list = numbers.sink_to_list();
//! again.run("10s").await?;
//! assert_eq!(list.to_vec(), [21.2]);
//!
//! // What was replayed is not replayed again.
//! let again = Stream::from_dead_letters(&letters);
//! let list = again.sink_to_list();
//! again.run("10s").await?;
//! assert!(list.is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod error;
mod file;
mod letter;
mod sink;
mod source;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;

pub use self::error::DeadLetterError;
pub use self::letter::{DeadLetter, Kept};
pub use self::sink::{DeadLetterSink, ToDeadLetters};
pub use self::source::{DeadLetterCloser, DeadLetterSource, FromDeadLetters};
#[cfg(feature = "sql")]
use crate::Database;
#[cfg(feature = "sql")]
use crate::sql::LettersTable;

/// Storage of dead letters.
#[derive(Clone)]
pub struct DeadLetters(Place);

#[derive(Clone)]
enum Place {
    File(PathBuf),
    #[cfg(feature = "sql")]
    Table(LettersTable),
    #[cfg(feature = "kafka")]
    Topic {
        brokers: String,
        topic: String,
        options: Vec<(String, String)>,
    },
}

impl DeadLetters {
    /// Storage by URL: `kafka://host:port/topic` with the feature `kafka`; the URL of a `Database` with the feature
    /// `sql`, in the table `dead_letters`; or the name of a file.
    ///
    /// ```
    /// use thalweg_io::DeadLetters;
    ///
    /// assert_eq!(DeadLetters::open("letters.jsonl")?.shown(), "letters.jsonl");
    /// let error = DeadLetters::open("ftp://localhost/letters").unwrap_err();
    /// assert!(error.to_string().starts_with("dead letters in `ftp:…`: "), "{error}");
    /// # Ok::<(), thalweg_io::dead_letters::DeadLetterError>(())
    /// ```
    ///
    /// # Errors
    /// The URL has another scheme, or the database cannot be opened.
    pub fn open(url: &str) -> Result<Self, DeadLetterError> {
        let scheme = url.split_once(':').map(|(scheme, _)| scheme);
        let invalid = |problem: &str| DeadLetterError::Invalid {
            // The rest may contain a password.
            place: scheme.map_or_else(|| url.to_string(), |scheme| format!("`{scheme}:…`")),
            problem: problem.to_string(),
        };
        #[cfg(feature = "kafka")]
        if let Some(rest) = url.strip_prefix("kafka://") {
            return match rest.split_once('/') {
                Some((brokers, topic)) if !brokers.is_empty() && !topic.is_empty() => {
                    Ok(Self::topic(brokers, topic))
                }
                _ => Err(invalid("brokers and topic are `kafka://host:port/topic`")),
            };
        }
        #[cfg(feature = "sql")]
        if matches!(scheme, Some("sqlite" | "postgres" | "postgresql")) {
            return Self::table(&Database::open(url)?, "dead_letters");
        }
        if url.is_empty() || url.contains("://") || matches!(scheme, Some("sqlite")) {
            return Err(invalid(
                "give the name of a file, the URL of a database, or `kafka://host:port/topic`; databases and Kafka are features of the crate",
            ));
        }
        Ok(Self::file(url))
    }

    /// A file with one letter per line, in [JSON](DeadLetter::to_json), created if it does not exist. The replay
    /// position is kept beside it, in a file with the suffix `.replayed`.
    ///
    /// Acknowledged letters survive the death of the program, but not of the machine.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self(Place::File(path.into()))
    }

    /// A table of a database, created if it does not exist, with a column for each field of a letter, and an `id`. The
    /// replay position is kept in the table `thalweg_positions`.
    ///
    /// # Errors
    /// The database reports an error.
    #[cfg(feature = "sql")]
    pub fn table(database: &Database, name: &str) -> Result<Self, DeadLetterError> {
        Ok(Self(Place::Table(LettersTable::create(database, name)?)))
    }

    /// A topic of Kafka whose messages are letters in [JSON](DeadLetter::to_json). The replay position is the committed
    /// offset of the group `replay TOPIC`. `brokers` is a comma-separated list of `host:port`.
    #[cfg(feature = "kafka")]
    pub fn topic(brokers: impl Into<String>, topic: impl Into<String>) -> Self {
        Self(Place::Topic {
            brokers: brokers.into(),
            topic: topic.into(),
            options: Vec::new(),
        })
    }

    /// An option of librdkafka for reading and writing a topic, such as a login; other storages ignore it. Values are
    /// never shown.
    #[cfg(feature = "kafka")]
    #[must_use]
    pub fn option(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        if let Place::Topic { options, .. } = &mut self.0 {
            options.push((name.into(), value.into()));
        }
        self
    }

    /// The storage's name without secrets.
    pub fn shown(&self) -> String {
        match &self.0 {
            Place::File(path) => path.display().to_string(),
            #[cfg(feature = "sql")]
            Place::Table(table) => table.shown(),
            #[cfg(feature = "kafka")]
            Place::Topic { brokers, topic, .. } => format!("kafka://{brokers}/{topic}"),
        }
    }
}

impl fmt::Debug for DeadLetters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DeadLetters").field(&self.shown()).finish()
    }
}

/// Payload of a replayed element's token: its number of attempts.
pub(crate) struct Replayed {
    pub(crate) attempts: u32,
}
