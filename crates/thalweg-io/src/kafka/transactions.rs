//! Exactly once from Kafka to Kafka: messages and offsets in one transaction.
//!
//! Each offset is committed with metadata: the number of messages written for each unfinished element after it. After a
//! crash an element yields the same messages again: that many of them are skipped.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode as Code};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer as _, ProducerContext};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use thalweg::BoxError;
use thalweg::ops::{Batch, BatchSink};

use super::config::Config;
use super::producer::filled;
use super::{KafkaError, KafkaRecord, KafkaSink};
use crate::Position;
use crate::background::spawn;
use crate::position::{Pending, Place, Rows};
use crate::reply::reply;

/// Timeout of each step at the brokers. A step without an answer is requested again.
const PATIENCE: Duration = Duration::from_secs(60);

/// Maximum attempts per transaction, and the pause between them.
const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(100);

/// Maximum length of the metadata, unless the broker's setting `offset.metadata.max.bytes` differs.
const MAX_NOTE: usize = 4096;

/// Connects a source and a sink of Kafka: messages and the source's offsets are committed in one transaction, so that
/// readers of committed messages see each exactly once, however often the pipeline is killed.
///
/// ```no_run
/// use thalweg::Stream;
/// use thalweg_io::{Kafka, KafkaSink, kafka::KafkaTransactions, prelude::*};
///
/// let transactions = KafkaTransactions::new("averages-1");
/// let readings = Kafka::new("localhost:9092", ["readings"]).group("averages").transactions(&transactions);
/// let messages = Stream::from_kafka(readings);
/// let texts = messages.map(|message| String::from_utf8_lossy(message.bytes()).into_owned());
/// texts.to_kafka(KafkaSink::new("localhost:9092", "texts").transactions(&transactions));
/// messages.start()?;
/// # Ok::<(), thalweg::Error>(())
/// ```
///
/// The functions between source and sink must yield the same messages for an element each time it is read.
#[derive(Clone)]
pub struct KafkaTransactions(Arc<Shared>);

struct Shared {
    id: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The sink's options.
    config: Option<Config>,
    client: Option<Arc<Client>>,
    group: Option<Arc<dyn Group>>,
    /// Assigned partitions, by the names of their positions.
    parts: HashMap<String, Part>,
}

type Client = super::client::Client<Context>;

#[derive(Clone)]
struct Part {
    topic: Arc<str>,
    partition: i32,
    position: Position,
    /// Messages written for uncommitted elements.
    rows: Rows,
}

/// Start of a source in a partition.
pub(super) struct Restored {
    pub(super) position: Position,
    pub(super) offset: Option<i64>,
}

/// A member of a consumer group, while it is one.
trait Group: Send + Sync {
    /// Adds offsets to a transaction of `client`.
    fn add_to(&self, client: &Client, offsets: &TopicPartitionList) -> Result<(), ClientError>;
}

impl<C: ConsumerContext + 'static> Group for Weak<BaseConsumer<C>> {
    fn add_to(&self, client: &Client, offsets: &TopicPartitionList) -> Result<(), ClientError> {
        let member = self.upgrade().and_then(|member| member.group_metadata());
        let member = member.ok_or(ClientError::Canceled)?;
        again(|| client.send_offsets_to_transaction(offsets, &member, PATIENCE))
    }
}

/// A message, and the source elements that it was derived from.
struct Made {
    record: KafkaRecord,
    places: Vec<(Position, u64)>,
}

impl KafkaTransactions {
    /// Transactional id, unique among processes that write at the same time, and unchanged after a restart: then the
    /// brokers abort the unfinished transaction of the former process at once, for which readers would wait otherwise.
    pub fn new(id: impl Into<String>) -> Self {
        Self(Arc::new(Shared {
            id: id.into(),
            state: Mutex::default(),
        }))
    }

    /// Takes the options of the sink.
    pub(super) fn add_sink(&self, config: &Config) -> Result<(), KafkaError> {
        if self.0.id.is_empty() {
            return Err(config.invalid("transactions need an id"));
        }
        let mut state = self.lock();
        if state.config.is_some() {
            return Err(config.invalid(format!(
                "the transactions `{}` have a sink already: there is one for each",
                self.0.id
            )));
        }
        let mut config = config.clone();
        config.set("transactional.id".into(), self.0.id.clone());
        config.set("enable.idempotence".into(), "true".into());
        config.check()?;
        state.config = Some(config);
        Ok(())
    }

    /// Aborts the unfinished transaction of a former process. Blocks; called before anything is read.
    pub(super) fn begin<C: ConsumerContext + 'static>(
        &self,
        source: &Config,
        consumer: &Arc<BaseConsumer<C>>,
    ) -> Result<(), KafkaError> {
        let config = self.lock().config.clone();
        let config = config.ok_or_else(|| {
            source.invalid(format!(
                "the transactions `{}` have no sink: give them to `to_kafka` as well",
                self.0.id
            ))
        })?;
        let context = Context::default();
        let client = Client::create(&config.client(), context);
        let client = client.map_err(|error| config.refused(error))?;
        again(|| client.init_transactions(PATIENCE))
            .map_err(|error| self.failed(&config, &error))?;
        let mut state = self.lock();
        state.parts.clear();
        state.client = Some(Arc::new(client));
        state.group = Some(Arc::new(Arc::downgrade(consumer)));
        Ok(())
    }

    /// The start of an assigned partition. Blocks.
    pub(super) fn restore<C: ConsumerContext>(
        &self,
        source: &Config,
        consumer: &BaseConsumer<C>,
        topic: &str,
        partition: i32,
    ) -> Result<Restored, KafkaError> {
        let mut asked = TopicPartitionList::new();
        asked.add_partition(topic, partition);
        let committed = consumer.committed_offsets(asked, PATIENCE);
        let committed = committed.map_err(|error| self.failed(source, &error))?;
        let one = committed.find_partition(topic, partition);
        let (offset, note) = match &one {
            Some(one) => match one.offset() {
                Offset::Offset(offset) => (Some(offset), one.metadata()),
                _ => (None, ""),
            },
            None => (None, ""),
        };
        let rows = Rows::from_text(0, note).ok_or_else(|| KafkaError::NoPosition {
            brokers: source.brokers(),
            topic: topic.to_string(),
            partition,
            problem: format!("the group's offset has the note {note:?}, which is another program's: take another group"),
        })?;
        let position = Position::new(format!("{topic}/{partition}"));
        let part = Part {
            topic: topic.into(),
            partition,
            position: position.clone(),
            rows,
        };
        let mut state = self.lock();
        state.parts.insert(position.name().to_string(), part);
        Ok(Restored { position, offset })
    }

    /// A partition was revoked: messages derived from it are no longer written.
    pub(super) fn forget(&self, position: &Position) {
        let mut state = self.lock();
        let known = state.parts.get(position.name());
        if known.is_some_and(|part| part.position.is(position)) {
            state.parts.remove(position.name());
        }
    }

    /// Writes messages and offsets in a transaction, retried if it is aborted. Blocks.
    fn write(&self, made: &[Made]) -> Result<(), KafkaError> {
        let state = self.lock();
        let config = state.config.clone().unwrap_or_default();
        let Some(client) = state.client.clone() else {
            return Err(config.invalid(format!(
                "the source of the transactions `{}` has not been started",
                self.0.id
            )));
        };
        drop(state);
        let mut attempts = 1;
        loop {
            let error = match self.try_write(&client, made) {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            let can_go_on =
                !is_fatal(&error) && again(|| client.abort_transaction(PATIENCE)).is_ok();
            if !can_go_on || attempts == ATTEMPTS {
                return Err(self.failed(&config, &error));
            }
            thread::sleep(PAUSE * attempts);
            attempts += 1;
        }
    }

    fn try_write(&self, client: &Client, made: &[Made]) -> Result<(), ClientError> {
        client.context().take();
        client.begin_transaction()?;
        let (new, pending) = self.new_records(made);
        for record in new {
            send(client, record)?;
        }
        again(|| client.flush(PATIENCE))?;
        if let Some(error) = client.context().take() {
            return Err(error);
        }
        let (offsets, after) = self.offsets(&pending)?;
        let group = self.lock().group.clone();
        if let (Some(group), true) = (group, offsets.count() > 0) {
            group.add_to(client, &offsets)?;
        }
        again(|| client.commit_transaction(PATIENCE))?;
        let mut state = self.lock();
        for (name, position, rows) in after {
            let part = state.parts.get_mut(&name);
            if let Some(part) = part.filter(|part| part.position.is(&position)) {
                part.rows = rows;
            }
        }
        Ok(())
    }

    /// The messages that were not written before a crash and belong to assigned partitions.
    fn new_records<'a>(
        &self,
        made: &'a [Made],
    ) -> (Vec<&'a KafkaRecord>, HashMap<String, Pending>) {
        let state = self.lock();
        let (mut new, mut all) = (Vec::with_capacity(made.len()), HashMap::new());
        for one in made {
            let mut is_new = true;
            for (position, number) in &one.places {
                let part = state.parts.get(position.name());
                let Some(part) = part.filter(|part| part.position.is(position)) else {
                    is_new = false;
                    continue;
                };
                let pending: &mut Pending = all.entry(position.name().to_string()).or_default();
                is_new &= part.rows.is_new(*number, pending);
            }
            if is_new {
                new.push(&one.record);
            }
        }
        (new, all)
    }

    /// The offsets to commit, with metadata about messages written after them.
    #[expect(clippy::type_complexity, reason = "it is taken apart at once")]
    fn offsets(
        &self,
        pending: &HashMap<String, Pending>,
    ) -> Result<(TopicPartitionList, Vec<(String, Position, Rows)>), ClientError> {
        let (mut offsets, mut after) = (TopicPartitionList::new(), Vec::new());
        let none = Pending::default();
        for (name, part) in &self.lock().parts {
            let (number, next) = part.position.restart();
            let Some(next) = next else { continue };
            let mut rows = part.rows.clone();
            rows.commit(pending.get(name).unwrap_or(&none), number);
            let note = rows.to_text();
            if note.len() > MAX_NOTE {
                return Err(ClientError::OffsetFetch(Code::OffsetMetadataTooLarge));
            }
            let mut one = offsets.add_partition(&part.topic, part.partition);
            one.set_offset(Offset::Offset(next))?;
            one.set_metadata(note);
            after.push((name.clone(), part.position.clone(), rows));
        }
        Ok((offsets, after))
    }

    fn failed(&self, config: &Config, error: &ClientError) -> KafkaError {
        let code = error.rdkafka_error_code();
        KafkaError::Transaction {
            brokers: config.brokers(),
            id: self.0.id.clone(),
            problem: match error {
                ClientError::Transaction(error) => error.string(),
                error => code.map_or_else(|| error.to_string(), |code| code.to_string()),
            },
            remedy: match code {
                Some(Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch) => {
                    "another process has the same id: give each its own, and start this one again"
                }
                Some(Code::TransactionalIdAuthorizationFailed) => "check permissions for the id",
                Some(Code::OffsetMetadataTooLarge) => {
                    "too many elements are done out of order: have fewer in flight"
                }
                _ => "what was not committed is read again when the pipeline is started again",
            },
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for KafkaTransactions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KafkaTransactions")
            .field(&self.0.id)
            .finish()
    }
}

/// Passes a message to the client, waiting for room in its queue.
fn send(client: &Client, record: &KafkaRecord) -> Result<(), ClientError> {
    let topic = record.topic.as_deref().unwrap_or_default();
    let mut base = filled(BaseRecord::to(topic), record);
    let until = Instant::now() + PATIENCE;
    while let Err((error, unsent)) = client.send(base) {
        let is_full = matches!(error, ClientError::MessageProduction(Code::QueueFull));
        if !is_full || Instant::now() > until {
            return Err(error);
        }
        base = unsent;
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// Retries as long as the client calls the error retriable.
fn again<R>(mut ask: impl FnMut() -> Result<R, ClientError>) -> Result<R, ClientError> {
    let until = Instant::now() + PATIENCE;
    loop {
        match ask() {
            Err(ClientError::Transaction(error))
                if error.is_retriable() && Instant::now() < until =>
            {
                thread::sleep(Duration::from_millis(10));
            }
            done => return done,
        }
    }
}

fn is_fatal(error: &ClientError) -> bool {
    match error {
        ClientError::Transaction(error) => error.is_fatal(),
        error => matches!(
            error.rdkafka_error_code(),
            Some(Code::Fatal | Code::Fenced | Code::ProducerFenced)
        ),
    }
}

/// Records the first message that was not delivered.
#[derive(Default)]
struct Context {
    failure: Mutex<Option<ClientError>>,
}

impl Context {
    fn take(&self) -> Option<ClientError> {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.take()
    }
}

impl ClientContext for Context {
    /// Errors are returned by the calls that they belong to.
    fn error(&self, _: ClientError, _: &str) {}
}

impl ProducerContext for Context {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
            failure.get_or_insert_with(|| error.clone());
        }
    }
}

/// The sink of `to_kafka` if the [`KafkaSink`] has transactions: writes elements in transactions.
pub struct TransactionalSink<T> {
    sink: KafkaSink,
    transactions: KafkaTransactions,
    to_record: ToRecord<T>,
}

impl<T> fmt::Debug for TransactionalSink<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransactionalSink")
            .field("sink", &self.sink)
            .finish_non_exhaustive()
    }
}

/// Converts an element to a message.
type ToRecord<T> = Box<dyn FnMut(&T) -> Result<KafkaRecord, BoxError> + Send>;

impl<T> TransactionalSink<T> {
    /// Creates a sink for elements that `to_record` converts to messages.
    ///
    /// # Errors
    /// [`KafkaError::Invalid`]: the sink has no [transactions](KafkaSink::transactions), or they already have a sink.
    pub fn new(
        sink: KafkaSink,
        to_record: impl FnMut(&T) -> Result<KafkaRecord, BoxError> + Send + 'static,
    ) -> Result<Self, KafkaError> {
        sink.check()?;
        let Some(transactions) = sink.transactions.clone() else {
            return Err(sink.config.invalid("the sink has no transactions"));
        };
        transactions.add_sink(&sink.producer_config())?;
        Ok(Self {
            sink,
            transactions,
            to_record: Box::new(to_record),
        })
    }
}

impl<T> Drop for TransactionalSink<T> {
    fn drop(&mut self) {
        // Another sink may take its place.
        self.transactions.lock().config = None;
    }
}

impl<T: thalweg::Element + Sync> BatchSink<T> for TransactionalSink<T> {
    type Error = KafkaError;
    const KIND: &'static str = "to_kafka";

    async fn write(&mut self, batch: Batch<T>) -> Result<(), KafkaError> {
        let mut made = Vec::with_capacity(batch.len());
        for element in batch.iter() {
            let record = (self.to_record)(element).map_err(|problem| KafkaError::NoRecord {
                brokers: self.sink.config.brokers(),
                topic: self.sink.topic.clone(),
                problem: problem.to_string(),
            })?;
            let mut record = record.traced();
            record.topic.get_or_insert_with(|| self.sink.topic.clone());
            made.push(Made {
                record,
                places: Vec::new(),
            });
        }
        batch.for_each_payload(|at, place: &Place| {
            let place = (place.position.clone(), place.number);
            made[at].places.push(place);
        });
        drop(batch);
        let transactions = self.transactions.clone();
        let (replier, written) = reply();
        let _writing = spawn(async move {
            let written = tokio::task::spawn_blocking(move || transactions.write(&made)).await;
            if let Ok(written) = written {
                replier.put(written);
            }
        })
        .map_err(KafkaError::Start)?;
        let gone = || KafkaError::Start(std::io::Error::other("its threads have ended"));
        written.await.unwrap_or_else(|| Err(gone()))
    }

    fn blames_element(&self, error: &KafkaError) -> bool {
        matches!(error, KafkaError::NoRecord { .. })
    }

    fn label(&self) -> Option<String> {
        Some(self.sink.topic.clone())
    }
}
