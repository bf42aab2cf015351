//! Reading messages and acknowledging them.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_channel::{Receiver, Sender};
use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::{self, AckKind};
use async_nats::{Client, Message, Subject};
use futures_util::StreamExt as _;
use thalweg::{Ack, Outcome};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::connection::{Link, Lost, State};
use super::{Nats, NatsError, NatsMessage};
use crate::background::spawn;
use crate::closer::{Closer, Ending};
use crate::reply::reply;

/// Timeout of the last acknowledgements.
const PATIENCE: Duration = Duration::from_secs(5);

/// Maximum acknowledgements at once.
const ACKS: usize = 1024;

/// How long the server keeps a pull request.
const EXPIRES: Duration = Duration::from_secs(5);

/// Maximum bytes requested at once; no message is longer.
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// Messages in flight by number, and the channel for their acknowledgements.
type InFlight = Arc<Mutex<HashMap<u64, Subject>>>;

/// What to tell the server about a message.
enum Done {
    Delivered(u64),
    Failed(u64),
    Close,
}

/// The source's handle of the tasks that read and acknowledge.
pub(super) struct Intake {
    pub(super) items: Receiver<Result<NatsMessage, NatsError>>,
    done: UnboundedSender<Done>,
}

/// Acknowledges the last messages and disconnects, for code that runs a [`NatsSource`](super::NatsSource) directly.
#[derive(Clone, Default)]
pub struct NatsCloser(Closer<Result<NatsMessage, NatsError>, Done>);

impl fmt::Debug for NatsCloser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsCloser").finish_non_exhaustive()
    }
}

impl NatsCloser {
    /// Closes, and waits until that is done, for at most 5 seconds; returns at once if the source never ran.
    pub async fn close(&self) {
        self.0.close().await;
    }
}

impl Intake {
    /// Spawns the tasks that read and acknowledge.
    pub(super) fn start(nats: &Nats, closer: &NatsCloser) -> Result<Self, NatsError> {
        let (sender, items) = async_channel::bounded(nats.max_waiting);
        let (done, ended) = unbounded_channel();
        let in_flight = InFlight::default();
        let (linked, link) = watch::channel(None);
        let (replier, acknowledged) = reply();
        let acknowledger = Acknowledger {
            nats: nats.clone(),
            link,
            in_flight: in_flight.clone(),
        };
        let acknowledging = spawn(async move {
            acknowledger.run(ended).await;
            replier.put(());
        });
        let reader = Reader {
            nats: nats.clone(),
            items: sender,
            in_flight,
            linked,
        };
        closer.0.begin(Ending {
            items: items.clone(),
            orders: done.clone(),
            last: Done::Close,
            ended: acknowledged,
            reading: Some(spawn(reader.run()).map_err(NatsError::Start)?),
            _task: acknowledging.map_err(NatsError::Start)?,
        });
        Ok(Self { items, done })
    }

    /// The token of the message with this number.
    pub(super) fn ack(&self, sequence: u64) -> Ack {
        let done = self.done.clone();
        Ack::new(move |outcome| {
            let _ = done.send(match outcome {
                Outcome::Delivered => Done::Delivered(sequence),
                Outcome::Failed => Done::Failed(sequence),
            });
        })
    }
}

fn lock(in_flight: &InFlight) -> MutexGuard<'_, HashMap<u64, Subject>> {
    in_flight.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Why reading has stopped.
enum End {
    Lost(Lost),
    /// The client has reconnected.
    Again,
    /// The source no longer takes messages.
    Closed,
}

impl From<Lost> for End {
    fn from(lost: Lost) -> Self {
        Self::Lost(lost)
    }
}

fn lost(error: impl ToString) -> Lost {
    Lost {
        problem: error.to_string(),
        remedy: None,
    }
}

struct Reader {
    nats: Nats,
    items: Sender<Result<NatsMessage, NatsError>>,
    in_flight: InFlight,
    /// Passes the connection to the acknowledging task.
    linked: watch::Sender<Option<Acknowledging>>,
}

/// State of acknowledgements.
#[derive(Clone)]
struct Acknowledging {
    client: Client,
    ack_wait: Duration,
}

/// A connection, and its state as last seen.
struct Open {
    link: Link,
    seen: State,
}

impl Reader {
    /// Reads until the source is closed, or the server refuses permanently.
    async fn run(self) {
        let (mut attempts, mut is_reported, mut open) = (0, false, None);
        loop {
            let read = async {
                let open = match &mut open {
                    Some(open) => open,
                    None => open.insert(Open {
                        link: Link::open(&self.nats).await?,
                        seen: State::default(),
                    }),
                };
                match (&self.nats.stream, &self.nats.durable) {
                    (Some(stream), Some(durable)) => {
                        let consumer = open.link.consumer(&self.nats, stream, durable).await?;
                        (attempts, is_reported) = (0, false);
                        self.pull(open, consumer).await
                    }
                    _ => self.listen(open).await,
                }
            };
            let lost = match read.await {
                Ok(()) | Err(End::Again) => continue,
                Err(End::Closed) => return,
                Err(End::Lost(lost)) => lost,
            };
            let is_final = lost.remedy.is_some();
            if is_final || !std::mem::replace(&mut is_reported, true) {
                let error = lost.into_error(&self.nats);
                if self.items.send(Err(error)).await.is_err() || is_final {
                    return;
                }
            }
            sleep(self.nats.retries.pause(attempts)).await;
            attempts += 1;
        }
    }

    /// Requests as many messages as there is room for, repeatedly.
    async fn pull(&self, open: &mut Open, consumer: PullConsumer) -> Result<(), End> {
        let config = &consumer.cached_info().config;
        self.linked.send_replace(Some(Acknowledging {
            client: open.link.client.clone(),
            ack_wait: config.ack_wait,
        }));
        loop {
            let room = self.nats.max_waiting.saturating_sub(self.items.len());
            let batch = consumer.batch().max_messages(room.max(1));
            let batch = batch.max_bytes(MAX_BYTES).expires(EXPIRES).messages();
            let mut batch = batch.await.map_err(lost)?;
            while let Some(message) = self.next(open, batch.next()).await? {
                self.take(&message.map_err(lost)?).await?;
            }
        }
    }

    /// Reads from a subscription, which the client renews when it reconnects.
    async fn listen(&self, open: &mut Open) -> Result<(), End> {
        let (client, subject) = (open.link.client.clone(), self.nats.subject.clone());
        let subscribed = match &self.nats.queue {
            Some(queue) => client.queue_subscribe(subject, queue.clone()).await,
            None => client.subscribe(subject).await,
        };
        let mut messages = subscribed.map_err(lost)?;
        while let Some(message) = self.next(open, messages.next()).await? {
            self.send(read(&message, 0, 0)).await?;
        }
        Ok(())
    }

    /// Waits for the next message or a change of the connection.
    async fn next<R>(&self, open: &mut Open, next: impl Future<Output = R>) -> Result<R, End> {
        let mut next = std::pin::pin!(next);
        loop {
            tokio::select! {
                biased;
                _ = open.link.state.changed() => {}
                next = &mut next => return Ok(next),
            }
            let now = open.link.state.borrow_and_update().clone();
            let before = std::mem::replace(&mut open.seen, now.clone());
            self.look(open, &before, &now).await?;
        }
    }

    async fn look(&self, open: &mut Open, before: &State, now: &State) -> Result<(), End> {
        if let Some((problem, remedy)) = now.refused.clone() {
            let remedy = Some(remedy);
            return Err(Lost { problem, remedy }.into());
        }
        if now.dropped > before.dropped {
            let (address, place) = (self.nats.address(), self.nats.place());
            self.report(NatsError::Dropped { address, place }).await?;
        }
        if now.is_lost || now.connections > before.connections.max(1) {
            let error = Lost::connection().into_error(&self.nats);
            self.report(error).await?;
            let made = open
                .link
                .state
                .wait_for(|state| !state.is_lost || state.refused.is_some())
                .await;
            open.seen = made.map_or_else(|_| State::default(), |state| state.clone());
            if let Some((problem, remedy)) = open.seen.refused.clone() {
                let remedy = Some(remedy);
                return Err(Lost { problem, remedy }.into());
            }
            // Requests made over the old connection will not be answered.
            if self.nats.stream.is_some() {
                return Err(End::Again);
            }
        }
        Ok(())
    }

    /// Takes a message of a stream, unless an earlier delivery of it is still in the pipeline.
    async fn take(&self, message: &jetstream::Message) -> Result<(), End> {
        let info = message.info().map_err(lost)?;
        let (sequence, deliveries) = (info.stream_sequence, info.delivered);
        let Some(reply) = message.reply.clone() else {
            return Ok(());
        };
        if lock(&self.in_flight).insert(sequence, reply).is_some() {
            return Ok(());
        }
        let deliveries = u64::try_from(deliveries).unwrap_or(0);
        self.send(read(message, sequence, deliveries)).await
    }

    async fn send(&self, message: NatsMessage) -> Result<(), End> {
        self.items.send(Ok(message)).await.map_err(|_| End::Closed)
    }

    async fn report(&self, error: NatsError) -> Result<(), End> {
        let sent = self.items.send(Err(error)).await;
        sent.map_err(|_| End::Closed)
    }
}

fn read(message: &Message, sequence: u64, deliveries: u64) -> NatsMessage {
    let mut headers = Vec::new();
    for (name, values) in message.headers.iter().flat_map(|headers| headers.iter()) {
        let name = name.to_string();
        headers.extend(values.iter().map(|value| (name.clone(), value.to_string())));
    }
    NatsMessage {
        subject: message.subject.to_string(),
        payload: message.payload.clone(),
        headers,
        sequence,
        deliveries,
    }
}

struct Acknowledger {
    nats: Nats,
    link: watch::Receiver<Option<Acknowledging>>,
    in_flight: InFlight,
}

impl Acknowledger {
    /// Acknowledges finished messages and returns failed ones, until the source is closed; tells the server of those
    /// still in progress.
    async fn run(mut self, mut ended: UnboundedReceiver<Done>) {
        // Without a connection there is nothing to acknowledge.
        let link = self.link.wait_for(Option::is_some).await;
        let Some(Acknowledging { client, ack_wait }) = link.ok().and_then(|link| link.clone())
        else {
            return;
        };
        let mut ticks = interval((ack_wait / 3).max(Duration::from_millis(10)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut taken = Vec::new();
        loop {
            tokio::select! {
                count = ended.recv_many(&mut taken, ACKS) => {
                    if count == 0 {
                        return;
                    }
                }
                _ = ticks.tick() => {
                    let replies: Vec<Subject> = lock(&self.in_flight).values().cloned().collect();
                    for reply in replies {
                        let _ = client.publish(reply, AckKind::Progress.into()).await;
                    }
                    continue;
                }
            }
            let is_closing = taken.iter().any(|done| matches!(done, Done::Close));
            let acknowledging = self.acknowledge(&client, &mut taken, is_closing);
            if is_closing {
                let _ = timeout(PATIENCE, acknowledging).await;
                return;
            }
            acknowledging.await;
        }
    }

    /// A lost acknowledgement means a redelivery. For the last ones, waits until the server has them.
    async fn acknowledge(&self, client: &Client, taken: &mut Vec<Done>, is_closing: bool) {
        let mut last = None;
        for done in taken.drain(..) {
            let (sequence, kind) = match done {
                Done::Delivered(sequence) => (sequence, AckKind::Ack),
                Done::Failed(sequence) => (sequence, AckKind::Nak(Some(self.nats.redeliver_after))),
                Done::Close => continue,
            };
            let Some(reply) = lock(&self.in_flight).remove(&sequence) else {
                continue;
            };
            let sent = client.publish(reply.clone(), kind.into()).await;
            last = sent.is_ok().then_some(reply).or(last);
        }
        if let (true, Some(reply)) = (is_closing, last) {
            // An answer to a request sent after them on the same connection.
            let _ = client.request(reply, AckKind::Progress.into()).await;
        }
        if is_closing {
            let _ = client.flush().await;
        }
    }
}
