//! Topics as the source of a pipeline.

use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use thalweg::{Ack, BoxError, Element, Emitter, Source, Stop, Stream};

use super::consumer;
use super::lane::Lane;
use super::lock;
use super::queue::{Came, Queue};
use super::run::{Fetched, Run};
use super::{Kafka, KafkaError, KafkaMessage};

/// Messages per reading of the clock.
const PER_CLOCK: u32 = 16;

/// Maximum finished messages that still count as buffered: the queue's lock is taken once for all of them.
const PER_RELEASE: usize = 16;

/// Messages as a source: [`Stream::from_kafka`](FromKafka::from_kafka).
pub struct KafkaSource(Intake);

impl fmt::Debug for KafkaSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaSource").finish_non_exhaustive()
    }
}

/// Batches of messages of one partition, as a source:
/// [`Stream::from_kafka_batches`](FromKafkaBatches::from_kafka_batches).
pub struct KafkaBatches {
    intake: Intake,
    interval: Duration,
    max_len: usize,
}

impl fmt::Debug for KafkaBatches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaBatches")
            .field("interval", &self.interval)
            .field("max_len", &self.max_len)
            .finish_non_exhaustive()
    }
}

/// The reading side of a source.
struct Intake {
    kafka: Kafka,
    queue: Arc<Queue>,
    has_started: bool,
    /// A partition, and how many more of its messages may be in flight: only this source adds to them.
    room: Option<(Arc<Lane>, usize)>,
    taken: VecDeque<Run>,
    finished: Finished,
    watch: Watch,
}

/// Finished messages that still count as buffered.
#[derive(Default)]
struct Finished {
    messages: usize,
    bytes: usize,
}

/// Checks for messages that have been unfinished for a long time.
struct Watch {
    lanes: Vec<Arc<Lane>>,
    /// The same, for views of the pipeline.
    shown: Arc<Mutex<Vec<Arc<Lane>>>>,
    limit: Duration,
    /// Time of the next check.
    look_at: Duration,
    /// The time, and for how many more messages it is used: reading the clock for each costs more than emitting it.
    now: Option<(Duration, u32)>,
}

/// Commits finished messages and leaves the group, for code that runs a source directly.
#[derive(Clone, Debug)]
pub struct KafkaCloser(Arc<Queue>);

impl KafkaCloser {
    /// Whether the source has started: a new group reads messages written from then on.
    pub fn has_begun(&self) -> bool {
        self.0.is_ready()
    }

    /// Commits and leaves, and waits until that is done; returns at once if the source never ran.
    ///
    /// # Errors
    /// [`KafkaError::Commit`].
    pub async fn close(&self) -> Result<(), KafkaError> {
        self.0.close();
        self.0.closed().await
    }
}

impl From<Kafka> for KafkaSource {
    fn from(kafka: Kafka) -> Self {
        Self(Intake::new(kafka))
    }
}

impl KafkaSource {
    /// Emits the element that `make` makes of each message and its token. A message for which it returns an error is
    /// reported and counts as done.
    pub(crate) async fn emit_all<T: Element>(
        &mut self,
        out: &Emitter<T>,
        mut make: impl FnMut(KafkaMessage, Ack) -> Result<(T, Ack), BoxError>,
    ) -> Result<(), Stop> {
        let intake = &mut self.0;
        intake.start()?;
        intake.watch.show(out);
        loop {
            while let Some(lane) = intake.next_lane() {
                while intake.is_next(&lane) {
                    intake.emit_one(&lane, out, &mut make).await?;
                }
            }
            if !intake.fill(out).await? {
                return Ok(());
            }
        }
    }

    #[cfg(test)]
    pub(super) fn queue(&self) -> Arc<Queue> {
        self.0.queue.clone()
    }

    /// What closes the source.
    pub fn closer(&self) -> KafkaCloser {
        KafkaCloser(self.0.queue.clone())
    }
}

impl KafkaBatches {
    /// A source of batches: the new messages of each partition every `interval`, on the pipeline's clock, in batches of
    /// at most `max_len` messages.
    pub fn new(kafka: Kafka, interval: Duration, max_len: usize) -> Self {
        Self {
            intake: Intake::new(kafka),
            interval,
            max_len: max_len.max(1),
        }
    }

    /// What closes the source.
    pub fn closer(&self) -> KafkaCloser {
        KafkaCloser(self.intake.queue.clone())
    }
}

impl Intake {
    fn new(kafka: Kafka) -> Self {
        Self {
            queue: Arc::new(Queue::new(kafka.max_messages, kafka.max_bytes)),
            watch: Watch {
                lanes: Vec::new(),
                shown: Arc::default(),
                limit: kafka.overdue_after,
                look_at: Duration::ZERO,
                now: None,
            },
            kafka,
            has_started: false,
            room: None,
            taken: VecDeque::new(),
            finished: Finished::default(),
        }
    }

    fn start(&mut self) -> Result<(), KafkaError> {
        if !self.has_started {
            consumer::start(&self.kafka, &self.queue)?;
            self.has_started = true;
        }
        Ok(())
    }

    /// The partition of the next message.
    fn next_lane(&self) -> Option<Arc<Lane>> {
        self.taken.front().map(|run| run.lane.clone())
    }

    /// Whether the next message is of this partition.
    fn is_next(&self, lane: &Arc<Lane>) -> bool {
        let next = self.taken.front();
        next.is_some_and(|run| Arc::ptr_eq(&run.lane, lane))
    }

    /// Emits the element that `make` makes of the next message, which is of this partition.
    async fn emit_one<T: Element>(
        &mut self,
        lane: &Arc<Lane>,
        out: &Emitter<T>,
        make: &mut impl FnMut(KafkaMessage, Ack) -> Result<(T, Ack), BoxError>,
    ) -> Result<(), Stop> {
        self.room(out, lane).await?;
        let Some(fetched) = self.take(lane) else {
            return Ok(());
        };
        let now = self.watch.now(out);
        let (ack, len) = (lane.begin(fetched.offset, now), fetched.len());
        let message = fetched.of(lane);
        let ack = ack.map(|ack| match message.trace() {
            Some(trace) => ack.in_trace(trace),
            None => ack,
        });
        let emitted = match ack.map(|ack| make(message, ack)) {
            Some(Ok((element, ack))) => {
                let emit = out.emit_with(element, ack);
                self.watch.while_waiting(out, emit).await
            }
            Some(Err(error)) => {
                out.report(error);
                out.yield_now().await
            }
            // The partition belongs to another member.
            None => Ok(()),
        };
        self.finish(len);
        emitted
    }

    /// Takes the next message, if it is of this partition.
    fn take(&mut self, lane: &Arc<Lane>) -> Option<Fetched> {
        let run = self.taken.front_mut()?;
        if !Arc::ptr_eq(&run.lane, lane) {
            return None;
        }
        let fetched = run.messages.pop_front();
        if run.messages.is_empty() {
            self.taken.pop_front();
        }
        fetched
    }

    /// Counts a message as finished.
    fn finish(&mut self, len: usize) {
        self.finished.messages += 1;
        self.finished.bytes += len;
        if self.finished.messages >= PER_RELEASE.min(self.kafka.max_messages / 8) {
            self.release();
        }
    }

    /// Makes room for as many messages as have finished.
    fn release(&mut self) {
        let Finished { messages, bytes } = std::mem::take(&mut self.finished);
        self.queue.release(messages, bytes);
    }

    /// Waits for messages; returns whether more may arrive.
    async fn fill<T: Element>(&mut self, out: &Emitter<T>) -> Result<bool, Stop> {
        self.release();
        self.watch.now = None;
        self.watch.look(out);
        let next = out.or_stop(self.queue.next());
        match self.watch.while_waiting(out, next).await? {
            // Moves no message.
            Came::Messages(messages) if self.taken.is_empty() => self.taken = messages,
            Came::Messages(messages) => self.taken.extend(messages),
            Came::Error(error) if error.is_temporary() => {
                out.report(error);
                out.yield_now().await?;
            }
            Came::Error(error) => return Err(error.into()),
            Came::Over => return Ok(false),
        }
        Ok(true)
    }

    /// Waits until a partition may have another message in flight.
    async fn room<T: Element>(&mut self, out: &Emitter<T>, lane: &Arc<Lane>) -> Result<(), Stop> {
        if let Some((of, left)) = &mut self.room
            && *left > 0
            && Arc::ptr_eq(of, lane)
        {
            *left -= 1;
            return Ok(());
        }
        self.watch.add(lane);
        let room = out.or_stop(lane.position().room());
        let room = self.watch.while_waiting(out, room).await?;
        let left = room.map_err(KafkaError::from)?;
        self.room = Some((lane.clone(), left - 1));
        Ok(())
    }

    async fn close(&mut self) -> Result<(), BoxError> {
        self.queue.close();
        Ok(self.queue.closed().await?)
    }
}

impl Watch {
    fn add(&mut self, lane: &Arc<Lane>) {
        if !self.lanes.iter().any(|known| Arc::ptr_eq(known, lane)) {
            self.lanes.push(lane.clone());
            lock(&self.shown).clone_from(&self.lanes);
        }
    }

    /// The time, at most [`PER_CLOCK`] messages old, and never from before a wait.
    fn now<T: Element>(&mut self, out: &Emitter<T>) -> Duration {
        let (now, left) = match self.now {
            Some((now, left)) if left > 0 => (now, left - 1),
            _ => (out.now(), PER_CLOCK),
        };
        self.now = Some((now, left));
        now
    }

    /// Shows the positions of the partitions that messages have come from.
    fn show<T: Element>(&self, out: &Emitter<T>) {
        let lanes = self.shown.clone();
        out.show_positions(move |now| {
            let lanes = lock(&lanes);
            let assigned = lanes.iter().filter(|lane| !lane.is_revoked());
            assigned.map(|lane| lane.view(now)).collect()
        });
    }

    /// Reports the oldest message of each partition if it has been unfinished for too long, when a check is due.
    fn look<T: Element>(&mut self, out: &Emitter<T>) {
        let now = out.now();
        if now < self.look_at {
            return;
        }
        let pause = (self.limit / 4).max(Duration::from_millis(10));
        self.look_at = now.saturating_add(pause);
        if self.lanes.iter().any(|lane| lane.is_revoked()) {
            self.lanes.retain(|lane| !lane.is_revoked());
            lock(&self.shown).clone_from(&self.lanes);
        }
        for lane in &self.lanes {
            if let Some(overdue) = lane.position().overdue(now, self.limit) {
                out.report(KafkaError::from(overdue));
            }
        }
    }

    /// Awaits a future, running checks meanwhile.
    async fn while_waiting<T: Element, R>(
        &mut self,
        out: &Emitter<T>,
        future: impl Future<Output = R>,
    ) -> R {
        let mut future = pin!(future);
        // Most are ready at once, and need no timer.
        if let Poll::Ready(result) = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await {
            return result;
        }
        self.now = None;
        while self
            .lanes
            .iter()
            .any(|lane| lane.position().in_flight() > 0)
        {
            let mut pause = pin!(out.sleep_until(self.look_at));
            let ended = poll_fn(|cx| match future.as_mut().poll(cx) {
                Poll::Ready(result) => Poll::Ready(Ok(result)),
                Poll::Pending => pause.as_mut().poll(cx).map(Err),
            });
            match ended.await {
                Ok(result) => return result,
                Err(Ok(())) => self.look(out),
                // The source is being stopped, which the future handles.
                Err(Err(_)) => break,
            }
        }
        future.await
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        self.queue.close();
    }
}

impl Source for KafkaSource {
    type Item = KafkaMessage;
    const KIND: &'static str = "from_kafka";
    const CLOSES: bool = true;

    fn label(&self) -> Option<String> {
        Some(self.0.kafka.label())
    }

    async fn run(&mut self, out: &Emitter<KafkaMessage>) -> Result<(), Stop> {
        self.emit_all(out, |message, ack| Ok((message, ack))).await
    }

    async fn close(&mut self) -> Result<(), BoxError> {
        self.0.close().await
    }
}

impl Source for KafkaBatches {
    type Item = Vec<KafkaMessage>;
    const KIND: &'static str = "from_kafka_batches";
    const CLOSES: bool = true;

    fn label(&self) -> Option<String> {
        Some(self.intake.kafka.label())
    }

    async fn run(&mut self, out: &Emitter<Vec<KafkaMessage>>) -> Result<(), Stop> {
        self.intake.start()?;
        self.intake.watch.show(out);
        loop {
            while let Some(lane) = self.intake.next_lane() {
                self.intake.room(out, &lane).await?;
                let fetched = take_batch(&mut self.intake.taken, &lane, self.max_len);
                let Some(last) = fetched.last().map(|one| one.offset) else {
                    continue;
                };
                let (messages, bytes) = (fetched.len(), fetched.iter().map(Fetched::len).sum());
                let batch = fetched.into_iter().map(|one| one.of(&lane)).collect();
                let now = self.intake.watch.now(out);
                let emitted = match lane.begin(last, now) {
                    Some(ack) => {
                        let emit = out.emit_with(batch, ack);
                        self.intake.watch.while_waiting(out, emit).await
                    }
                    None => Ok(()),
                };
                self.intake.queue.release(messages, bytes);
                emitted?;
            }
            if !self.intake.fill(out).await? {
                return Ok(());
            }
            if !self.intake.taken.is_empty() {
                out.sleep(self.interval).await?;
                // Includes messages that arrived meanwhile.
                let more = self.intake.queue.try_next();
                self.intake.taken.extend(more);
            }
        }
    }

    async fn close(&mut self) -> Result<(), BoxError> {
        self.intake.close().await
    }
}

/// Takes the first messages of a partition; the others stay where they are.
fn take_batch(taken: &mut VecDeque<Run>, lane: &Arc<Lane>, max_len: usize) -> Vec<Fetched> {
    let mut batch = Vec::new();
    let of_lane = taken.iter_mut().filter(|run| Arc::ptr_eq(&run.lane, lane));
    for run in of_lane {
        let len = run.messages.len().min(max_len - batch.len());
        batch.extend(run.messages.drain(..len));
        if batch.len() == max_len {
            break;
        }
    }
    taken.retain(|run| !run.messages.is_empty());
    batch
}

/// Topics as sources: [`Stream::from_kafka`](FromKafka::from_kafka).
pub trait FromKafka {
    /// Emits the messages of topics, as a member of a consumer group, in order within each partition.
    ///
    /// An offset is committed when its message and all before it in its partition are done: when their tokens have
    /// fired. A message that fails without a policy to handle it holds up the commits of its partition: the next source
    /// to start reads it again, with those after it. Stopped and started again, the source continues with the message
    /// after the last one emitted; `drain` commits finished messages and leaves the group. Reading and committing use
    /// real time, whatever the pipeline's clock.
    ///
    /// ```
    /// use thalweg::Stream;
    /// use thalweg_io::{Kafka, KafkaSink, kafka::TestBroker, prelude::*};
    ///
    /// // A test broker; its address is `host:port`, like that of a real one.
    /// let broker = TestBroker::start([("readings", 1)])?;
    /// let brokers = broker.address();
    ///
    /// let texts = Stream::new();
    /// texts.to_kafka(KafkaSink::new(brokers, "readings"));
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    /// # let _guard = runtime.enter();
    /// # runtime.block_on(async {
    /// texts.emit_many(["20.5", "20.7"]).await?;
    /// texts.drain("30s").await?;
    ///
    /// let readings = Kafka::new(brokers, ["readings"]).group("averages").from_earliest();
    /// let messages = Stream::from_kafka(readings.until_end());
    /// let list = messages.map(|message| String::from_utf8_lossy(message.bytes()).into_owned()).sink_to_list();
    /// messages.run("30s").await?;
    /// assert_eq!(list.to_vec(), ["20.5", "20.7"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// Invalid options are a build error, see [`Stream::check`].
    fn from_kafka(kafka: Kafka) -> Stream<KafkaMessage>;
}

impl FromKafka for Stream<KafkaMessage> {
    fn from_kafka(kafka: Kafka) -> Self {
        let checked = kafka.check();
        let stream = Stream::from_source(KafkaSource::from(kafka));
        refuse(&stream, "from_kafka", checked);
        stream
    }
}

/// Topics as sources of batches: [`Stream::from_kafka_batches`](FromKafkaBatches::from_kafka_batches).
pub trait FromKafkaBatches {
    /// Emits the messages of topics in batches of one partition: every `interval`, on the pipeline's clock, those that
    /// have arrived, in batches of at most `max_len`. A batch is committed as a whole. Otherwise like
    /// [`from_kafka`](FromKafka::from_kafka).
    fn from_kafka_batches(
        kafka: Kafka,
        interval: Duration,
        max_len: usize,
    ) -> Stream<Vec<KafkaMessage>>;
}

impl FromKafkaBatches for Stream<Vec<KafkaMessage>> {
    fn from_kafka_batches(kafka: Kafka, interval: Duration, max_len: usize) -> Self {
        let checked = kafka.check();
        let stream = Stream::from_source(KafkaBatches::new(kafka, interval, max_len));
        refuse(&stream, "from_kafka_batches", checked);
        stream
    }
}

fn refuse<T: Element>(stream: &Stream<T>, kind: &'static str, checked: Result<(), KafkaError>) {
    if let Err(error) = checked {
        stream.build_error(thalweg::BuildError::new(kind, error));
    }
}
