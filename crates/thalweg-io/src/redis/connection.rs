//! Connections and their commands.

use std::io;
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::{
    AsyncConnectionConfig, ConnectionAddr, ConnectionInfo, IntoConnectionInfo,
    RedisError as ServerError, Value, cmd, pipe,
};
use bytes::Bytes;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::intake::Read;
use super::{Redis, RedisEntry};
use crate::background::{Running, spawn};
use crate::tls::{ClientFiles, secure};

/// Timeout of connecting.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the server may block before it answers that there is nothing.
const BLOCK: Duration = Duration::from_secs(2);

/// Timeout of an answer; longer than it may block.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);

/// Maximum elements per answer.
const COUNT: usize = 256;

/// A connection for a key.
pub(super) struct Connection {
    redis: Redis,
    to: MultiplexedConnection,
    /// The task that sends and receives, if the connection does not do so itself.
    _driver: Option<Running>,
}

/// Position in a stream.
#[derive(Default)]
pub(super) struct Claims {
    /// The id after which unacknowledged entries are looked for.
    pub(super) cursor: String,
}

impl Connection {
    pub(super) async fn open(redis: &Redis) -> Result<Self, ServerError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(ANSWER_TIMEOUT));
        let (to, driver) = match &redis.tls {
            None => {
                let client = ::redis::Client::open(redis.url.as_str())?;
                let to = client.get_multiplexed_async_connection_with_config(&config);
                (to.await?, None)
            }
            Some(files) => {
                let server = redis.url.as_str().into_connection_info()?;
                let opening = timeout(CONNECT_TIMEOUT, open_by_tls(files, &server, config));
                let late = |_| Err(io::Error::from(io::ErrorKind::TimedOut).into());
                let (to, driver) = opening.await.unwrap_or_else(late)?;
                (to, Some(driver))
            }
        };
        Ok(Self {
            redis: redis.clone(),
            to,
            _driver: driver,
        })
    }

    fn group(&self) -> &str {
        self.redis.group.as_deref().unwrap_or_default()
    }

    /// Creates the consumer group, if it does not exist.
    pub(super) async fn make_group(&mut self) -> Result<(), ServerError> {
        let mut make = cmd("XGROUP");
        make.arg("CREATE").arg(&self.redis.key).arg(self.group());
        make.arg(if self.redis.from_latest { "$" } else { "0" });
        make.arg("MKSTREAM");
        match make.query_async::<Value>(&mut self.to).await {
            Err(error) if error.code() != Some("BUSYGROUP") => Err(error),
            _ => Ok(()),
        }
    }

    /// Unacknowledged entries of this consumer, after an id.
    pub(super) async fn unacknowledged(&mut self, behind: &str) -> Result<Vec<Read>, ServerError> {
        let mut read = cmd("XREADGROUP");
        read.arg("GROUP")
            .arg(self.group())
            .arg(&self.redis.consumer);
        read.arg("COUNT").arg(COUNT);
        read.arg("STREAMS").arg(&self.redis.key).arg(behind);
        Ok(entries_of_streams(read.query_async(&mut self.to).await?))
    }

    /// New entries of the group; waits for some.
    pub(super) async fn new_entries(&mut self) -> Result<Vec<Read>, ServerError> {
        let mut read = cmd("XREADGROUP");
        read.arg("GROUP")
            .arg(self.group())
            .arg(&self.redis.consumer);
        read.arg("COUNT").arg(COUNT).arg("BLOCK").arg(millis(BLOCK));
        read.arg("STREAMS").arg(&self.redis.key).arg(">");
        Ok(entries_of_streams(read.query_async(&mut self.to).await?))
    }

    /// Entries that have long been unacknowledged: they become this consumer's.
    pub(super) async fn claim(&mut self, claims: &mut Claims) -> Result<Vec<Read>, ServerError> {
        if claims.cursor.is_empty() {
            claims.cursor = "0-0".to_string();
        }
        let mut claim = cmd("XAUTOCLAIM");
        claim
            .arg(&self.redis.key)
            .arg(self.group())
            .arg(&self.redis.consumer);
        claim
            .arg(millis(self.redis.claim_after))
            .arg(&claims.cursor);
        claim.arg("COUNT").arg(COUNT);
        let answer: Value = claim.query_async(&mut self.to).await?;
        let Value::Array(parts) = answer else {
            return Ok(Vec::new());
        };
        let mut parts = parts.into_iter();
        claims.cursor = parts.next().and_then(text).unwrap_or_default();
        Ok(parts.next().map(entries).unwrap_or_default())
    }

    /// Acknowledges entries.
    pub(super) async fn acknowledge_entries(&mut self, ids: &[String]) -> Result<(), ServerError> {
        let mut acknowledge = cmd("XACK");
        acknowledge.arg(&self.redis.key).arg(self.group()).arg(ids);
        acknowledge
            .query_async::<Value>(&mut self.to)
            .await
            .map(drop)
    }

    /// Elements of a list that this consumer has taken and not acknowledged, oldest first.
    pub(super) async fn processing(&mut self) -> Result<Vec<Bytes>, ServerError> {
        let mut look = cmd("LRANGE");
        look.arg(self.redis.processing()).arg(0).arg(-1);
        let values: Vec<Vec<u8>> = look.query_async(&mut self.to).await?;
        Ok(values.into_iter().map(Bytes::from).collect())
    }

    /// Takes elements of a list; waits for some.
    pub(super) async fn take(&mut self) -> Result<Vec<Bytes>, ServerError> {
        let (key, processing) = (&self.redis.key, self.redis.processing());
        let mut take = cmd("BLMOVE");
        take.arg(key)
            .arg(&processing)
            .arg("LEFT")
            .arg("RIGHT")
            .arg(BLOCK.as_secs());
        let first: Option<Vec<u8>> = take.query_async(&mut self.to).await?;
        let Some(first) = first else {
            return Ok(Vec::new());
        };
        let mut more = pipe();
        for _ in 1..COUNT {
            more.cmd("LMOVE")
                .arg(key)
                .arg(&processing)
                .arg("LEFT")
                .arg("RIGHT");
        }
        let more: Vec<Option<Vec<u8>>> = more.query_async(&mut self.to).await?;
        let all = std::iter::once(first).chain(more.into_iter().flatten());
        Ok(all.map(Bytes::from).collect())
    }

    /// Removes elements of a list.
    pub(super) async fn acknowledge_values(&mut self, values: &[Bytes]) -> Result<(), ServerError> {
        let processing = self.redis.processing();
        let mut remove = pipe();
        for value in values {
            remove
                .cmd("LREM")
                .arg(&processing)
                .arg(1)
                .arg(&value[..])
                .ignore();
        }
        remove.query_async::<()>(&mut self.to).await
    }

    /// Adds entries to a stream.
    pub(super) async fn add(&mut self, entries: &[RedisEntry]) -> Result<(), ServerError> {
        let mut add = pipe();
        for entry in entries {
            let add = add.cmd("XADD").arg(&self.redis.key);
            if let Some(max_len) = self.redis.max_len {
                add.arg("MAXLEN").arg("~").arg(max_len);
            }
            add.arg(if entry.id.is_empty() { "*" } else { &entry.id });
            for (name, value) in &entry.fields {
                add.arg(name).arg(&value[..]);
            }
            add.ignore();
        }
        add.query_async::<()>(&mut self.to).await
    }

    /// Appends elements to a list.
    pub(super) async fn push(&mut self, entries: &[RedisEntry]) -> Result<(), ServerError> {
        let mut push = cmd("RPUSH");
        push.arg(&self.redis.key);
        for entry in entries {
            push.arg(entry.value());
        }
        push.query_async::<Value>(&mut self.to).await.map(drop)
    }
}

async fn open_by_tls(
    files: &ClientFiles,
    server: &ConnectionInfo,
    config: AsyncConnectionConfig,
) -> Result<(MultiplexedConnection, Running), ServerError> {
    let tls = files.connector();
    let tls = tls.map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    let ConnectionAddr::Tcp(host, port) = server.addr() else {
        return Err(io::Error::from(io::ErrorKind::Unsupported).into());
    };
    let stream = TcpStream::connect((host.as_str(), *port)).await?;
    stream.set_nodelay(true)?;
    let stream = secure(&tls, host, stream).await?;
    let settings = server.redis_settings();
    let (to, driver) = MultiplexedConnection::new_with_config(settings, stream, config).await?;
    Ok((to, spawn(driver)?))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => String::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(text),
        _ => None,
    }
}

/// The entries of the only requested stream.
fn entries_of_streams(answer: Value) -> Vec<Read> {
    let Value::Array(mut streams) = answer else {
        return Vec::new();
    };
    match streams.pop() {
        Some(Value::Array(mut parts)) if parts.len() == 2 => {
            parts.pop().map(entries).unwrap_or_default()
        }
        _ => Vec::new(),
    }
}

fn entries(value: Value) -> Vec<Read> {
    let Value::Array(entries) = value else {
        return Vec::new();
    };
    entries.into_iter().filter_map(entry).collect()
}

/// An entry; one that was deleted after its delivery has no fields.
fn entry(value: Value) -> Option<Read> {
    let Value::Array(parts) = value else {
        return None;
    };
    let mut parts = parts.into_iter();
    let id = parts.next().and_then(text)?;
    let Some(Value::Array(parts)) = parts.next() else {
        return Some(Read::Deleted(id));
    };
    let mut parts = parts.into_iter();
    let mut fields = Vec::with_capacity(parts.len() / 2);
    while let (Some(Value::BulkString(name)), Some(Value::BulkString(value))) =
        (parts.next(), parts.next())
    {
        let name = String::from_utf8_lossy(&name).into_owned();
        fields.push((name, value.into()));
    }
    Some(Read::Entry(RedisEntry { id, fields }))
}
