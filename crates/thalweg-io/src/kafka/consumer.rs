//! The thread that reads as a member of a consumer group.
//!
//! A separate thread, since the client blocks: during the last commit, and when a partition is revoked, until its
//! messages in flight are done.

mod committer;
mod context;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::Message;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode as Code};
use rdkafka::message::BorrowedMessage;

use self::committer::Committer;
use self::context::Context;
use super::queue::Queue;
use super::run::{Copies, Run};
use super::{Kafka, KafkaError};

/// How long the client may wait for a message before the thread checks for commands.
const TICK: Duration = Duration::from_millis(50);
/// How long the thread waits for room before it pauses the partitions. Pausing discards the messages that the client
/// has prefetched.
const PATIENCE: Duration = Duration::from_millis(200);
/// Maximum messages handed over at once.
const BATCH: usize = 512;
/// Timeout of requests to the brokers.
const ANSWER: Duration = Duration::from_secs(5);
/// Timeout, and minimum interval, of the check whether any broker is reachable after a connection has failed.
const LOOK: Duration = Duration::from_secs(1);
const BETWEEN_LOOKS: Duration = Duration::from_secs(5);
/// Timeout of the last commit, if the brokers were reachable before.
const LAST_ANSWER: Duration = Duration::from_secs(30);

/// Starts the thread. It ends when the queue is closed, or on a permanent error.
///
/// # Errors
/// The options are invalid, or no thread can be started.
pub(super) fn start(kafka: &Kafka, queue: &Arc<Queue>) -> Result<(), KafkaError> {
    kafka.check()?;
    let config = kafka.consumer_config();
    let context = Context::new(kafka.clone(), queue.clone());
    let consumer = config.client().create_with_context(context);
    let consumer: BaseConsumer<Context> = consumer.map_err(|error| config.refused(error))?;
    let consumer = Arc::new(consumer);
    let (queue, interval) = (queue.clone(), kafka.commit_interval);
    let topics = kafka.topics.clone();
    let thread = thread::Builder::new().name("thalweg-kafka".into());
    Committer::start(&consumer).map_err(KafkaError::Start)?;
    let committer = CloseOnDrop(consumer.context().clone());
    queue.begin();
    // Runs even if the client panics or no thread starts: the source must not wait for ever.
    let over = Over(queue.clone());
    let started = thread.spawn(move || {
        let _over = over;
        let _committer = committer;
        let reader = Reader {
            consumer,
            queue,
            interval,
            has_failed: Cell::new(false),
            looks_at: Cell::new(Instant::now()),
            copies: RefCell::default(),
        };
        if let Some(transactions) = reader.consumer.context().transactions()
            && let Err(error) = transactions.begin(&config, &reader.consumer)
        {
            reader.queue.fail(error);
            return;
        }
        reader.consumer.context().note_ends(&reader.consumer);
        reader.queue.set_ready();
        let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
        match reader.consumer.subscribe(&topics) {
            Ok(()) => reader.run(),
            Err(error) => {
                let problem = format!("cannot read the topics: {error}");
                reader.queue.fail(config.invalid(problem));
            }
        }
    });
    started.map(drop).map_err(KafkaError::Start)
}

/// Reports the end of the thread on drop.
struct Over(Arc<Queue>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.over();
    }
}

/// Ends the committing thread on drop.
struct CloseOnDrop(Arc<Context>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.committer.close(Duration::ZERO);
    }
}

struct Reader {
    consumer: Arc<BaseConsumer<Context>>,
    queue: Arc<Queue>,
    interval: Duration,
    /// A connection has failed since the last check for brokers.
    has_failed: Cell<bool>,
    /// Time of the next check.
    looks_at: Cell<Instant>,
    copies: RefCell<Copies>,
}

/// Whether to continue.
enum Next {
    GoOn,
    End(Option<KafkaError>),
}

impl Reader {
    /// Reads until the queue is closed or a permanent error; then commits and leaves the group.
    fn run(self) {
        let mut paused = false;
        let mut commit_at = Instant::now() + self.interval;
        let error = loop {
            if self.queue.is_closing() {
                break None;
            }
            if Instant::now() >= commit_at {
                self.commit();
                commit_at = Instant::now() + self.interval;
            }
            self.look_for_brokers();
            if !self.make_room(&mut paused) {
                continue;
            }
            match self.read() {
                Next::GoOn => {}
                Next::End(error) => break error,
            }
        };
        let context = self.consumer.context().clone();
        if error.is_none() {
            // Messages in flight are to be committed once they are done, which may take a while.
            self.stay();
        }
        context.is_leaving();
        context.commit_at_last();
        // Leaves the group here, rather than at the end of the last commit.
        context.committer.close(ANSWER);
        let queue = self.queue.clone();
        // Leaves the group.
        drop(self);
        if let Some(error) = error {
            queue.fail(error);
        }
    }

    /// Stays a member without reading, until the queue is closed.
    fn stay(&self) {
        self.queue.finish();
        while !self.queue.is_closing() {
            let _ = self.pause();
            // Partitions assigned meanwhile are paused as well; their next owner starts at the committed offsets.
            let _ = self.consumer.poll(TICK);
            self.commit();
        }
    }

    /// Pauses the partitions while the source's queue is full; returns whether there is room.
    fn make_room(&self, paused: &mut bool) -> bool {
        if self.queue.room() > 0 {
            if std::mem::take(paused)
                && let Ok(assigned) = self.consumer.assignment()
                && let Err(error) = self.consumer.resume(&assigned)
            {
                self.consumer.context().report(error);
            }
            return true;
        }
        self.queue.wait_for_room(PATIENCE);
        if self.queue.room() == 0 {
            *paused = true;
            if let Err(error) = self.pause() {
                self.consumer.context().report(error);
            }
            // Polling serves rebalances. Messages that were in transit when the partitions were paused are accepted
            // nevertheless.
            let mut runs = Vec::new();
            if let Some(Ok(message)) = self.consumer.poll(Duration::ZERO) {
                self.take(&message, &mut runs);
            }
            self.queue.push(runs);
        }
        false
    }

    fn pause(&self) -> Result<(), ClientError> {
        self.consumer.pause(&self.consumer.assignment()?)
    }

    /// Handles one polled message or error.
    fn read(&self) -> Next {
        let (mut runs, mut taken) = (Vec::new(), 0);
        let room = self.queue.room().min(BATCH);
        let mut timeout = TICK;
        let next = loop {
            match self.consumer.poll(timeout) {
                None => break Next::GoOn,
                Some(Ok(message)) => taken += usize::from(self.take(&message, &mut runs)),
                Some(Err(error)) => match self.failed(error) {
                    Next::GoOn => {}
                    end => break end,
                },
            }
            if taken >= room {
                break Next::GoOn;
            }
            timeout = Duration::ZERO;
        };
        if !runs.is_empty() {
            self.consumer.context().is_up();
            self.queue.push(runs);
        }
        match next {
            Next::GoOn if self.consumer.context().is_at_end() => Next::End(None),
            next => next,
        }
    }

    /// Adds a message to those that were read; returns whether its partition is still assigned.
    fn take(&self, message: &BorrowedMessage<'_>, runs: &mut Vec<Run>) -> bool {
        let (topic, partition) = (message.topic(), message.partition());
        // A revoked one may have been assigned again, with another lane.
        let is_last = |run: &Run| run.lane.is(topic, partition) && !run.lane.is_revoked();
        if !runs.last().is_some_and(is_last) {
            // No lane: the message was in transit when the partition was revoked.
            let Some(lane) = self.consumer.context().lane(topic, partition) else {
                return false;
            };
            let messages = VecDeque::new();
            runs.push(Run { lane, messages });
        }
        if let Some(run) = runs.last_mut() {
            run.lane.has_read(message.offset());
            let message = self.copies.borrow_mut().message(message);
            run.messages.push_back(message);
        }
        true
    }

    /// Handles an error of the client.
    fn failed(&self, error: ClientError) -> Next {
        let context = self.consumer.context();
        let code = match error {
            ClientError::PartitionEOF(partition) => {
                context.is_partition_at_end(partition);
                return Next::GoOn;
            }
            ClientError::MessageConsumptionFatal(code) => {
                return Next::End(Some(context.read_error(&context.explained(code), true)));
            }
            ClientError::MessageConsumption(code) => code,
            error => {
                context.report(error);
                return Next::GoOn;
            }
        };
        match code {
            Code::AllBrokersDown => {
                context.is_down();
                Next::GoOn
            }
            // The client reconnects.
            Code::BrokerTransportFailure | Code::OperationTimedOut | Code::Resolve => {
                self.has_failed.set(true);
                Next::GoOn
            }
            Code::UnknownTopicOrPartition | Code::UnknownTopic => match self.missing_topic() {
                Some(topic) => Next::End(Some(context.no_topic(topic))),
                None => Next::GoOn,
            },
            Code::AutoOffsetReset => Next::End(Some(self.no_offset())),
            Code::Authentication
            | Code::SaslAuthenticationFailed
            | Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::ClusterAuthorizationFailed => Next::End(Some(context.refused(code))),
            code => {
                self.queue
                    .fail(context.read_error(&context.explained(code), false));
                Next::GoOn
            }
        }
    }

    /// Requests metadata from any broker, if a connection has failed since the last check. The client reports that all
    /// brokers are down only if all connections it ever made are down at the same moment, and it does not retry all of
    /// them.
    fn look_for_brokers(&self) {
        let now = Instant::now();
        let context = self.consumer.context();
        if !self.has_failed.get() || now < self.looks_at.get() {
            return;
        }
        self.has_failed.set(false);
        self.looks_at.set(now + BETWEEN_LOOKS);
        let mut topics = context.topics().iter();
        let topic = topics.find(|name| !name.starts_with('^'));
        let known = (self.consumer).fetch_metadata(topic.map(String::as_str), LOOK);
        if known.is_err() {
            context.is_down();
        }
    }

    /// Error for a topic that was requested by name and does not exist.
    fn missing_topic(&self) -> Option<String> {
        let context = self.consumer.context();
        let mut names = context
            .topics()
            .iter()
            .filter(|name| !name.starts_with('^'));
        let missing = |name: &&String| {
            let known = self.consumer.fetch_metadata(Some(name), ANSWER);
            known.is_ok_and(|known| {
                let mut topics = known.topics().iter();
                topics.any(|topic| topic.error().is_some() || topic.partitions().is_empty())
            })
        };
        names.find(missing).cloned()
    }

    /// The partitions whose committed offset cannot be read.
    fn no_offset(&self) -> KafkaError {
        let context = self.consumer.context();
        let committed = self.consumer.committed(ANSWER);
        let (mut partitions, mut problems) = (Vec::new(), Vec::new());
        for one in committed.iter().flat_map(|list| list.elements()) {
            let (topic, partition) = (one.topic(), one.partition());
            let Ok((low, high)) = self.consumer.fetch_watermarks(topic, partition, ANSWER) else {
                continue;
            };
            match one.offset().to_raw() {
                Some(offset) if (low..=high).contains(&offset) => continue,
                Some(offset) if offset >= 0 => {
                    problems.push(format!("offset {offset} is outside of {low} to {high}"));
                }
                _ => problems.push("no offset is committed".into()),
            }
            partitions.push(format!("topic `{topic}`, partition {partition}"));
        }
        problems.dedup();
        context.no_offset(partitions.join("; "), problems.join("; "))
    }

    fn commit(&self) {
        self.consumer.context().commit();
    }
}
