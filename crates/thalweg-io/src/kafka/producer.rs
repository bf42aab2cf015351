//! Writing messages.

mod backlog;

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode as Code};
use rdkafka::message::{Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer as _, ProducerContext};
use tokio::sync::oneshot;

use self::backlog::Backlog;
use super::config::Config;
use super::error::SEND_LESS;
use super::{KafkaError, KafkaReceipt, KafkaRecord, KafkaSink, lock};
use crate::retries;

/// Interval at which [`Producer::flush`] looks again while messages wait for room in the client's queue.
const PAUSE: Duration = Duration::from_millis(2);

/// The client takes milliseconds in 32 bits.
const MAX_FLUSH: Duration = Duration::from_secs(1_000_000);

/// The producer of a [`KafkaSink`]: a client with its connections. Clones share it.
///
/// The client starts with the first message; dropping it abandons unwritten messages.
#[derive(Clone)]
pub struct Producer(Arc<Shared>);

struct Shared {
    sink: KafkaSink,
    backlog: Mutex<Option<Arc<Backlog>>>,
}

type Client = super::client::Client<Context>;

/// Delivery result of a message.
type Delivery = Result<KafkaReceipt, (ClientError, Option<i32>)>;

struct Context {
    brokers: String,
    last_failure: Mutex<String>,
    /// Number of messages that the client has.
    unconfirmed: AtomicUsize,
    /// Whether it was reported that no broker can be reached, and nothing was delivered since.
    is_down: AtomicBool,
}

/// What errors say of a message.
struct About {
    topic: Option<String>,
    partition: Option<i32>,
    bytes: usize,
}

impl Producer {
    pub(super) fn new(sink: KafkaSink) -> Self {
        Self(Arc::new(Shared {
            sink,
            backlog: Mutex::new(None),
        }))
    }

    /// Writes a message; the future completes when the brokers have confirmed it. Messages are written in the order of
    /// the calls, whether or not their futures are polled.
    ///
    /// # Errors
    /// [`KafkaError::Invalid`], [`KafkaError::NotWritten`], [`KafkaError::Start`].
    pub fn send(
        &self,
        record: KafkaRecord,
    ) -> impl Future<Output = Result<KafkaReceipt, KafkaError>> + Send + use<> {
        let shared = self.0.clone();
        let about = About {
            topic: record.topic.clone(),
            partition: record.partition,
            bytes: record.len(),
        };
        let backlog = shared.backlog();
        let sent = backlog.and_then(|backlog| Ok((backlog.push(record.traced())?, backlog)));
        async move {
            let (delivered, backlog) = sent?;
            match delivered.await {
                Ok(Ok(receipt)) => Ok(receipt),
                Ok(Err((error, partition))) => {
                    let reason = lock(&backlog.client().context().last_failure).clone();
                    Err(shared.not_written(about, partition, &error, &reason))
                }
                Err(_) => Err(shared.not_written(about, None, &ClientError::Canceled, "")),
            }
        }
    }

    /// Number of messages that the brokers have not confirmed.
    pub fn in_flight(&self) -> usize {
        let backlog = lock(&self.0.backlog).clone();
        backlog.map_or(0, |backlog| backlog.len())
    }

    /// Blocks until the brokers have confirmed all messages, for at most `limit` or 11 days; returns how many they have
    /// not.
    pub fn flush(&self, limit: Duration) -> usize {
        let Some(backlog) = lock(&self.0.backlog).clone() else {
            return 0;
        };
        let end = Instant::now() + limit.min(MAX_FLUSH);
        loop {
            let left = end.saturating_duration_since(Instant::now());
            // The number of unconfirmed messages tells whether it succeeded.
            let _ = backlog.client().flush(left);
            let unconfirmed = backlog.len();
            if unconfirmed == 0 || left.is_zero() {
                return unconfirmed;
            }
            thread::sleep(PAUSE.min(left));
        }
    }
}

impl Shared {
    /// The client, created if necessary.
    fn backlog(&self) -> Result<Arc<Backlog>, KafkaError> {
        let mut backlog = lock(&self.backlog);
        if let Some(backlog) = &*backlog {
            return Ok(backlog.clone());
        }
        self.sink.check()?;
        let config = self.sink.producer_config();
        let context = Context {
            brokers: config.brokers(),
            last_failure: Mutex::default(),
            unconfirmed: AtomicUsize::new(0),
            is_down: AtomicBool::new(false),
        };
        let client = Client::create(&config.client(), context);
        let client = client.map_err(|error| config.refused(error))?;
        let made = Backlog::new(client, self.sink.topic.clone());
        Ok(backlog.insert(Arc::new(made)).clone())
    }

    fn not_written(
        &self,
        about: About,
        partition: Option<i32>,
        error: &ClientError,
        reason: &str,
    ) -> KafkaError {
        let code = error.rdkafka_error_code();
        let mut problem = code.map_or_else(|| error.to_string(), |code| code.to_string());
        if is_about_connections(code) && !reason.is_empty() {
            problem = format!("{problem}, since {reason}");
        }
        KafkaError::NotWritten {
            brokers: self.config().brokers(),
            topic: about.topic.unwrap_or_else(|| self.sink.topic.clone()),
            partition: partition.or(about.partition).filter(|number| *number >= 0),
            bytes: about.bytes,
            problem,
            remedy: remedy(code),
        }
    }

    fn config(&self) -> &Config {
        &self.sink.config
    }
}

/// Converts a record to a message of the client.
pub(super) fn filled<'a, D: rdkafka::util::IntoOpaque>(
    mut base: BaseRecord<'a, [u8], [u8], D>,
    record: &'a KafkaRecord,
) -> BaseRecord<'a, [u8], [u8], D> {
    base.payload = record.value.as_deref();
    base.key = record.key.as_deref();
    base.partition = record.partition;
    base.timestamp = record.timestamp;
    if !record.headers.is_empty() {
        let headers = OwnedHeaders::new_with_capacity(record.headers.len());
        let headers = record.headers.iter().fold(headers, |all, (key, value)| {
            let value = value.as_deref();
            all.insert(Header { key, value })
        });
        base.headers = Some(headers);
    }
    base
}

/// Whether the error of a connection explains another error.
fn is_about_connections(code: Option<Code>) -> bool {
    matches!(
        code,
        Some(Code::MessageTimedOut | Code::AllBrokersDown | Code::BrokerTransportFailure)
    )
}

/// The remedy for an error.
fn remedy(code: Option<Code>) -> Option<&'static str> {
    Some(match code? {
        Code::MessageSizeTooLarge => SEND_LESS,
        Code::UnknownTopicOrPartition | Code::UnknownTopic => "create the topic, or check its name",
        Code::UnknownPartition => "the topic has fewer partitions: check the number",
        Code::MessageTimedOut | Code::AllBrokersDown => {
            "check that the brokers run; the client has tried for the time of the option `message.timeout.ms`"
        }
        Code::TopicAuthorizationFailed
        | Code::ClusterAuthorizationFailed
        | Code::SaslAuthenticationFailed
        | Code::Authentication => "check user, password and permissions",
        Code::PurgeQueue | Code::PurgeInflight => "the client was closed: drain before that",
        _ => return None,
    })
}

impl ClientContext for Context {
    fn log(&self, _: RDKafkaLogLevel, facility: &str, message: &str) {
        if facility == "FAIL" {
            let reason = message
                .split_once("]: ")
                .map_or(message, |(_, reason)| reason);
            reason.trim().clone_into(&mut lock(&self.last_failure));
        }
    }

    /// Failed messages report the error themselves, but only after the time of `message.timeout.ms`. Without messages it
    /// concerns nobody; the next attempt to connect reports it again.
    fn error(&self, error: ClientError, reason: &str) {
        let is_down = error.rdkafka_error_code() == Some(Code::AllBrokersDown)
            && self.unconfirmed.load(Ordering::Relaxed) > 0;
        if is_down && !self.is_down.swap(true, Ordering::Relaxed) {
            let last = lock(&self.last_failure).clone();
            let problem = if last.is_empty() { reason } else { &last };
            let how = "elements wait for the time of the option `message.timeout.ms`";
            retries::report(format_args!("Kafka at {}", self.brokers), problem, how);
        }
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = Box<oneshot::Sender<Delivery>>;

    fn delivery(&self, result: &DeliveryResult<'_>, sender: Self::DeliveryOpaque) {
        self.unconfirmed.fetch_sub(1, Ordering::Relaxed);
        let delivery = match result {
            Ok(message) => {
                self.is_down.store(false, Ordering::Relaxed);
                Ok(KafkaReceipt {
                    partition: message.partition(),
                    offset: message.offset(),
                })
            }
            Err((error, message)) => Err((error.clone(), Some(message.partition()))),
        };
        // The receiver may have given up.
        let _ = sender.send(delivery);
    }
}

impl fmt::Debug for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Producer").field(&self.0.sink).finish()
    }
}
