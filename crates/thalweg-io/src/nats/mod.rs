//! [NATS](https://nats.io): subjects as sources and sinks; confirmed with JetStream.
//!
//! ```no_run
//! use thalweg::Stream;
//! use thalweg_io::{Nats, prelude::*};
//!
//! let readings = Nats::new("nats://localhost", "readings.*").stream("READINGS").durable("averages");
//! let messages = Stream::from_nats(readings);
//! let texts = messages.map(|message| String::from_utf8_lossy(&message.payload).into_owned());
//! texts.to_nats(Nats::new("nats://localhost", "texts").stream("TEXTS"));
//! messages.start()?;
//! # Ok::<(), thalweg::Error>(())
//! ```
//!
//! A message from a [stream](Nats::stream) of JetStream is acknowledged when everything derived from it is done; until
//! then it stays at the server, and is delivered again after a crash. Without a stream, messages are those of core
//! NATS, which are delivered at most once.

mod connection;
mod error;
mod intake;
mod sink;
mod source;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr as _;
use std::time::Duration;

use async_nats::ServerAddr;
use bytes::Bytes;

pub use self::error::NatsError;
pub use self::intake::NatsCloser;
pub use self::sink::{NatsSink, ToNats};
pub use self::source::{FromNats, NatsSource};

use crate::capacity::capacity;
use crate::retries::Retries;

/// A received message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NatsMessage {
    /// The subject that it was sent to.
    pub subject: String,
    /// The payload.
    pub payload: Bytes,
    /// Headers as names and values.
    pub headers: Vec<(String, String)>,
    /// Sequence number in its stream, from 1; 0 without a stream.
    pub sequence: u64,
    /// Number of deliveries, including this one; 0 without a stream.
    pub deliveries: u64,
}

/// A message to write.
///
/// ```
/// use thalweg_io::nats::NatsRecord;
///
/// let record = NatsRecord::from("20.5").subject("readings.roof").id("roof-17").header("unit", "celsius");
/// assert_eq!(record.payload, "20.5");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NatsRecord {
    /// The payload.
    pub payload: Bytes,
    /// The subject, if it differs from the sink's.
    pub subject: Option<String>,
    /// Id for deduplication. A stream keeps one of several messages with the same id within two minutes, or within its
    /// configured window.
    pub id: Option<String>,
    /// Headers as names and values.
    pub headers: Vec<(String, String)>,
}

impl NatsRecord {
    /// Sends it to another subject than the sink's.
    #[must_use]
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// Sets the id by which a stream recognizes a message that is sent again, for example after a crash.
    #[must_use]
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}

impl From<Bytes> for NatsRecord {
    fn from(payload: Bytes) -> Self {
        Self {
            payload,
            ..Self::default()
        }
    }
}

impl From<Vec<u8>> for NatsRecord {
    fn from(payload: Vec<u8>) -> Self {
        Bytes::from(payload).into()
    }
}

impl From<String> for NatsRecord {
    fn from(payload: String) -> Self {
        Bytes::from(payload).into()
    }
}

impl From<&str> for NatsRecord {
    fn from(payload: &str) -> Self {
        payload.to_string().into()
    }
}

/// A subject of a server, to read or to write.
///
/// ```
/// use thalweg_io::Nats;
///
/// let subject = Nats::new("nats://me:secret@localhost", "readings.*").stream("READINGS").durable("averages");
/// assert!(subject.check().is_ok());
/// assert!(!format!("{subject:?}").contains("secret"));
///
/// let error = Nats::new("http://localhost", "readings").check().unwrap_err();
/// assert!(error.to_string().starts_with("NATS at localhost: "), "{error}");
/// ```
#[derive(Clone)]
pub struct Nats {
    url: String,
    subject: String,
    stream: Option<String>,
    durable: Option<String>,
    creates: bool,
    queue: Option<String>,
    token: Option<String>,
    authorities: Option<PathBuf>,
    from_latest: bool,
    ack_wait: Duration,
    redeliver_after: Duration,
    max_deliveries: Option<u32>,
    max_in_flight: u32,
    max_waiting: usize,
    retries: Retries,
}

impl Nats {
    /// A subject, and the URL of the server: `nats://user:password@host:port`, or `tls://`; separate the servers of a
    /// cluster by commas. Nothing is sent before the pipeline starts.
    pub fn new(url: impl Into<String>, subject: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            subject: subject.into(),
            stream: None,
            durable: None,
            creates: false,
            queue: None,
            token: None,
            authorities: None,
            from_latest: false,
            ack_wait: Duration::from_secs(30),
            redeliver_after: Duration::from_secs(30),
            max_deliveries: None,
            max_in_flight: 65_536,
            max_waiting: 1024,
            retries: Retries::default(),
        }
    }

    /// The stream of JetStream that keeps the messages. Reading it needs a [`durable`](Self::durable) consumer.
    #[must_use]
    pub fn stream(mut self, name: impl Into<String>) -> Self {
        self.stream = Some(name.into());
        self
    }

    /// The durable consumer to read the stream with. It is created if it does not exist; an existing one is used
    /// unchanged. Programs that use the same consumer share the messages.
    #[must_use]
    pub fn durable(mut self, name: impl Into<String>) -> Self {
        self.durable = Some(name.into());
        self
    }

    /// Creates the stream if it does not exist: it keeps the messages of the subject in files.
    #[must_use]
    pub fn create(mut self) -> Self {
        self.creates = true;
        self
    }

    /// The queue group of core NATS: each message goes to one of its members. Consumers of streams do not need one.
    #[must_use]
    pub fn queue(mut self, name: impl Into<String>) -> Self {
        self.queue = Some(name.into());
        self
    }

    /// Token for the login, instead of user and password.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Uses TLS, and verifies the server's certificate against a PEM file instead of the system's certificates.
    #[must_use]
    pub fn authorities(mut self, path: impl Into<PathBuf>) -> Self {
        self.authorities = Some(path.into());
        self
    }

    /// Makes a newly created consumer begin with messages sent from then on, instead of the first available one.
    #[must_use]
    pub fn from_latest(mut self) -> Self {
        self.from_latest = true;
        self
    }

    /// For a newly created consumer: time after which unacknowledged messages of a dead program are delivered again, 30
    /// s by default. The server is told about messages that are still in the pipeline, however long they take.
    #[must_use]
    pub fn ack_wait(mut self, limit: Duration) -> Self {
        self.ack_wait = limit.max(Duration::from_millis(100));
        self
    }

    /// Pause before a failed message, not handled by a policy, is delivered again: 30 s by default.
    #[must_use]
    pub fn redeliver_after(mut self, pause: Duration) -> Self {
        self.redeliver_after = pause;
        self
    }

    /// For a newly created consumer: limit of deliveries per message, unlimited by default. A message that reaches it
    /// stays in its stream.
    #[must_use]
    pub fn max_deliveries(mut self, count: u32) -> Self {
        self.max_deliveries = Some(count.max(1));
        self
    }

    /// For a newly created consumer: limit of delivered messages without acknowledgement, 65,536 by default. A larger
    /// window never fills.
    #[must_use]
    pub fn max_in_flight(mut self, count: u32) -> Self {
        self.max_in_flight = count.max(1);
        self
    }

    /// Limit of messages that wait for the pipeline: 1024 by default. Then no more are requested; without a stream,
    /// further messages are lost, which is a failure of the node. At most 1,048,576.
    #[must_use]
    pub fn max_waiting(mut self, count: usize) -> Self {
        self.max_waiting = capacity(count);
        self
    }

    /// For writing: number of retries of an unconfirmed message, 10 by default. A source retries for ever.
    #[must_use]
    pub fn retries(mut self, count: u32) -> Self {
        self.retries.count = count;
        self
    }

    /// Pause before the first attempt to reconnect: 100 ms by default. It doubles each time, up to 30 s.
    #[must_use]
    pub fn wait(mut self, pause: Duration) -> Self {
        self.retries.first_pause = pause;
        self
    }

    /// Checks the arguments before anything is sent.
    ///
    /// # Errors
    /// [`NatsError::Invalid`].
    pub fn check(&self) -> Result<(), NatsError> {
        let tokens = self.subject.split('.');
        if tokens
            .into_iter()
            .any(|token| token.is_empty() || token.contains(char::is_whitespace))
        {
            let subject = &self.subject;
            return Err(self.invalid(format!(
                "the subject {subject:?} is invalid: give words with dots between them"
            )));
        }
        for (what, name) in [("stream", &self.stream), ("consumer", &self.durable)] {
            let Some(name) = name else { continue };
            let is_bad = |c: char| c.is_whitespace() || ".*>/\\".contains(c);
            if name.is_empty() || name.contains(is_bad) {
                return Err(self.invalid(format!(
                    "{name:?} is not a valid name of a {what}: use neither spaces nor any of `.*>/\\`"
                )));
            }
        }
        if self.creates && self.stream.is_none() {
            return Err(self.invalid("say which stream is to be made".to_string()));
        }
        self.servers().map(drop)
    }

    fn check_reading(&self) -> Result<(), NatsError> {
        if self.stream.is_some() != self.durable.is_some() {
            return Err(self.invalid(
                "a stream is read by a durable consumer: give the names of both, or of neither"
                    .to_string(),
            ));
        }
        self.check()
    }

    fn check_writing(&self) -> Result<(), NatsError> {
        if self.subject.contains(['*', '>']) {
            return Err(
                self.invalid("messages are sent to a subject without wildcards".to_string())
            );
        }
        self.check()
    }

    fn servers(&self) -> Result<Vec<ServerAddr>, NatsError> {
        let parse = |url: &str| {
            let server = ServerAddr::from_str(url.trim()).ok();
            server.filter(|server| matches!(server.scheme(), "nats" | "tls"))
        };
        let servers: Option<Vec<ServerAddr>> = self.url.split(',').map(parse).collect();
        servers.ok_or_else(|| {
            self.invalid(
                "the URL is not a NATS URL: give `nats://user:password@host:port`".to_string(),
            )
        })
    }

    fn invalid(&self, problem: String) -> NatsError {
        NatsError::Invalid {
            address: self.address(),
            problem,
        }
    }

    /// The URLs without scheme, user, password and query.
    fn address(&self) -> String {
        let address = |url: &str| {
            let url = url.trim();
            let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
            let rest = rest.split(['?', '#', '/']).next().unwrap_or_default();
            rest.rsplit('@').next().unwrap_or_default().to_string()
        };
        let addresses: Vec<String> = self.url.split(',').map(address).collect();
        addresses.join(",")
    }

    /// Subject and stream, as named in errors.
    fn place(&self) -> String {
        match &self.stream {
            Some(stream) => format!("subject `{}` of stream `{stream}`", self.subject),
            None => format!("subject `{}`", self.subject),
        }
    }

    fn label(&self) -> String {
        format!("{} {}", self.address(), self.subject)
    }
}

impl fmt::Debug for Nats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nats")
            .field("address", &self.address())
            .field("subject", &self.subject)
            .field("stream", &self.stream)
            .field("durable", &self.durable)
            .finish_non_exhaustive()
    }
}
