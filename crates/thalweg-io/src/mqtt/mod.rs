//! [MQTT](https://mqtt.org) 3.1.1 and 5: topics as sources, and as sinks.
//!
//! ```no_run
//! use thalweg::Stream;
//! use thalweg_io::{Mqtt, prelude::*};
//!
//! let readings = Mqtt::new("localhost", 1883, "house/+/celsius").client_id("averages");
//! let messages = Stream::from_mqtt(readings);
//! let texts = messages.map(|message| String::from_utf8_lossy(&message.payload).into_owned());
//! texts.to_mqtt(Mqtt::new("localhost", 1883, "copies"));
//! messages.start()?;
//! # Ok::<(), thalweg::Error>(())
//! ```
//!
//! With the quality of service 1, which is the default, a message is acknowledged to the broker once everything that was
//! made of it is done; until then the broker keeps it for a client that has an [id](Mqtt::client_id), and sends it again
//! over the next connection.

mod error;
mod link;
mod sink;
mod source;
#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

use bytes::Bytes;

pub use self::error::MqttError;
pub use self::sink::{MqttSink, ToMqtt};
pub use self::source::{FromMqtt, MqttCloser, MqttSource};

/// A message that was received.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MqttMessage {
    /// The topic.
    pub topic: String,
    /// What it says.
    pub payload: Bytes,
    /// The quality of service it was delivered with.
    pub qos: Qos,
    /// Whether the broker had kept it for whoever subscribes.
    pub retain: bool,
    /// Whether it may have been delivered before.
    pub dup: bool,
    /// Its number on its connection; 0 with [`Qos::AtMostOnce`].
    pub packet_id: u16,
}

/// How hard it is tried to deliver a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Qos {
    /// Sent once, and not acknowledged: it may be lost.
    AtMostOnce,
    /// Sent until it is acknowledged: it may be there twice.
    #[default]
    AtLeastOnce,
}

/// A version of the protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MqttVersion {
    /// 3.1.1, which every broker speaks.
    #[default]
    V3,
    /// 5.
    V5,
}

/// A topic of a broker, to read or to write.
///
/// ```
/// use thalweg_io::{Mqtt, mqtt::{MqttVersion, Qos}};
///
/// let topic = Mqtt::new("localhost", 1883, "house/roof").version(MqttVersion::V5).qos(Qos::AtMostOnce);
/// assert!(topic.check().is_ok());
///
/// let error = Mqtt::new("localhost", 1883, "").check().unwrap_err();
/// assert_eq!(error.to_string(), "MQTT at localhost:1883: a topic needs a name");
/// ```
#[derive(Clone)]
pub struct Mqtt {
    host: String,
    port: u16,
    topic: String,
    version: MqttVersion,
    client_id: Option<String>,
    login: Option<(String, String)>,
    keep_alive: Duration,
    qos: Qos,
    retain: bool,
    max_len: u32,
    max_waiting: usize,
    retries: u32,
    wait: Duration,
    max_wait: Duration,
}

impl Mqtt {
    /// A topic, which to read may have the wildcards `+` and `#`. Nothing is asked before the pipeline starts.
    pub fn new(host: impl Into<String>, port: u16, topic: impl Into<String>) -> Self {
        Self {
            host: host.into(),
            port,
            topic: topic.into(),
            version: MqttVersion::default(),
            client_id: None,
            login: None,
            keep_alive: Duration::from_secs(60),
            qos: Qos::default(),
            retain: false,
            max_len: 16 * 1024 * 1024,
            max_waiting: 10_000,
            retries: 10,
            wait: Duration::from_millis(100),
            max_wait: Duration::from_secs(30),
        }
    }

    /// The version of the protocol: 3.1.1 unless one says otherwise.
    #[must_use]
    pub fn version(mut self, version: MqttVersion) -> Self {
        self.version = version;
        self
    }

    /// The client's id, which no other client of the broker may have. For a source that has one, the broker keeps
    /// messages that were not acknowledged, and those that come while it is away. Without, both are lost when the
    /// connection is.
    #[must_use]
    pub fn client_id(mut self, id: impl Into<String>) -> Self {
        self.client_id = Some(id.into());
        self
    }

    /// User and password, which are sent as they are: there is no TLS here. They are shown nowhere.
    #[must_use]
    pub fn login(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.login = Some((user.into(), password.into()));
        self
    }

    /// After how long the client says that it is still there, in whole seconds, one at least: 60 s unless one says
    /// otherwise. A broker gives a client up that says nothing for half as long again.
    #[must_use]
    pub fn keep_alive(mut self, interval: Duration) -> Self {
        self.keep_alive = interval.max(Duration::from_secs(1));
        self
    }

    /// The quality of service: [`Qos::AtLeastOnce`] unless one says otherwise.
    #[must_use]
    pub fn qos(mut self, qos: Qos) -> Self {
        self.qos = qos;
        self
    }

    /// Has the broker keep the last message for whoever subscribes later; for writing.
    #[must_use]
    pub fn retain(mut self, retain: bool) -> Self {
        self.retain = retain;
        self
    }

    /// The longest message, in bytes with its topic: 16 MiB unless one says otherwise.
    #[must_use]
    pub fn max_len(mut self, bytes: u32) -> Self {
        self.max_len = bytes;
        self
    }

    /// The most messages that lie ready for the pipeline, for reading: 10,000 unless one says otherwise. Then nothing is
    /// read from the connection.
    #[must_use]
    pub fn max_waiting(mut self, count: usize) -> Self {
        self.max_waiting = count.max(1);
        self
    }

    /// How often a broker that cannot be reached is tried again, for writing: 10 times unless one says otherwise. A source
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
    /// [`MqttError::Invalid`].
    pub fn check(&self) -> Result<(), MqttError> {
        let problem = if self.host.is_empty() {
            "the host needs a name"
        } else if self.topic.is_empty() {
            "a topic needs a name"
        } else if self.topic.len() > usize::from(u16::MAX) || self.topic.contains('\0') {
            "a topic has at most 65,535 bytes, and none of them is 0"
        } else if self.client_id.as_ref().is_some_and(String::is_empty) {
            "the client's id is empty; leave it out for one that is made up"
        } else {
            return Ok(());
        };
        Err(MqttError::Invalid {
            address: self.address(),
            problem: problem.to_string(),
        })
    }

    /// The same, for writing.
    fn check_writing(&self) -> Result<(), MqttError> {
        if self.topic.contains(['+', '#']) {
            return Err(MqttError::Invalid {
                address: self.address(),
                problem: format!(
                    "the topic `{}` has a wildcard, and nothing can be written to it",
                    self.topic
                ),
            });
        }
        self.check()
    }

    fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    fn label(&self) -> String {
        format!("{} {}", self.address(), self.topic)
    }

    /// The pause behind another one.
    fn next_pause(&self, pause: Duration) -> Duration {
        (pause * 2).min(self.max_wait.max(self.wait))
    }
}

impl fmt::Debug for Mqtt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mqtt")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("topic", &self.topic)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}
