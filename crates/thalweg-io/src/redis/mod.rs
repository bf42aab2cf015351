//! [Redis](https://redis.io): streams, read as a member of a consumer group, and lists; as sources, and as sinks.
//!
//! ```no_run
//! use thalweg::Stream;
//! use thalweg_io::{Redis, prelude::*};
//!
//! let entries = Stream::from_redis_stream(Redis::new("redis://localhost", "readings").group("averages"));
//! let texts = entries.map(|entry| String::from_utf8_lossy(entry.value()).into_owned());
//! texts.to_redis_list(Redis::new("redis://localhost", "texts"));
//! entries.start()?;
//! # Ok::<(), thalweg::Error>(())
//! ```
//!
//! What is read is acknowledged once everything that was made of it is done; until then it stays with the server, and is
//! read again after a crash.

mod connection;
mod error;
mod intake;
mod sink;
mod source;
#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

use bytes::Bytes;

pub use self::error::RedisError;
pub use self::intake::RedisCloser;
pub use self::sink::{RedisSink, ToRedis};
pub use self::source::{FromRedisList, FromRedisStream, RedisListSource, RedisStreamSource};

/// The name of the field that a text, or bytes, are in.
const VALUE: &str = "value";

/// An entry of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct RedisEntry {
    /// Its id, which grows from entry to entry; when it is written, empty for one that the server makes.
    pub id: String,
    /// Names and values, in order.
    pub fields: Vec<(String, Bytes)>,
}

impl RedisEntry {
    /// The field of this name.
    pub fn get(&self, name: &str) -> Option<&Bytes> {
        let mut fields = self.fields.iter();
        fields.find_map(|(known, value)| (known == name).then_some(value))
    }

    /// The field `value`, which texts and bytes are written to; empty if there is none.
    ///
    /// ```
    /// use thalweg_io::redis::RedisEntry;
    ///
    /// assert_eq!(RedisEntry::from("20.5").value(), b"20.5");
    /// ```
    pub fn value(&self) -> &[u8] {
        self.get(VALUE).map_or(&[], |value| value)
    }
}

impl<const N: usize> From<[(&str, &str); N]> for RedisEntry {
    fn from(fields: [(&str, &str); N]) -> Self {
        let fields = fields.map(|(name, value)| (name.to_string(), value.to_string().into()));
        Self {
            id: String::new(),
            fields: fields.into(),
        }
    }
}

impl From<Bytes> for RedisEntry {
    fn from(value: Bytes) -> Self {
        Self {
            id: String::new(),
            fields: vec![(VALUE.to_string(), value)],
        }
    }
}

impl From<Vec<u8>> for RedisEntry {
    fn from(value: Vec<u8>) -> Self {
        Bytes::from(value).into()
    }
}

impl From<String> for RedisEntry {
    fn from(value: String) -> Self {
        Bytes::from(value).into()
    }
}

impl From<&str> for RedisEntry {
    fn from(value: &str) -> Self {
        value.to_string().into()
    }
}

/// A stream or a list of a server, to read or to write.
///
/// ```
/// use thalweg_io::Redis;
///
/// let key = Redis::new("redis://:secret@localhost:6379/1", "readings").group("averages");
/// assert!(key.check().is_ok());
/// assert!(!format!("{key:?}").contains("secret"));
///
/// let error = Redis::new("http://localhost", "readings").check().unwrap_err();
/// assert!(error.to_string().starts_with("Redis at localhost: "), "{error}");
/// ```
#[derive(Clone)]
pub struct Redis {
    url: String,
    key: String,
    group: Option<String>,
    consumer: String,
    from_latest: bool,
    claim_after: Duration,
    max_waiting: usize,
    max_len: Option<usize>,
    retries: u32,
    wait: Duration,
    max_wait: Duration,
}

impl Redis {
    /// A key, and the URL of the server: `redis://user:password@host:port/database`. Nothing is asked before the pipeline
    /// starts.
    pub fn new(url: impl Into<String>, key: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            key: key.into(),
            group: None,
            consumer: "thalweg".to_string(),
            from_latest: false,
            claim_after: Duration::from_secs(60),
            max_waiting: 1024,
            max_len: None,
            retries: 10,
            wait: Duration::from_millis(100),
            max_wait: Duration::from_secs(30),
        }
    }

    /// The consumer group that a stream is read as a member of. It is made if there is none. A list has no groups.
    #[must_use]
    pub fn group(mut self, name: impl Into<String>) -> Self {
        self.group = Some(name.into());
        self
    }

    /// The name of this reader: `thalweg` unless one says otherwise. What a reader of the same name has not acknowledged
    /// is read first; of those that read at the same time each needs a name of its own.
    #[must_use]
    pub fn consumer(mut self, name: impl Into<String>) -> Self {
        self.consumer = name.into();
        self
    }

    /// Has a group that is made here begin with what is written from then on, and not with the first entry there is.
    #[must_use]
    pub fn from_latest(mut self) -> Self {
        self.from_latest = true;
        self
    }

    /// After how long an entry of a stream that was not acknowledged, by this reader or by another of the group, is read
    /// again, in real time: 60 s unless one says otherwise. Entries that are on their way here are not.
    #[must_use]
    pub fn claim_after(mut self, limit: Duration) -> Self {
        self.claim_after = limit;
        self
    }

    /// The most elements that lie ready for the pipeline: 1024 unless one says otherwise. Then nothing is read.
    #[must_use]
    pub fn max_waiting(mut self, count: usize) -> Self {
        self.max_waiting = count.max(1);
        self
    }

    /// Has the server drop the oldest entries of a stream that is written, once it has about so many more.
    #[must_use]
    pub fn max_len(mut self, entries: usize) -> Self {
        self.max_len = Some(entries);
        self
    }

    /// How often a server that cannot be reached is tried again, for writing: 10 times unless one says otherwise. A source
    /// tries without end.
    #[must_use]
    pub fn retries(mut self, count: u32) -> Self {
        self.retries = count;
        self
    }

    /// The first pause before that: 100 ms unless one says otherwise. Each is twice the one before, and 30 s at most.
    #[must_use]
    pub fn wait(mut self, pause: Duration) -> Self {
        self.wait = pause;
        self
    }

    /// Checks the arguments, before anything is asked.
    ///
    /// # Errors
    /// [`RedisError::Invalid`].
    pub fn check(&self) -> Result<(), RedisError> {
        if self.key.is_empty() {
            return Err(self.invalid("the key needs a name"));
        }
        if self.consumer.is_empty() || self.group.as_ref().is_some_and(String::is_empty) {
            return Err(self.invalid("a group and a consumer need names"));
        }
        self.client().map(drop)
    }

    fn check_group(&self) -> Result<(), RedisError> {
        match self.group {
            Some(_) => self.check(),
            None => Err(self.invalid("a stream is read as a member of a group: say which")),
        }
    }

    fn client(&self) -> Result<::redis::Client, RedisError> {
        ::redis::Client::open(self.url.as_str()).map_err(|_| {
            self.invalid(
                "the URL is none of Redis: give `redis://user:password@host:port/database`",
            )
        })
    }

    fn invalid(&self, problem: &str) -> RedisError {
        RedisError::Invalid {
            address: self.address(),
            problem: problem.to_string(),
        }
    }

    /// The URL without scheme, user and password, and without anything behind a question mark.
    fn address(&self) -> String {
        let rest = self.url.split_once("://").map_or("", |(_, rest)| rest);
        let rest = rest.split(['?', '#']).next().unwrap_or_default();
        rest.rsplit('@').next().unwrap_or_default().to_string()
    }

    fn label(&self) -> String {
        format!("{} {}", self.address(), self.key)
    }

    /// The list that holds what this reader has not acknowledged of a list.
    fn processing(&self) -> String {
        format!("{}:processing:{}", self.key, self.consumer)
    }

    /// The pause behind another one.
    fn next_pause(&self, pause: Duration) -> Duration {
        (pause * 2).min(self.max_wait.max(self.wait))
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis")
            .field("address", &self.address())
            .field("key", &self.key)
            .field("group", &self.group)
            .field("consumer", &self.consumer)
            .finish_non_exhaustive()
    }
}
