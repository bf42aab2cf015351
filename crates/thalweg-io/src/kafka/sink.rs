//! Topics as sinks.

use std::fmt;

use thalweg::ops::{MapAsync, SinkBatches, Step};
use thalweg::{BuildError, Element, Sink, Stream};

use super::config::Config;
use super::{
    KafkaError, KafkaReceipt, KafkaRecord, KafkaTransactions, Producer, TransactionalSink,
};

/// Default for the maximum number of unconfirmed messages.
const MAX_IN_FLIGHT: usize = 10_000;

/// A topic to write to: [`Stream::to_kafka`](ToKafka::to_kafka).
///
/// ```
/// use thalweg_io::KafkaSink;
///
/// let sink = KafkaSink::new("localhost:9092", "readings").option("compression.type", "lz4");
/// assert!(sink.check().is_ok());
///
/// let error = KafkaSink::new("localhost:9092", "readings").option("linger.ms", "soon").check().unwrap_err();
/// assert!(error.to_string().starts_with("Kafka at localhost:9092: the option `linger.ms`"), "{error}");
/// ```
#[derive(Clone)]
pub struct KafkaSink {
    pub(super) config: Config,
    pub(super) topic: String,
    max_in_flight: usize,
    pub(super) transactions: Option<KafkaTransactions>,
}

impl KafkaSink {
    /// A topic by name, and brokers as a comma-separated list of `host:port`. Nothing is sent before the first element.
    pub fn new(brokers: impl Into<String>, topic: impl Into<String>) -> Self {
        Self::with_options(topic).option("bootstrap.servers", brokers)
    }

    /// The same with the brokers among the [options](Self::option).
    pub fn with_options(topic: impl Into<String>) -> Self {
        Self {
            config: Config::default(),
            topic: topic.into(),
            max_in_flight: MAX_IN_FLIGHT,
            transactions: None,
        }
    }

    /// An option of [librdkafka](https://github.com/confluentinc/librdkafka/blob/master/CONFIGURATION.md) for
    /// producers. Values are never shown. `enable.idempotence` is true unless an option says otherwise: a retried
    /// message is written once, and order is kept.
    #[must_use]
    pub fn option(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.config.set(name.into(), value.into());
        self
    }

    /// Limit of unconfirmed messages: 10,000 by default. Then emitters wait.
    #[must_use]
    pub fn max_in_flight(mut self, count: usize) -> Self {
        self.max_in_flight = count.max(1);
        self
    }

    /// Writes in transactions, together with the offsets of the source that has the same object: see
    /// [`KafkaTransactions`]. Elements that arrive meanwhile are grouped into one transaction, and their emitters do
    /// not wait for it.
    #[must_use]
    pub fn transactions(mut self, transactions: &KafkaTransactions) -> Self {
        self.transactions = Some(transactions.clone());
        self
    }

    /// Checks the options before anything is sent.
    ///
    /// # Errors
    /// [`KafkaError::Invalid`].
    pub fn check(&self) -> Result<(), KafkaError> {
        self.config.check_brokers()?;
        if self.topic.is_empty() {
            return Err(self.config.invalid("a topic needs a name"));
        }
        self.producer_config().check()
    }

    /// The producer of the sink.
    pub fn producer(&self) -> Producer {
        Producer::new(self.clone())
    }

    /// The limit of unconfirmed messages.
    pub fn limit(&self) -> usize {
        self.max_in_flight
    }

    pub(super) fn producer_config(&self) -> Config {
        let mut config = self.config.clone();
        let decide = [
            "acks",
            "request.required.acks",
            "max.in.flight",
            "max.in.flight.requests.per.connection",
            "retries",
            "message.send.max.retries",
            "queuing.strategy",
        ];
        if decide.iter().all(|name| config.get(name).is_none()) {
            config.set_default("enable.idempotence", "true");
        }
        config
    }
}

impl fmt::Debug for KafkaSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaSink")
            .field("brokers", &self.config.brokers())
            .field("topic", &self.topic)
            .finish_non_exhaustive()
    }
}

/// Topics as sinks: [`Stream::to_kafka`](ToKafka::to_kafka).
pub trait ToKafka {
    /// Writes elements (text, bytes or [`KafkaRecord`]s) to a topic. An element is acknowledged when the brokers have
    /// confirmed it: until then its token is held, and its emitter waits, except in `emit_many`. A message that is not
    /// written is a failure of its element. `drain` waits for all messages.
    ///
    /// [`from_kafka`](super::FromKafka::from_kafka) has an example.
    fn to_kafka(&self, sink: KafkaSink) -> Sink;

    /// The same, and emits where each message was written, in the order of the elements.
    fn send_to_kafka(&self, sink: KafkaSink) -> Stream<KafkaReceipt>;
}

impl<T: Element + Sync + Into<KafkaRecord>> ToKafka for Stream<T> {
    fn to_kafka(&self, sink: KafkaSink) -> Sink {
        if sink.transactions.is_none() {
            return self.send_to_kafka(sink).sink(drop);
        }
        let limit = sink.limit();
        match TransactionalSink::new(sink, |x: &T| Ok(x.clone().into())) {
            Ok(sink) => self.apply(SinkBatches::new(sink).max_len(limit)).into(),
            Err(error) => {
                self.build_error(BuildError::new("to_kafka", error));
                self.sink(drop)
            }
        }
    }

    fn send_to_kafka(&self, sink: KafkaSink) -> Stream<KafkaReceipt> {
        let checked = match &sink.transactions {
            Some(_) => Err(sink.config.invalid(
                "what is written in transactions is known too late to be sent on: take `to_kafka`",
            )),
            None => sink.check(),
        };
        let (producer, limit) = (sink.producer(), sink.limit());
        let send = move |x: &T| Ok::<_, KafkaError>(Step::Pending(producer.send(x.clone().into())));
        let calls = MapAsync::stepwise(limit, true, send).map(MapAsync::holding_emitters);
        let receipts = self.apply(calls).named("to_kafka");
        if let Err(error) = checked {
            receipts.build_error(BuildError::new("to_kafka", error));
        }
        receipts
    }
}
