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

    /// Emits the elements that `make` creates from entries, with their identities.
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
    /// What closes the source.
    pub fn closer(&self) -> RedisCloser {
        self.0.closer.clone()
    }
}

impl RedisListSource {
    /// What closes the source.
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
    /// Emits the entries of a stream, as a member of a consumer [group](Redis::group), created if it does not exist.
    ///
    /// An entry is acknowledged once its token has fired: when everything derived from it is done. An entry that fails
    /// without a policy to handle it is read again [later](Redis::claim_after), by any member; so are those of a dead
    /// member. Entries that a reader with the same [name](Redis::consumer) has not acknowledged are read first.
    ///
    /// A lost connection is a failure of the node, reported once; it reconnects with growing pauses of up to 30 s. A
    /// refused login, or a key of another type, ends the source.
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
    /// Takes the elements of a list from its beginning, and emits them.
    ///
    /// An element is moved to the list `KEY:processing:CONSUMER` (`BLMOVE`, of Redis 6.2), and removed from it once its
    /// token has fired. Elements there are read first when a reader with the same [name](Redis::consumer) starts or
    /// reconnects: those in flight when a program was killed, and failed ones. Elements may arrive twice; none is lost.
    ///
    /// Otherwise like [`from_redis_stream`](FromRedisStream::from_redis_stream).
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
