//! [Redis](https://redis.io): streams, read as a member of a consumer group, and lists, as sources and sinks.
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
//! An element is acknowledged when everything derived from it is done; until then it stays at the server, and is read
//! again after a crash.

mod connection;
mod error;
mod intake;
mod sink;
mod source;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;

pub use self::error::RedisError;
pub use self::intake::RedisCloser;
pub use self::sink::{RedisSink, ToRedis};
pub use self::source::{FromRedisList, FromRedisStream, RedisListSource, RedisStreamSource};
use crate::tls::ClientFiles;

use crate::capacity::capacity;
use crate::retries::Retries;

/// Name of the field for text and bytes.
const VALUE: &str = "value";

/// An entry of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct RedisEntry {
    /// Its id, which increases from entry to entry. Empty for writing, if the server is to create it.
    pub id: String,
    /// Fields as names and values.
    pub fields: Vec<(String, Bytes)>,
}

impl RedisEntry {
    /// Value of the field with a name.
    pub fn get(&self, name: &str) -> Option<&Bytes> {
        let mut fields = self.fields.iter();
        fields.find_map(|(known, value)| (known == name).then_some(value))
    }

    /// Value of the field `value`, to which text and bytes are written; empty if there is none.
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
    /// With the scheme `redis`.
    url: String,
    tls: Option<ClientFiles>,
    key: String,
    group: Option<String>,
    consumer: String,
    from_latest: bool,
    claim_after: Duration,
    max_waiting: usize,
    max_len: Option<usize>,
    retries: Retries,
}

impl Redis {
    /// A key, and the URL of the server: `redis://user:password@host:port/database`, or `rediss://` for TLS. Nothing is
    /// sent before the pipeline starts.
    pub fn new(url: impl Into<String>, key: impl Into<String>) -> Self {
        let mut url = url.into();
        let mut tls = None;
        if let Some(("rediss", rest)) = url.split_once("://") {
            url = format!("redis://{rest}");
            tls = Some(ClientFiles::default());
        }
        Self {
            url,
            tls,
            key: key.into(),
            group: None,
            consumer: "thalweg".to_string(),
            from_latest: false,
            claim_after: Duration::from_secs(60),
            max_waiting: 1024,
            max_len: None,
            retries: Retries::default(),
        }
    }

    /// Uses TLS, and verifies the server's certificate against a PEM file instead of the system's certificates.
    #[must_use]
    pub fn authorities(mut self, path: impl Into<PathBuf>) -> Self {
        self.tls.get_or_insert_default().authorities = Some(path.into());
        self
    }

    /// Uses TLS with a client certificate, followed by its chain, and its key. Both files are PEM.
    #[must_use]
    pub fn identity(mut self, certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.tls.get_or_insert_default().identity = Some((certificate.into(), key.into()));
        self
    }

    /// The consumer group for reading a stream, created if it does not exist. Lists have no groups.
    #[must_use]
    pub fn group(mut self, name: impl Into<String>) -> Self {
        self.group = Some(name.into());
        self
    }

    /// Name of this reader: `thalweg` by default. Elements that a reader of the same name has not acknowledged are read
    /// first. Concurrent readers need different names.
    #[must_use]
    pub fn consumer(mut self, name: impl Into<String>) -> Self {
        self.consumer = name.into();
        self
    }

    /// Makes a newly created group begin with entries written from then on, instead of the first available one.
    #[must_use]
    pub fn from_latest(mut self) -> Self {
        self.from_latest = true;
        self
    }

    /// Time after which an unacknowledged entry of a stream, of this or another reader of the group, is read again, in
    /// real time: 60 s by default. Entries that are still in this pipeline are not.
    #[must_use]
    pub fn claim_after(mut self, limit: Duration) -> Self {
        self.claim_after = limit;
        self
    }

    /// Limit of elements that wait for the pipeline: 1024 by default. Reading stops at the limit. At most 1,048,576.
    #[must_use]
    pub fn max_waiting(mut self, count: usize) -> Self {
        self.max_waiting = capacity(count);
        self
    }

    /// For writing to a stream: limits its length approximately; the server drops the oldest entries.
    #[must_use]
    pub fn max_len(mut self, entries: usize) -> Self {
        self.max_len = Some(entries);
        self
    }

    /// For writing: number of retries when the server cannot be reached, 10 by default. A source retries for ever.
    #[must_use]
    pub fn retries(mut self, count: u32) -> Self {
        self.retries.count = count;
        self
    }

    /// Pause before the first retry: 100 ms by default. It doubles each time, up to 30 s.
    #[must_use]
    pub fn wait(mut self, pause: Duration) -> Self {
        self.retries.first_pause = pause;
        self
    }

    /// Checks the arguments and the files of TLS before anything is sent.
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
        if self.tls.is_some() && self.url.contains('#') {
            return Err(self.invalid(
                "the URL has a fragment: certificates are always verified; name who vouches for the server's by `authorities`",
            ));
        }
        if let Some(Err(error)) = self.tls.as_ref().map(ClientFiles::connector) {
            return Err(self.invalid(&error.to_string()));
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
                "the URL is not a Redis URL: give `redis://user:password@host:port/database`",
            )
        })
    }

    fn invalid(&self, problem: &str) -> RedisError {
        RedisError::Invalid {
            address: self.address(),
            problem: problem.to_string(),
        }
    }

    /// The URL without scheme, user, password and query.
    fn address(&self) -> String {
        let rest = self.url.split_once("://").map_or("", |(_, rest)| rest);
        let rest = rest.split(['?', '#']).next().unwrap_or_default();
        rest.rsplit('@').next().unwrap_or_default().to_string()
    }

    fn label(&self) -> String {
        format!("{} {}", self.address(), self.key)
    }

    /// The list of elements that this reader has taken from a list and not acknowledged.
    fn processing(&self) -> String {
        format!("{}:processing:{}", self.key, self.consumer)
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis")
            .field("address", &self.address())
            .field("key", &self.key)
            .field("group", &self.group)
            .field("consumer", &self.consumer)
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}
