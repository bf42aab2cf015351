//! NATS, a stream of JetStream.

use async_nats::jetstream;
use async_nats::jetstream::consumer::pull;
use futures_util::StreamExt;
use thalweg::Stream;
use thalweg_io::{Nats, prelude::*};

use super::{LEN, LIMIT, Meter, runtime, through_a_map, unique};
use crate::measure::Pair;
use crate::report::{Line, speed};

/// A new stream with messages of the subject of the same name.
fn filled(url: &str, count: u64) -> String {
    let name = unique("nats");
    runtime().block_on(async {
        let source = Stream::new();
        source.to_nats(Nats::new(url, &name).stream(&name).create());
        let messages = (0..count).map(|_| vec![b'x'; LEN]);
        source.emit_many(messages).await.expect("there is a server");
        source.drain(LIMIT).await.expect("there is a server");
    });
    name
}

async fn read(url: &str, name: &str, count: u64) -> f64 {
    let client = async_nats::connect(url).await.expect("there is a server");
    let stream = jetstream::new(client).get_stream(name).await;
    let config = pull::Config {
        durable_name: Some(unique("durable")),
        ..pull::Config::default()
    };
    let consumer = stream.expect("it exists").create_consumer(config).await;
    let messages = consumer.expect("it is new").messages().await;
    let mut messages = messages.expect("there is a server");
    let meter = Meter::default();
    while meter.count() < count {
        let message = tokio::time::timeout(LIMIT, messages.next()).await;
        let message = message.expect("messages come").expect("it goes on");
        let message = message.expect("there is a server");
        meter.add(message.payload.len());
        message.ack().await.expect("there is a server");
    }
    meter.per_message()
}

pub(super) fn throughput(url: &str, quick: bool) -> Vec<Line> {
    let (count, rounds) = if quick { (10_000, 3) } else { (100_000, 7) };
    let name = filled(url, count);
    let ours = || {
        let nats = Nats::new(url, &name)
            .stream(&name)
            .durable(unique("durable"));
        through_a_map(
            || Stream::from_nats(nats),
            |message| message.payload.len(),
            count,
        )
    };
    let peer = || runtime().block_on(read(url, &name, count));
    let pair = Pair::measure(rounds, ours, peer);
    vec![speed(
        "JetStream → `map` → sink, one message",
        "`async-nats`",
        (0.8, "≥ 0.8 of its speed"),
        &pair,
    )]
}
