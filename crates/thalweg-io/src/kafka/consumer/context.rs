//! Callbacks of the client: rebalances, commits, errors.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::bindings::rd_kafka_resp_err_t as Event;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError as ClientError, KafkaResult, RDKafkaErrorCode as Code};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::super::lane::Lane;
use super::super::queue::Queue;
use super::super::transactions::Restored;
use super::super::{Kafka, KafkaError, KafkaTransactions, lock};
use super::committer::{Commit, Committer};
use super::{ANSWER, LAST_ANSWER};
use crate::Position;

/// The reading thread's state of the group. Its methods are called on that thread, except [`ClientContext::log`] and
/// [`Context::has_committed`].
pub(super) struct Context {
    kafka: Kafka,
    queue: Arc<Queue>,
    /// End offsets of partitions when the source started, if reading starts there.
    ends: Mutex<HashMap<(String, i32), i64>>,
    lanes: Mutex<Vec<Arc<Lane>>>,
    /// Error of the last connection.
    last_failure: Mutex<String>,
    /// The client's message about the error that it returns next.
    reason: Mutex<String>,
    /// Whether it was reported that no broker can be reached.
    is_down: AtomicBool,
    /// Closing: waits are skipped.
    is_leaving: AtomicBool,
    pub(super) committer: Committer,
}

impl Context {
    pub(super) fn new(kafka: Kafka, queue: Arc<Queue>) -> Self {
        Self {
            kafka,
            queue,
            ends: Mutex::default(),
            lanes: Mutex::default(),
            last_failure: Mutex::default(),
            reason: Mutex::default(),
            is_down: AtomicBool::new(false),
            is_leaving: AtomicBool::new(false),
            committer: Committer::default(),
        }
    }

    pub(super) fn topics(&self) -> &[String] {
        &self.kafka.topics
    }

    pub(super) fn transactions(&self) -> Option<&KafkaTransactions> {
        self.kafka.transactions.as_ref()
    }

    /// The partition's lane, if it is assigned.
    pub(super) fn lane(&self, topic: &str, partition: i32) -> Option<Arc<Lane>> {
        let lanes = lock(&self.lanes);
        lanes.iter().find(|lane| lane.is(topic, partition)).cloned()
    }

    /// Notes that a partition has been read to its end; the client does not say of which topic.
    pub(super) fn is_partition_at_end(&self, partition: i32) {
        let lanes = lock(&self.lanes);
        let mut of_number = lanes.iter().filter(|lane| lane.partition == partition);
        if let (Some(lane), None) = (of_number.next(), of_number.next()) {
            lane.set_at_end();
        }
    }

    /// Whether all partitions have been read to their ends, and the source ends there.
    pub(super) fn is_at_end(&self) -> bool {
        let lanes = lock(&self.lanes);
        self.kafka.until_end && !lanes.is_empty() && lanes.iter().all(|lane| lane.is_at_end())
    }

    pub(super) fn is_leaving(&self) {
        self.is_leaving.store(true, Ordering::Relaxed);
    }

    /// Notes that a message has arrived.
    pub(super) fn is_up(&self) {
        self.is_down.store(false, Ordering::Relaxed);
    }

    /// Reports that no broker can be reached, once until one can be.
    pub(super) fn is_down(&self) {
        if !self.is_down.swap(true, Ordering::Relaxed) {
            self.queue.fail(KafkaError::Unreachable {
                brokers: self.kafka.config.brokers(),
                problem: lock(&self.last_failure).clone(),
            });
        }
    }

    pub(super) fn report(&self, error: ClientError) {
        self.queue.fail(self.read_error(&error.to_string(), false));
    }

    pub(super) fn read_error(&self, problem: &str, is_fatal: bool) -> KafkaError {
        KafkaError::Read {
            brokers: self.kafka.config.brokers(),
            group: self.kafka.config.group(),
            topics: self.kafka.topics.join(", "),
            problem: problem.to_string(),
            is_fatal,
        }
    }

    pub(super) fn no_topic(&self, topic: String) -> KafkaError {
        KafkaError::NoTopic {
            brokers: self.kafka.config.brokers(),
            topic,
        }
    }

    /// Converts an error of the client, with its message.
    pub(super) fn explained(&self, code: Code) -> String {
        let reason = std::mem::take(&mut *lock(&self.reason));
        match reason.is_empty() {
            true => code.to_string(),
            false => reason,
        }
    }

    pub(super) fn refused(&self, code: Code) -> KafkaError {
        let topics = self.kafka.topics.join(", ");
        let group = self.kafka.config.group();
        KafkaError::Refused {
            brokers: self.kafka.config.brokers(),
            problem: format!(
                "reading {topics} as group `{group}` is refused: {}",
                self.explained(code)
            ),
        }
    }

    pub(super) fn no_offset(&self, partitions: String, problem: String) -> KafkaError {
        let or = |text: String, other: &str| match text.is_empty() {
            true => other.to_string(),
            false => text,
        };
        KafkaError::NoOffset {
            brokers: self.kafka.config.brokers(),
            group: self.kafka.config.group(),
            partitions: or(
                partitions,
                &format!("topics {}", self.kafka.topics.join(", ")),
            ),
            problem: or(problem, "there is no offset to read from"),
        }
    }

    /// Commits the offsets of finished messages in all partitions, unless a commit is in progress.
    pub(super) fn commit(&self) {
        if !self.committer.is_busy()
            && let Some(commit) = self.to_commit(lock(&self.lanes).clone())
        {
            self.committer.push(commit);
        }
    }

    /// Commits the offsets of finished messages in all partitions, and waits for the answer.
    pub(super) fn commit_at_last(&self) {
        let limit = match self.is_down.load(Ordering::Relaxed) {
            true => ANSWER,
            false => LAST_ANSWER,
        };
        let lanes = lock(&self.lanes).clone();
        self.commit_now(lanes, limit);
    }

    /// Commits the offsets of finished messages, after the commit in progress. Without an answer by the timeout, either
    /// the commit succeeds nevertheless, or the messages are read again.
    fn commit_now(&self, lanes: Vec<Arc<Lane>>, limit: Duration) {
        let until = Instant::now() + limit;
        let mut is_answered = self.committer.wait(limit);
        if is_answered && let Some(commit) = self.to_commit(lanes) {
            self.committer.push(commit);
            let left = until.saturating_duration_since(Instant::now());
            is_answered = self.committer.wait(left);
        }
        if !is_answered {
            let problem = format!("no broker has answered for {} s", limit.as_secs());
            self.queue.fail(self.not_committed(problem));
        }
    }

    fn to_commit(&self, lanes: Vec<Arc<Lane>>) -> Option<Commit> {
        if self.kafka.transactions.is_some() {
            return None;
        }
        let mut offsets = TopicPartitionList::new();
        let mut added = Ok(());
        for lane in &lanes {
            if let Some(next) = lane.to_commit() {
                let next = Offset::Offset(next);
                let one = offsets.add_partition_offset(&lane.topic, lane.partition, next);
                added = added.and(one);
            }
        }
        if let Err(error) = added {
            self.report(error);
        }
        (offsets.count() > 0).then_some(Commit { offsets, lanes })
    }

    /// Handles the result of a commit.
    pub(super) fn has_committed(&self, commit: &Commit, done: &KafkaResult<()>) {
        let mut problem = None;
        for lane in &commit.lanes {
            let one = commit.offsets.find_partition(&lane.topic, lane.partition);
            let one = one.map_or(Ok(()), |one| one.error());
            if let Err(error) = done.clone().and(one) {
                lane.forget_commit();
                problem = Some(error);
            }
        }
        if let Some(error) = problem.filter(|error| !is_rebalancing(error)) {
            let problem = match error.rdkafka_error_code() {
                Some(code) => code.to_string(),
                None => error.to_string(),
            };
            self.queue.fail(self.not_committed(problem));
        }
    }

    fn not_committed(&self, problem: String) -> KafkaError {
        KafkaError::Commit {
            brokers: self.kafka.config.brokers(),
            group: self.kafka.config.group(),
            problem,
        }
    }

    /// Records the end offsets of the topics' partitions, if a group without committed offsets starts there: assignment
    /// takes a while, and messages written meanwhile must not be missed.
    pub(super) fn note_ends(&self, consumer: &BaseConsumer<Self>) {
        if !self.begins_at_ends() {
            return;
        }
        let names = self.topics().iter().filter(|name| !name.starts_with('^'));
        for name in names {
            let Ok(known) = consumer.fetch_metadata(Some(name), ANSWER) else {
                return;
            };
            let partitions = known.topics().iter().flat_map(|topic| topic.partitions());
            for partition in partitions.map(|partition| partition.id()) {
                if let Ok((_, end)) = consumer.fetch_watermarks(name, partition, ANSWER) {
                    lock(&self.ends).insert((name.clone(), partition), end);
                }
            }
        }
    }

    fn begins_at_ends(&self) -> bool {
        let reset = self.kafka.config.get("auto.offset.reset");
        self.kafka.position_of.is_none()
            && matches!(reset, None | Some("latest" | "largest" | "end"))
    }

    /// Start offset of a partition without a committed offset: its end when the source started, or its current end. It
    /// is committed at once, so that the next source misses nothing either if it starts there.
    fn end_of(&self, consumer: &BaseConsumer<Self>, topic: &str, partition: i32) -> Option<i64> {
        if !self.begins_at_ends() {
            return None;
        }
        let mut asked = TopicPartitionList::new();
        asked.add_partition(topic, partition);
        let committed = consumer.committed_offsets(asked, ANSWER).ok()?;
        let committed = committed.find_partition(topic, partition)?.offset();
        if committed != Offset::Invalid {
            return None;
        }
        let noted = lock(&self.ends).remove(&(topic.to_string(), partition));
        noted.or_else(|| Some(consumer.fetch_watermarks(topic, partition, ANSWER).ok()?.1))
    }

    /// Starts reading partitions where their positions say.
    fn assign(
        &self,
        consumer: &BaseConsumer<Self>,
        assigned: &TopicPartitionList,
    ) -> KafkaResult<()> {
        let mut begin = TopicPartitionList::new();
        for one in assigned.elements() {
            let (topic, partition) = (one.topic(), one.partition());
            if (self.kafka.max_partitions).is_some_and(|count| partition >= count) {
                continue;
            }
            let begins_at = self.end_of(consumer, topic, partition);
            let restored = match self.restore(consumer, topic, partition, begins_at) {
                Ok(restored) => restored,
                Err(error) => {
                    self.queue.fail(error);
                    continue;
                }
            };
            let position = restored.position;
            let offset = position.value().and_then(|value| value.parse().ok());
            let offset = match offset {
                _ if restored.offset.is_some() => {
                    restored.offset.map_or(Offset::Invalid, Offset::Offset)
                }
                Some(offset) => Offset::Offset(i64::saturating_add(offset, 1)),
                // The position's owner may have counted results of the first messages.
                None if self.kafka.position_of.is_some() => Offset::Beginning,
                None => one.offset(),
            };
            begin.add_partition_offset(topic, partition, offset)?;
            let end = match self.kafka.until_end {
                true => Some(consumer.fetch_watermarks(topic, partition, ANSWER)?.1),
                false => None,
            };
            let lane = Lane::new(topic, partition, position, end);
            if begins_at.is_some() {
                lane.forget_commit();
            }
            if end == Some(0) {
                lane.set_at_end();
            }
            lock(&self.lanes).push(Arc::new(lane));
        }
        match consumer.rebalance_protocol() {
            RebalanceProtocol::Cooperative => consumer.incremental_assign(&begin),
            RebalanceProtocol::None | RebalanceProtocol::Eager => consumer.assign(&begin),
        }
    }

    fn restore(
        &self,
        consumer: &BaseConsumer<Self>,
        topic: &str,
        partition: i32,
        begins_at: Option<i64>,
    ) -> Result<Restored, KafkaError> {
        match &self.kafka.transactions {
            Some(transactions) => {
                let config = &self.kafka.config;
                let mut restored = transactions.restore(config, consumer, topic, partition)?;
                restored.offset = restored.offset.or(begins_at);
                Ok(restored)
            }
            None => Ok(Restored {
                position: self.position(topic, partition, begins_at)?,
                offset: None,
            }),
        }
    }

    fn position(
        &self,
        topic: &str,
        partition: i32,
        begins_at: Option<i64>,
    ) -> Result<Position, KafkaError> {
        let Some(position_of) = &self.kafka.position_of else {
            let name = format!("{topic}/{partition}");
            return Ok(match begins_at {
                Some(offset) => Position::behind(name, (offset - 1).to_string()),
                None => Position::new(name),
            });
        };
        position_of(topic, partition).map_err(|error| KafkaError::NoPosition {
            brokers: self.kafka.config.brokers(),
            topic: topic.to_string(),
            partition,
            problem: error.to_string(),
        })
    }

    /// Releases partitions. Messages not yet emitted are dropped, messages in flight get some time to finish; the
    /// offsets of finished ones are committed, unless the partitions already belong to another member.
    fn revoke(
        &self,
        consumer: &BaseConsumer<Self>,
        revoked: &TopicPartitionList,
    ) -> KafkaResult<()> {
        let is_revoked =
            |lane: &Lane| (revoked.find_partition(&lane.topic, lane.partition)).is_some();
        let (revoked_lanes, others): (Vec<_>, Vec<_>) = {
            let mut lanes = lock(&self.lanes);
            std::mem::take(&mut *lanes)
                .into_iter()
                .partition(|lane| is_revoked(lane))
        };
        *lock(&self.lanes) = others;
        revoked_lanes.iter().for_each(|lane| lane.revoke());
        self.queue.drop_revoked();
        if !consumer.assignment_lost() {
            if !self.is_leaving.load(Ordering::Relaxed) {
                let until = Instant::now() + self.kafka.revoke_timeout;
                for lane in &revoked_lanes {
                    lane.wait_until_settled(until);
                }
            }
            self.commit_now(revoked_lanes.clone(), ANSWER);
        }
        if let Some(transactions) = &self.kafka.transactions {
            for lane in &revoked_lanes {
                transactions.forget(lane.position());
            }
        }
        match consumer.rebalance_protocol() {
            RebalanceProtocol::Cooperative => {
                let mut read = TopicPartitionList::new();
                for lane in &revoked_lanes {
                    read.add_partition(&lane.topic, lane.partition);
                }
                consumer.incremental_unassign(&read)
            }
            RebalanceProtocol::None | RebalanceProtocol::Eager => consumer.unassign(),
        }
    }
}

impl ClientContext for Context {
    fn log(&self, _: RDKafkaLogLevel, facility: &str, message: &str) {
        // The client reports the reason of a failed connection only here.
        if facility == "FAIL" {
            let reason = message
                .split_once("]: ")
                .map_or(message, |(_, reason)| reason);
            reason.trim().clone_into(&mut lock(&self.last_failure));
        }
    }

    /// The client returns the error as well.
    fn error(&self, _: ClientError, reason: &str) {
        reason.clone_into(&mut lock(&self.reason));
    }
}

impl ConsumerContext for Context {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        event: Event,
        list: &mut TopicPartitionList,
    ) {
        let done = match event {
            Event::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => {
                self.is_up();
                self.assign(consumer, list)
            }
            _ => self.revoke(consumer, list),
        };
        if let Err(error) = done {
            self.report(error);
        }
    }
}

/// Whether offsets are not committed because of a rebalance: they are committed with the next ones, or another member
/// reads their messages again.
fn is_rebalancing(error: &ClientError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(Code::RebalanceInProgress | Code::IllegalGeneration | Code::UnknownMemberId)
    )
}
