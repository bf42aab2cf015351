//! [Kafka](https://kafka.apache.org): topics as sources and sinks.
//!
//! A source reads as a member of a consumer group, and commits an offset once everything derived from the messages up
//! to it is done: acknowledged by the last sink, or dropped on purpose. Messages may finish in any order, since each
//! partition has a [`Position`]; a commit never passes an unfinished one. A sink acknowledges an element when the
//! brokers have confirmed its message. So a pipeline that reads from Kafka can be killed at any moment without loss;
//! messages that were in flight are read again.

mod client;
mod config;
mod consumer;
mod error;
#[cfg(all(test, unix, feature = "sqlite"))]
mod kill_tests;
mod lane;
mod message;
mod producer;
mod queue;
mod run;
mod sink;
mod source;
mod testing;
#[cfg(test)]
mod tests;
mod transactions;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use thalweg::BoxError;

use self::config::Config;
pub use self::error::KafkaError;
pub use self::message::{KafkaMessage, KafkaReceipt, KafkaRecord};
pub use self::producer::Producer;
pub use self::sink::{KafkaSink, ToKafka};
pub use self::source::{FromKafka, FromKafkaBatches, KafkaBatches, KafkaCloser, KafkaSource};
pub use self::testing::TestBroker;
pub use self::transactions::{KafkaTransactions, TransactionalSink};
use crate::Position;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the position of a partition.
type PositionOf = dyn Fn(&str, i32) -> Result<Position, BoxError> + Send + Sync;

/// Topics to read: [`Stream::from_kafka`](FromKafka::from_kafka).
///
/// ```
/// use thalweg_io::Kafka;
///
/// let readings = Kafka::new("localhost:9092", ["readings"]).group("averages").from_earliest();
/// assert!(readings.check().is_ok());
///
/// let error = Kafka::new("localhost:9092", ["readings"]).check().unwrap_err();
/// assert_eq!(error.to_string(), "Kafka at localhost:9092: the option `group.id` is missing: the name of a consumer group");
/// ```
#[derive(Clone)]
pub struct Kafka {
    config: Config,
    topics: Vec<String>,
    max_messages: usize,
    max_bytes: usize,
    commit_interval: Duration,
    revoke_timeout: Duration,
    overdue_after: Duration,
    until_end: bool,
    max_partitions: Option<i32>,
    position_of: Option<Arc<PositionOf>>,
    transactions: Option<KafkaTransactions>,
}

impl Kafka {
    /// Topics by name, and brokers as a comma-separated list of `host:port`. A name that begins with `^` is a regular
    /// expression for topics. Nothing is sent before the pipeline starts.
    pub fn new<I>(brokers: impl Into<String>, topics: I) -> Self
    where
        I: IntoIterator<Item: Into<String>>,
    {
        Self::with_options(topics).option("bootstrap.servers", brokers)
    }

    /// The same with the brokers among the [options](Self::option).
    pub fn with_options<I>(topics: I) -> Self
    where
        I: IntoIterator<Item: Into<String>>,
    {
        Self {
            config: Config::default(),
            topics: topics.into_iter().map(Into::into).collect(),
            max_messages: 10_000,
            max_bytes: 64 * 1024 * 1024,
            commit_interval: Duration::from_secs(1),
            revoke_timeout: Duration::from_secs(10),
            overdue_after: Duration::from_secs(60),
            until_end: false,
            max_partitions: None,
            position_of: None,
            transactions: None,
        }
    }

    /// The consumer group. Its members, in this process and others, share the partitions of the topics.
    #[must_use]
    pub fn group(self, name: impl Into<String>) -> Self {
        self.option("group.id", name)
    }

    /// An option of [librdkafka](https://github.com/confluentinc/librdkafka/blob/master/CONFIGURATION.md) for
    /// consumers. Values are never shown. `enable.auto.commit` can only be false: this source commits what is done.
    #[must_use]
    pub fn option(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.config.set(name.into(), value.into());
        self
    }

    /// Makes a group without committed offsets begin with the first available message, instead of the first one after
    /// the source has begun.
    #[must_use]
    pub fn from_earliest(self) -> Self {
        self.option("auto.offset.reset", "earliest")
    }

    /// Limit of messages that wait for the pipeline: 10,000 by default, at least 1. Then the partitions are paused.
    #[must_use]
    pub fn max_messages(mut self, count: usize) -> Self {
        self.max_messages = count.max(1);
        self
    }

    /// Limit of the bytes of messages that wait for the pipeline: 64 MiB by default. A single message may be larger.
    /// librdkafka fetches up to `queued.max.messages.kbytes` beyond that, 16 MiB here unless the option is set.
    #[must_use]
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Interval between commits of offsets, in real time: 1 s by default.
    #[must_use]
    pub fn commit_interval(mut self, interval: Duration) -> Self {
        self.commit_interval = interval;
        self
    }

    /// How long a revoked partition waits for its messages in flight: 10 s by default. The new owner reads those again
    /// that are not done by then.
    #[must_use]
    pub fn revoke_timeout(mut self, limit: Duration) -> Self {
        self.revoke_timeout = limit;
        self
    }

    /// Time after which an unfinished message is reported as a failure of the node, once, on the pipeline's clock: 60 s
    /// by default. Nothing after it can be committed.
    #[must_use]
    pub fn overdue_after(mut self, limit: Duration) -> Self {
        self.overdue_after = limit;
        self
    }

    /// Ends the source when it has read all assigned partitions up to their ends at that time.
    #[must_use]
    pub fn until_end(mut self) -> Self {
        self.until_end = true;
        self.option("enable.partition.eof", "true")
    }

    /// Reads only the first partitions of each topic, this many. Others that the group assigns to this member are not
    /// read.
    #[must_use]
    pub fn max_partitions(mut self, count: i32) -> Self {
        self.max_partitions = Some(count);
        self
    }

    /// Continues after the position that `position_of` returns for a topic and a partition, or at the beginning if the
    /// position has no value, whatever the group has committed. Called for each assigned partition, on a thread that
    /// may block. With positions of a [database](crate::Position) that the pipeline writes to, nothing is lost or
    /// doubled by a kill; with [`Position::behind`] a source begins at any offset.
    ///
    /// ```
    /// use thalweg_io::{Kafka, Position};
    ///
    /// let topic = Kafka::new("localhost:9092", ["readings"]).group("averages");
    /// // Start at offset 1000.
    /// let from_1000 = topic.positions(|topic, partition| Ok(Position::behind(format!("{topic}/{partition}"), "999")));
    /// # drop(from_1000);
    /// ```
    #[must_use]
    pub fn positions<F>(mut self, position_of: F) -> Self
    where
        F: Fn(&str, i32) -> Result<Position, BoxError> + Send + Sync + 'static,
    {
        self.position_of = Some(Arc::new(position_of));
        self
    }

    /// Commits offsets in the transactions of the sink with the same object: see [`KafkaTransactions`].
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
        self.config
            .need("group.id", "the name of a consumer group")?;
        if self.topics.is_empty() || self.topics.iter().any(String::is_empty) {
            return Err(self.config.invalid("a topic needs a name"));
        }
        if self.transactions.is_some() && self.position_of.is_some() {
            return Err(self.config.invalid(
                "offsets are kept by transactions, or by positions of one's own: not by both",
            ));
        }
        for option in ["enable.auto.commit", "enable.auto.offset.store"] {
            if self
                .config
                .get(option)
                .is_some_and(|value| value != "false")
            {
                return Err(self.config.invalid(format!(
                    "the option `{option}` can only be \"false\": offsets are committed when their messages are done"
                )));
            }
        }
        self.consumer_config().check()
    }

    /// The options for librdkafka.
    fn consumer_config(&self) -> Config {
        let mut config = self.config.clone();
        config.set("enable.auto.commit".into(), "false".into());
        config.set("enable.auto.offset.store".into(), "false".into());
        config.set_default("queued.max.messages.kbytes", "16384");
        // While its queue is full, the client stops fetching for this long: by default for a second, in which a fast
        // pipeline empties the queue and waits.
        config.set_default("fetch.queue.backoff.ms", "20");
        config
    }

    /// Description for labels.
    fn label(&self) -> String {
        self.topics.join(",")
    }
}

impl fmt::Debug for Kafka {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kafka")
            .field("brokers", &self.config.brokers())
            .field("topics", &self.topics)
            .finish_non_exhaustive()
    }
}
