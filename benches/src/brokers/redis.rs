//! Redis, a stream.

use redis::streams::{StreamReadOptions, StreamReadReply};
use redis::{Client, Commands, Connection};
use thalweg::Stream;
use thalweg_io::{Redis, prelude::*};

use super::{LEN, Meter, through_a_map, unique};
use crate::measure::Pair;
use crate::report::{Line, speed};

/// Entries per request.
const COUNT: usize = 256;

fn connect(url: &str) -> Connection {
    let client = Client::open(url).expect("it is a URL");
    client.get_connection().expect("there is a server")
}

/// A new stream with entries.
fn filled(url: &str, count: u64) -> String {
    let (key, value) = (unique("redis"), vec![b'x'; LEN]);
    let mut connection = connect(url);
    for _ in 0..count / 1000 {
        let mut adding = redis::pipe();
        for _ in 0..1000 {
            adding.xadd(&key, "*", &[("value", &value)]).ignore();
        }
        let added: redis::RedisResult<()> = adding.query(&mut connection);
        added.expect("there is a server");
    }
    key
}

fn read(url: &str, key: &str, count: u64) -> f64 {
    let (mut connection, group) = (connect(url), unique("group"));
    let made: redis::RedisResult<()> = connection.xgroup_create(key, &group, "0");
    made.expect("it is new");
    let options = StreamReadOptions::default()
        .group(&group, "bench")
        .count(COUNT);
    let meter = Meter::default();
    while meter.count() < count {
        let reply: StreamReadReply = connection
            .xread_options(&[key], &[">"], &options)
            .expect("there is a server");
        let entries = reply.keys.into_iter().flat_map(|one| one.ids);
        let mut ids = Vec::with_capacity(COUNT);
        for entry in entries {
            let value: Option<Vec<u8>> = entry.get("value");
            meter.add(value.unwrap_or_default().len());
            ids.push(entry.id);
        }
        let acknowledged: redis::RedisResult<u64> = connection.xack(key, &group, &ids);
        acknowledged.expect("there is a server");
    }
    meter.per_message()
}

pub(super) fn throughput(url: &str, quick: bool) -> Vec<Line> {
    let (count, rounds) = if quick { (10_000, 3) } else { (100_000, 7) };
    let key = filled(url, count);
    let ours = || {
        let redis = Redis::new(url, &key).group(unique("group"));
        through_a_map(
            || Stream::from_redis_stream(redis),
            |entry| entry.value().len(),
            count,
        )
    };
    let peer = || read(url, &key, count);
    let pair = Pair::measure(rounds, ours, peer);
    vec![speed(
        "Redis stream → `map` → sink, one entry",
        "`redis`",
        (0.8, "≥ 0.8 of its speed"),
        &pair,
    )]
}
