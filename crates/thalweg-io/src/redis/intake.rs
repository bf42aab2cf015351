//! Reading elements and acknowledging them.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ::redis::RedisError as ServerError;
use async_channel::{Receiver, Sender};
use bytes::Bytes;
use thalweg::{Ack, Outcome};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{sleep, timeout};

use super::connection::{Claims, Connection};
use super::error::remedy;
use super::{Redis, RedisEntry, RedisError};
use crate::background::spawn;
use crate::closer::{Closer, Ending};
use crate::reply::reply;

/// Timeout of the last acknowledgements.
const PATIENCE: Duration = Duration::from_secs(5);

/// Maximum acknowledgements at once.
const ACKS: usize = 1024;

/// An element that was read.
#[derive(Clone, Debug)]
pub(super) enum Read {
    Entry(RedisEntry),
    /// The id of a deleted entry.
    Deleted(String),
    Value(Bytes),
}

/// Identity of elements: the id of an entry, or the bytes of an element of a list.
type Key = Bytes;

/// Elements in flight; equal ones are counted.
type InFlight = Arc<Mutex<HashMap<Key, usize>>>;

/// Result of an element.
enum Done {
    Delivered(Key),
    Close,
}

/// The source's handle of the tasks that read and acknowledge.
pub(super) struct Intake {
    pub(super) items: Receiver<Result<Read, RedisError>>,
    done: UnboundedSender<Done>,
    in_flight: InFlight,
}

/// Acknowledges the last elements, for code that runs a source of Redis directly.
#[derive(Clone, Default)]
pub struct RedisCloser(Closer<Result<Read, RedisError>, Done>);

impl fmt::Debug for RedisCloser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisCloser").finish_non_exhaustive()
    }
}

impl RedisCloser {
    /// Closes, and waits until that is done, for at most 5 seconds; returns at once if the source never ran.
    pub async fn close(&self) {
        self.0.close().await;
    }
}

impl Intake {
    /// Spawns the tasks that read and acknowledge.
    pub(super) fn start(
        redis: &Redis,
        is_list: bool,
        closer: &RedisCloser,
    ) -> Result<Self, RedisError> {
        let (sender, items) = async_channel::bounded(redis.max_waiting);
        let (done, ended) = unbounded_channel();
        let in_flight = InFlight::default();
        let reader = Reader {
            redis: redis.clone(),
            items: sender,
            done: done.clone(),
            in_flight: in_flight.clone(),
        };
        let (replier, acknowledged) = reply();
        let acknowledging = acknowledge(redis.clone(), is_list, ended, in_flight.clone());
        let acknowledging = spawn(async move {
            acknowledging.await;
            replier.put(());
        });
        let reading = spawn(reader.run(is_list));
        closer.0.begin(Ending {
            items: items.clone(),
            orders: done.clone(),
            last: Done::Close,
            ended: acknowledged,
            reading: Some(reading.map_err(RedisError::Start)?),
            _task: acknowledging.map_err(RedisError::Start)?,
        });
        Ok(Self {
            items,
            done,
            in_flight,
        })
    }

    /// The token of an element.
    pub(super) fn ack(&self, key: Bytes) -> Ack {
        let (done, in_flight) = (self.done.clone(), self.in_flight.clone());
        Ack::new(move |outcome| match outcome {
            Outcome::Delivered => drop(done.send(Done::Delivered(key))),
            // It stays at the server, and may be read again.
            Outcome::Failed => leave(&in_flight, &key),
        })
    }
}

fn lock(in_flight: &InFlight) -> MutexGuard<'_, HashMap<Key, usize>> {
    in_flight.lock().unwrap_or_else(PoisonError::into_inner)
}

fn leave(in_flight: &InFlight, key: &Key) {
    let mut in_flight = lock(in_flight);
    if let Some(count) = in_flight.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            in_flight.remove(key);
        }
    }
}

/// Why reading has stopped.
enum End {
    Lost(ServerError),
    /// The source no longer takes elements.
    Closed,
}

impl From<ServerError> for End {
    fn from(error: ServerError) -> Self {
        Self::Lost(error)
    }
}

struct Reader {
    redis: Redis,
    items: Sender<Result<Read, RedisError>>,
    done: UnboundedSender<Done>,
    in_flight: InFlight,
}

impl Reader {
    /// Reads a stream, after this consumer's unacknowledged entries that are not in flight here: their answer was lost,
    /// or their program.
    async fn stream(&self, connection: &mut Connection) -> Result<(), End> {
        connection.make_group().await?;
        let mut behind = Some("0".to_string());
        while let Some(id) = behind.take() {
            let entries = connection.unacknowledged(&id).await?;
            if let Some(Read::Entry(RedisEntry { id, .. }) | Read::Deleted(id)) = entries.last() {
                behind = Some(id.clone());
            }
            self.emit_all(entries).await?;
        }
        let (mut claims, mut claim_at) = (Claims::default(), Instant::now());
        loop {
            if Instant::now() >= claim_at {
                let entries = connection.claim(&mut claims).await?;
                self.emit_all(entries).await?;
                claim_at = Instant::now() + self.redis.claim_after / 4;
            }
            let entries = connection.new_entries().await?;
            self.emit_all(entries).await?;
        }
    }

    /// Reads a list, after the elements taken over another connection that are not in flight here: their answer was
    /// lost, or their program.
    async fn list(&self, connection: &mut Connection) -> Result<(), End> {
        let mut here = lock(&self.in_flight).clone();
        for value in connection.processing().await? {
            match here.get_mut(&value) {
                Some(count) if *count > 0 => *count -= 1,
                _ => self.emit(Read::Value(value)).await?,
            }
        }
        loop {
            for value in connection.take().await? {
                self.emit(Read::Value(value)).await?;
            }
        }
    }

    /// Reads, reconnecting as necessary, until the source is closed or the server refuses permanently.
    async fn run(self, is_list: bool) {
        let (mut pause, mut is_reported) = (self.redis.retries.first_pause, false);
        loop {
            let end = match Connection::open(&self.redis).await {
                Ok(mut connection) => {
                    (pause, is_reported) = (self.redis.retries.first_pause, false);
                    let read = match is_list {
                        true => self.list(&mut connection).await,
                        false => self.stream(&mut connection).await,
                    };
                    match read {
                        Ok(()) => continue,
                        Err(end) => end,
                    }
                }
                Err(error) => End::Lost(error),
            };
            let End::Lost(error) = end else {
                return;
            };
            let (address, key) = (self.redis.address(), self.redis.key.clone());
            let problem = error.to_string();
            if let Some(remedy) = remedy(&error) {
                let error = RedisError::Refused {
                    address,
                    key,
                    problem,
                    remedy,
                };
                let _ = self.items.send(Err(error)).await;
                return;
            }
            if !std::mem::replace(&mut is_reported, true) {
                let error = RedisError::Unreachable {
                    address,
                    key,
                    problem,
                };
                if self.items.send(Err(error)).await.is_err() {
                    return;
                }
            }
            sleep(pause).await;
            pause = self.redis.retries.next_pause(pause);
        }
    }

    async fn emit_all(&self, all: Vec<Read>) -> Result<(), End> {
        for one in all {
            self.emit(one).await?;
        }
        Ok(())
    }

    async fn emit(&self, one: Read) -> Result<(), End> {
        let key = match &one {
            Read::Value(value) => value.clone(),
            Read::Entry(entry) => {
                let key = Bytes::from(entry.id.clone());
                if lock(&self.in_flight).contains_key(&key) {
                    return Ok(());
                }
                key
            }
            Read::Deleted(id) => {
                let _ = self.done.send(Done::Delivered(id.clone().into()));
                return Ok(());
            }
        };
        *lock(&self.in_flight).entry(key).or_insert(0) += 1;
        let sent = self.items.send(Ok(one)).await;
        sent.map_err(|_| End::Closed)
    }
}

/// Acknowledges finished elements, until the source is closed.
async fn acknowledge(
    redis: Redis,
    is_list: bool,
    mut ended: UnboundedReceiver<Done>,
    in_flight: InFlight,
) {
    let (mut connection, mut taken) = (None, Vec::new());
    while ended.recv_many(&mut taken, ACKS).await > 0 {
        let mut keys = Vec::with_capacity(taken.len());
        let mut is_closing = false;
        for done in taken.drain(..) {
            match done {
                Done::Delivered(key) => keys.push(key),
                Done::Close => is_closing = true,
            }
        }
        let sending = send(&redis, is_list, &mut connection, &keys);
        match is_closing {
            true => {
                let _ = timeout(PATIENCE, sending).await;
                return;
            }
            false => sending.await,
        }
        keys.iter().for_each(|key| leave(&in_flight, key));
    }
}

/// Acknowledges elements, over a new connection if necessary; the reader reports errors.
async fn send(redis: &Redis, is_list: bool, open: &mut Option<Connection>, keys: &[Key]) {
    if keys.is_empty() {
        return;
    }
    let mut pause = redis.retries.first_pause;
    loop {
        let mut connection = match open.take() {
            Some(connection) => connection,
            None => match Connection::open(redis).await {
                Ok(connection) => connection,
                Err(_) => {
                    sleep(pause).await;
                    pause = redis.retries.next_pause(pause);
                    continue;
                }
            },
        };
        let sent = match is_list {
            true => connection.acknowledge_values(keys).await,
            false => {
                let ids = keys
                    .iter()
                    .map(|id| String::from_utf8_lossy(id).into_owned());
                connection
                    .acknowledge_entries(&ids.collect::<Vec<_>>())
                    .await
            }
        };
        match sent {
            Ok(()) => {
                *open = Some(connection);
                return;
            }
            // An equal element might be removed by the second attempt: rather one twice than one lost.
            Err(_) if is_list => return,
            Err(error) if remedy(&error).is_some() => return,
            Err(_) => {
                sleep(pause).await;
                pause = redis.retries.next_pause(pause);
            }
        }
    }
}
