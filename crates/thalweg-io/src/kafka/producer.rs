//! Writing messages.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode as Code};
use rdkafka::message::{Header, Message, OwnedHeaders};
use rdkafka::producer::{
    BaseRecord, DeliveryResult, Producer as _, ProducerContext, ThreadedProducer,
};
use tokio::sync::{Mutex as Turns, oneshot};
use tokio::time::sleep;

use super::config::Config;
use super::error::SEND_LESS;
use super::{KafkaError, KafkaReceipt, KafkaRecord, KafkaSink};
use crate::background::spawn;

/// Pause before a retry while the client's queue is full. The client does not signal room: a message counts until some
/// time after its delivery was reported.
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
    client: Mutex<Option<Client>>,
    /// Keeps the order of messages while the client's queue is full.
    turns: Turns<()>,
}

type Client = Arc<ThreadedProducer<Context>>;

/// Delivery result of a message.
type Delivery = Result<KafkaReceipt, (ClientError, Option<i32>)>;

struct Context {
    last_failure: Mutex<String>,
}

impl Producer {
    pub(super) fn new(sink: KafkaSink) -> Self {
        Self(Arc::new(Shared {
            sink,
            client: Mutex::new(None),
            turns: Turns::new(()),
        }))
    }

    /// Writes a message; completes when the brokers have confirmed it. Messages are written in the order in which their
    /// futures are first polled. Waits while the client's queue is full.
    ///
    /// # Errors
    /// [`KafkaError::Invalid`], [`KafkaError::NotWritten`].
    pub fn send(
        &self,
        record: KafkaRecord,
    ) -> impl Future<Output = Result<KafkaReceipt, KafkaError>> + Send + use<> {
        let shared = self.0.clone();
        let record = record.traced();
        async move { shared.send(record).await }
    }

    /// Number of messages that the brokers have not confirmed.
    pub fn in_flight(&self) -> usize {
        let client = self.0.lock().clone();
        let count = client.map_or(0, |client| client.in_flight_count());
        usize::try_from(count).unwrap_or(0)
    }

    /// Blocks until the brokers have confirmed all messages, for at most `limit` or 11 days; returns how many they have
    /// not.
    pub fn flush(&self, limit: Duration) -> usize {
        if let Some(client) = self.0.lock().clone() {
            // The number of unconfirmed messages tells whether it succeeded.
            let _ = client.flush(limit.min(MAX_FLUSH));
        }
        self.in_flight()
    }
}

impl Shared {
    async fn send(&self, record: KafkaRecord) -> Result<KafkaReceipt, KafkaError> {
        let client = self.client()?;
        let (sender, delivered) = oneshot::channel::<Delivery>();
        self.enqueue(&client, &record, sender).await?;
        match delivered.await {
            Ok(Ok(receipt)) => Ok(receipt),
            Ok(Err((error, partition))) => {
                let reason = lock(&client.context().last_failure).clone();
                Err(self.not_written(&record, partition, &error, &reason))
            }
            Err(_) => Err(self.not_written(&record, None, &ClientError::Canceled, "")),
        }
    }

    /// Passes a message to the client, waiting for room in its queue.
    async fn enqueue(
        &self,
        client: &Client,
        record: &KafkaRecord,
        mut sender: oneshot::Sender<Delivery>,
    ) -> Result<(), KafkaError> {
        let _turn = self.turns.lock().await;
        loop {
            let sent = client.send(self.base_record(record, sender));
            let Err((error, unsent)) = sent else {
                return Ok(());
            };
            if !matches!(error, ClientError::MessageProduction(Code::QueueFull)) {
                return Err(self.not_written(record, record.partition, &error, ""));
            }
            sender = *unsent.delivery_opaque;
            pause().await?;
        }
    }

    fn base_record<'a>(
        &'a self,
        record: &'a KafkaRecord,
        sender: oneshot::Sender<Delivery>,
    ) -> BaseRecord<'a, [u8], [u8], Box<oneshot::Sender<Delivery>>> {
        let topic = record.topic.as_deref().unwrap_or(&self.sink.topic);
        filled(BaseRecord::with_opaque_to(topic, Box::new(sender)), record)
    }

    /// The client, created if necessary.
    fn client(&self) -> Result<Client, KafkaError> {
        let mut client = self.lock();
        if let Some(client) = &*client {
            return Ok(client.clone());
        }
        self.sink.check()?;
        let config = self.sink.producer_config();
        let context = Context {
            last_failure: Mutex::default(),
        };
        let made = config.client().create_with_context(context);
        let made: ThreadedProducer<Context> = made.map_err(|error| config.refused(error))?;
        Ok(client.insert(Arc::new(made)).clone())
    }

    fn not_written(
        &self,
        record: &KafkaRecord,
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
            topic: record
                .topic
                .clone()
                .unwrap_or_else(|| self.sink.topic.clone()),
            partition: partition.or(record.partition).filter(|number| *number >= 0),
            bytes: record.len(),
            problem,
            remedy: remedy(code),
        }
    }

    fn config(&self) -> &Config {
        &self.sink.config
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Client>> {
        lock(&self.client)
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

/// Waits for a while, in real time.
async fn pause() -> Result<(), KafkaError> {
    let (sender, passed) = oneshot::channel::<()>();
    let _pause = spawn(async move {
        sleep(PAUSE).await;
        drop(sender);
    })
    .map_err(KafkaError::Start)?;
    let _ = passed.await;
    Ok(())
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

    /// Failed messages report the error themselves.
    fn error(&self, _: ClientError, _: &str) {}
}

impl ProducerContext for Context {
    type DeliveryOpaque = Box<oneshot::Sender<Delivery>>;

    fn delivery(&self, result: &DeliveryResult<'_>, sender: Self::DeliveryOpaque) {
        let delivery = match result {
            Ok(message) => Ok(KafkaReceipt {
                partition: message.partition(),
                offset: message.offset(),
            }),
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

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
