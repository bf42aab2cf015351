//! [MQTT](https://mqtt.org) 3.1.1 and 5: topics as sources and sinks.
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
//! With quality of service 1, the default, a message is acknowledged to the broker when everything derived from it is
//! done. Until then the broker keeps it for a client with an [id](Mqtt::client_id), and sends it again over the next
//! connection.

mod error;
mod link;
mod session;
mod sink;
mod source;
#[cfg(test)]
mod tests;
mod version;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;

pub use self::error::MqttError;
pub use self::sink::{MqttSink, ToMqtt};
pub use self::source::{FromMqtt, MqttCloser, MqttSource};
use crate::tls::ClientFiles;

use crate::capacity::capacity;
use crate::retries::Retries;

/// A received message.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MqttMessage {
    /// The topic.
    pub topic: String,
    /// The payload.
    pub payload: Bytes,
    /// Quality of service of the delivery.
    pub qos: Qos,
    /// Whether the broker had retained it.
    pub retain: bool,
    /// Whether it may have been delivered before.
    pub dup: bool,
    /// Packet id, unique within its connection; 0 with [`Qos::AtMostOnce`].
    pub packet_id: u16,
}

/// Quality of service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Qos {
    /// Sent once and not acknowledged: may be lost.
    AtMostOnce,
    /// Sent until it is acknowledged: may arrive twice.
    #[default]
    AtLeastOnce,
}

/// Version of the protocol.
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
    tls: Option<ClientFiles>,
    keep_alive: Duration,
    qos: Qos,
    retain: bool,
    max_len: u32,
    max_waiting: usize,
    retries: Retries,
}

impl Mqtt {
    /// A topic; for reading it may contain the wildcards `+` and `#`. A host `mqtts://name` is asked for [TLS](Self::tls).
    /// Nothing is sent before the pipeline starts.
    pub fn new(host: impl Into<String>, port: u16, topic: impl Into<String>) -> Self {
        let mut host = host.into();
        let mut tls = None;
        if let Some((scheme @ ("mqtt" | "mqtts"), name)) = host.split_once("://") {
            tls = (scheme == "mqtts").then(ClientFiles::default);
            host = name.trim_end_matches('/').to_string();
        }
        Self {
            host,
            port,
            topic: topic.into(),
            version: MqttVersion::default(),
            client_id: None,
            login: None,
            tls,
            keep_alive: Duration::from_secs(60),
            qos: Qos::default(),
            retain: false,
            max_len: 16 * 1024 * 1024,
            max_waiting: 10_000,
            retries: Retries::default(),
        }
    }

    /// Version of the protocol: 3.1.1 by default.
    #[must_use]
    pub fn version(mut self, version: MqttVersion) -> Self {
        self.version = version;
        self
    }

    /// Id of the client, unique at the broker. For a source with an id, the broker keeps messages that were not
    /// acknowledged, and those that arrive while it is away. Without an id, both are lost with the connection.
    #[must_use]
    pub fn client_id(mut self, id: impl Into<String>) -> Self {
        self.client_id = Some(id.into());
        self
    }

    /// User and password. They are never shown; without [TLS](Self::tls) they are sent in plain text.
    #[must_use]
    pub fn login(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.login = Some((user.into(), password.into()));
        self
    }

    /// Uses TLS, and verifies the broker's certificate against those that the system trusts. The usual port is 8883.
    #[must_use]
    pub fn tls(mut self) -> Self {
        self.tls.get_or_insert_default();
        self
    }

    /// Uses TLS, and verifies the broker's certificate against a PEM file instead of the system's certificates.
    #[must_use]
    pub fn authorities(mut self, path: impl Into<PathBuf>) -> Self {
        self.tls.get_or_insert_default().authorities = Some(path.into());
        self
    }

    /// Uses TLS, and shows the broker a certificate, with those that vouch for it behind it. Both files are PEM.
    #[must_use]
    pub fn identity(mut self, certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.tls.get_or_insert_default().identity = Some((certificate.into(), key.into()));
        self
    }

    /// Keep-alive interval in whole seconds, at least 1: 60 s by default. A broker drops a client that is silent for
    /// half as long again.
    #[must_use]
    pub fn keep_alive(mut self, interval: Duration) -> Self {
        self.keep_alive = interval.max(Duration::from_secs(1));
        self
    }

    /// Quality of service: [`Qos::AtLeastOnce`] by default.
    #[must_use]
    pub fn qos(mut self, qos: Qos) -> Self {
        self.qos = qos;
        self
    }

    /// For writing: makes the broker retain the last message for later subscribers.
    #[must_use]
    pub fn retain(mut self, retain: bool) -> Self {
        self.retain = retain;
        self
    }

    /// Limit of a message, in bytes including its topic: 16 MiB by default.
    #[must_use]
    pub fn max_len(mut self, bytes: u32) -> Self {
        self.max_len = bytes;
        self
    }

    /// For reading: limit of messages that wait for the pipeline, 10,000 by default. Then nothing is read from the
    /// connection. At most 1,048,576.
    #[must_use]
    pub fn max_waiting(mut self, count: usize) -> Self {
        self.max_waiting = capacity(count);
        self
    }

    /// For writing: number of retries when the broker cannot be reached, 10 by default. A source retries for ever.
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
    /// [`MqttError::Invalid`].
    pub fn check(&self) -> Result<(), MqttError> {
        if let Some(Err(error)) = self.tls.as_ref().map(ClientFiles::connector) {
            return Err(MqttError::Invalid {
                address: self.address(),
                problem: error.to_string(),
            });
        }
        let problem = if self.host.is_empty() {
            "the host needs a name"
        } else if self.topic.is_empty() {
            "a topic needs a name"
        } else if self.topic.len() > usize::from(u16::MAX) || self.topic.contains('\0') {
            "a topic has at most 65,535 bytes, and none of them is 0"
        } else if !is_filter(&self.topic) {
            "a wildcard is all there is between two `/`, and `#` comes last"
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
}

/// Whether the wildcards of a topic, if there are any, stand where they may. Brokers close the connection otherwise.
fn is_filter(topic: &str) -> bool {
    let mut levels = topic.split('/').rev();
    let is_plain = |level: &str| !level.contains(['+', '#']);
    let last = levels.next().unwrap_or_default();
    (is_plain(last) || last == "+" || last == "#")
        && levels.all(|level| is_plain(level) || level == "+")
}

impl fmt::Debug for Mqtt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mqtt")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("topic", &self.topic)
            .field("client_id", &self.client_id)
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}
