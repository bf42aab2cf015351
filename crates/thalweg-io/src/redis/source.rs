//! Streams and lists as the sources of pipelines.

use bytes::Bytes;
use std::fmt;
use thalweg::{BoxError, BuildError, Element, Emitter, Source, Stop, Stream};

use super::intake::{Intake, Read, RedisCloser};
use super::{Redis, RedisEntry, RedisError};

/// Entries of a stream as a source: [`Stream::from_redis_stream`](FromRedisStream::from_redis_stream).
pub struct RedisStreamSource(Reading);

impl fmt::Debug for RedisStreamSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStreamSource")
            .field("redis", &self.0.redis)
            .finish_non_exhaustive()
    }
}

/// Elements of a list as a source: [`Stream::from_redis_list`](FromRedisList::from_redis_list).
pub struct RedisListSource(Reading);

impl fmt::Debug for RedisListSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisListSource")
            .field("redis", &self.0.redis)
            .finish_non_exhaustive()
    }
}

struct Reading {
    redis: Redis,
    is_list: bool,
    intake: Option<Intake>,
    closer: RedisCloser,
}

impl Reading {
    fn new(redis: Redis, is_list: bool) -> Self {
        Self {
            redis,
            is_list,
            intake: None,
            closer: RedisCloser::default(),
        }
    }

    /// Emits what `make` makes of what is read, with what tells it apart.
    async fn run<T: Element>(
        &mut self,
        out: &Emitter<T>,
        make: impl Fn(Read) -> Option<(T, Bytes)>,
    ) -> Result<(), Stop> {
        let intake = match self.intake.take() {
            Some(intake) => intake,
            None => Intake::start(&self.redis, self.is_list, &self.closer)?,
        };
        let intake = self.intake.insert(intake);
        loop {
            match out.or_stop(intake.items.recv()).await? {
                Ok(Ok(read)) => {
                    if let Some((element, key)) = make(read) {
                        out.emit_with(element, intake.ack(key)).await?;
                    }
                }
                Ok(Err(error)) if error.is_temporary() => {
                    out.report(error);
                    out.yield_now().await?;
                }
                Ok(Err(error)) => {
                    self.intake = None;
                    return Err(error.into());
                }
                Err(_) => return Ok(()),
            }
        }
    }
}

impl From<Redis> for RedisStreamSource {
    fn from(redis: Redis) -> Self {
        Self(Reading::new(redis, false))
    }
}

impl From<Redis> for RedisListSource {
    fn from(redis: Redis) -> Self {
        Self(Reading::new(redis, true))
    }
}

impl RedisStreamSource {
    /// What ends it.
    pub fn closer(&self) -> RedisCloser {
        self.0.closer.clone()
    }
}

impl RedisListSource {
    /// What ends it.
    pub fn closer(&self) -> RedisCloser {
        self.0.closer.clone()
    }
}

impl Source for RedisStreamSource {
    type Item = RedisEntry;
    const KIND: &'static str = "from_redis_stream";
    const CLOSES: bool = true;

    fn label(&self) -> Option<String> {
        Some(self.0.redis.label())
    }

    async fn run(&mut self, out: &Emitter<RedisEntry>) -> Result<(), Stop> {
        let make = |read| match read {
            Read::Entry(entry) => {
                let key = entry.id.clone().into();
                Some((entry, key))
            }
            _ => None,
        };
        self.0.run(out, make).await
    }

    async fn close(&mut self) -> Result<(), BoxError> {
        self.0.closer.close().await;
        Ok(())
    }
}

impl Source for RedisListSource {
    type Item = Bytes;
    const KIND: &'static str = "from_redis_list";
    const CLOSES: bool = true;

    fn label(&self) -> Option<String> {
        Some(self.0.redis.label())
    }

    async fn run(&mut self, out: &Emitter<Bytes>) -> Result<(), Stop> {
        let make = |read| match read {
            Read::Value(value) => Some((value.clone(), value)),
            _ => None,
        };
        self.0.run(out, make).await
    }

    async fn close(&mut self) -> Result<(), BoxError> {
        self.0.closer.close().await;
        Ok(())
    }
}

/// Streams of Redis as sources: [`Stream::from_redis_stream`](FromRedisStream::from_redis_stream).
pub trait FromRedisStream {
    /// The entries of a stream, as a member of a consumer [group](Redis::group), which is made if there is none.
    ///
    /// An entry is acknowledged once its token has fired: when everything that was made of it is done. One that fails,
    /// and that no policy takes care of, is read again [later](Redis::claim_after), by any member; so are those of a
    /// member that has died. Entries that a reader of the same [name](Redis::consumer) has not acknowledged are read
    /// first.
    ///
    /// A connection that is lost is a failure of the node, once, and is made again with longer and longer pauses of up
    /// to 30 s. A login that is refused, or a key that holds something else, ends the source.
    ///
    /// Invalid arguments are a build error, see [`Stream::check`].
    fn from_redis_stream(redis: Redis) -> Stream<RedisEntry>;
}

impl FromRedisStream for Stream<RedisEntry> {
    fn from_redis_stream(redis: Redis) -> Self {
        let checked = redis.check_group();
        let stream = Stream::from_source(RedisStreamSource::from(redis));
        refuse(&stream, "from_redis_stream", checked);
        stream
    }
}

/// Lists of Redis as sources: [`Stream::from_redis_list`](FromRedisList::from_redis_list).
pub trait FromRedisList {
    /// The elements of a list from its beginning, which are taken out of it.
    ///
    /// An element is moved to the list `KEY:processing:CONSUMER` (`BLMOVE`, of Redis 6.2), and out of that once its
    /// token has fired. What is there when a reader of the same [name](Redis::consumer) starts, or connects again, is
    /// read first: what a program had in hand that was killed, and what has failed. Elements may come twice, and none
    /// is lost.
    ///
    /// Otherwise as [`from_redis_stream`](FromRedisStream::from_redis_stream).
    fn from_redis_list(redis: Redis) -> Stream<Bytes>;
}

impl FromRedisList for Stream<Bytes> {
    fn from_redis_list(redis: Redis) -> Self {
        let checked = redis.check();
        let stream = Stream::from_source(RedisListSource::from(redis));
        refuse(&stream, "from_redis_list", checked);
        stream
    }
}

fn refuse<T: Element>(stream: &Stream<T>, kind: &'static str, checked: Result<(), RedisError>) {
    if let Err(error) = checked {
        stream.build_error(BuildError::new(kind, error));
    }
}
