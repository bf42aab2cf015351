//! Writing elements to a stream or a list.

use std::fmt;
use std::io;

use thalweg::ops::{Batch, BatchSink, SinkBatches};
use thalweg::{BoxError, BuildError, Element, Sink, Stream};
use tokio::time::sleep;

use super::connection::Connection;
use super::error::remedy;
use super::{Redis, RedisEntry, RedisError};
use crate::background::spawn;
use crate::reply::reply;

/// Sink that writes elements to a stream or a list, created by [`ToRedis`].
pub struct RedisSink<T> {
    redis: Redis,
    is_list: bool,
    to_entry: ToEntry<T>,
    open: Option<Connection>,
}

impl<T> fmt::Debug for RedisSink<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisSink")
            .field("redis", &self.redis)
            .field("is_list", &self.is_list)
            .finish_non_exhaustive()
    }
}

/// Converts an element to an entry; a list uses its field `value`.
type ToEntry<T> = Box<dyn FnMut(&T) -> Result<RedisEntry, BoxError> + Send>;

impl<T> RedisSink<T> {
    /// Creates a sink for entries of a stream, which `to_entry` converts elements to.
    ///
    /// # Errors
    /// [`RedisError::Invalid`].
    pub fn stream(
        redis: Redis,
        to_entry: impl FnMut(&T) -> Result<RedisEntry, BoxError> + Send + 'static,
    ) -> Result<Self, RedisError> {
        Self::new(redis, false, Box::new(to_entry))
    }

    /// Creates a sink for elements of a list: the values of the entries that `to_entry` converts elements to.
    ///
    /// # Errors
    /// [`RedisError::Invalid`].
    pub fn list(
        redis: Redis,
        to_entry: impl FnMut(&T) -> Result<RedisEntry, BoxError> + Send + 'static,
    ) -> Result<Self, RedisError> {
        Self::new(redis, true, Box::new(to_entry))
    }

    fn new(redis: Redis, is_list: bool, to_entry: ToEntry<T>) -> Result<Self, RedisError> {
        redis.check()?;
        Ok(Self {
            redis,
            is_list,
            to_entry,
            open: None,
        })
    }

    fn entry(&mut self, element: &T) -> Result<RedisEntry, RedisError> {
        let entry = (self.to_entry)(element).and_then(|entry| match entry.fields.is_empty() {
            true => Err("an entry needs a field".into()),
            false => Ok(entry),
        });
        entry.map_err(|problem| RedisError::Element {
            address: self.redis.address(),
            key: self.redis.key.clone(),
            problem,
        })
    }
}

/// Maximum entries written at once. After a lost connection, those without an answer are written again.
const TOGETHER: usize = 1000;

/// Writes entries, again over a new connection if one is lost.
async fn send(
    redis: &Redis,
    is_list: bool,
    mut open: Option<Connection>,
    entries: &[RedisEntry],
) -> Result<Connection, RedisError> {
    let (mut done, mut pause, mut attempts) = (0, redis.retries.first_pause, 0);
    let mut outage = redis.retries.outage();
    loop {
        let (before, is_new) = (done, open.is_none());
        let tried = async {
            let mut connection = match open.take() {
                Some(connection) => connection,
                None => Connection::open(redis).await?,
            };
            for entries in entries[before..].chunks(TOGETHER) {
                match is_list {
                    true => connection.push(entries).await?,
                    false => connection.add(entries).await?,
                }
                done += entries.len();
            }
            Ok(connection)
        };
        let error: ::redis::RedisError = match tried.await {
            Ok(connection) => return Ok(connection),
            Err(error) => error,
        };
        // What has been written stays so: the retries are those of what follows.
        if done > before {
            (pause, attempts) = (redis.retries.first_pause, 0);
        }
        attempts += 1;
        let remedy = remedy(&error);
        if remedy.is_some() || attempts > redis.retries.count {
            let remedy = remedy.map(|remedy| format!("; {remedy}"));
            return Err(RedisError::NotWritten {
                address: redis.address(),
                key: redis.key.clone(),
                problem: error.to_string() + &remedy.unwrap_or_default(),
                attempts,
            });
        }
        outage.report(is_new, format_args!("Redis at {}", redis.address()), &error);
        sleep(pause).await;
        pause = redis.retries.next_pause(pause);
    }
}

impl<T: Element + Sync> BatchSink<T> for RedisSink<T> {
    type Error = RedisError;
    const KIND: &'static str = "to_redis";

    async fn write(&mut self, batch: Batch<T>) -> Result<(), RedisError> {
        let entries = batch.iter().map(|element| self.entry(element));
        let entries = entries.collect::<Result<Vec<_>, _>>()?;
        drop(batch);
        let (redis, is_list, open) = (self.redis.clone(), self.is_list, self.open.take());
        let (replier, sent) = reply();
        let _sending =
            spawn(async move { replier.put(send(&redis, is_list, open, &entries).await) })
                .map_err(RedisError::Start)?;
        let sent = sent.await.unwrap_or_else(|| {
            Err(RedisError::Start(io::Error::other(
                "its threads have ended",
            )))
        });
        self.open = Some(sent?);
        Ok(())
    }

    fn blames_element(&self, error: &RedisError) -> bool {
        matches!(error, RedisError::Element { .. })
    }

    fn label(&self) -> Option<String> {
        Some(self.redis.label())
    }
}

/// Streams and lists of Redis as sinks.
pub trait ToRedis {
    /// Adds elements (text, bytes or [`RedisEntry`]s) to a stream, grouping those that arrive meanwhile.
    ///
    /// An element is acknowledged when the server has confirmed it. If the connection is lost before that, it is
    /// written again, and may be duplicated. If the server stays unreachable after the [retries](Redis::retries), that
    /// is a failure of the node, see [`Stream::sink_to`].
    ///
    /// Invalid arguments are a build error, see [`Stream::check`].
    fn to_redis_stream(&self, redis: Redis) -> Sink;

    /// Appends elements (text or bytes) to a list. Otherwise like [`to_redis_stream`](Self::to_redis_stream).
    fn to_redis_list(&self, redis: Redis) -> Sink;
}

impl<T: Element + Sync + Into<RedisEntry>> ToRedis for Stream<T> {
    fn to_redis_stream(&self, redis: Redis) -> Sink {
        let sink = RedisSink::stream(redis, |x: &T| Ok(x.clone().into()));
        attach(self, "to_redis_stream", sink)
    }

    fn to_redis_list(&self, redis: Redis) -> Sink {
        let sink = RedisSink::list(redis, |x: &T| Ok(x.clone().into()));
        attach(self, "to_redis_list", sink)
    }
}

fn attach<T: Element + Sync>(
    stream: &Stream<T>,
    kind: &'static str,
    sink: Result<RedisSink<T>, RedisError>,
) -> Sink {
    match sink {
        Ok(sink) => stream.apply(SinkBatches::new(sink)).into(),
        Err(error) => {
            stream.build_error(BuildError::new(kind, error));
            stream.sink(drop)
        }
    }
}
