//! Kafka.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::Message;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use thalweg::Stream;
use thalweg_io::{Kafka, KafkaSink, prelude::*};

use super::{LEN, LIMIT, Meter, runtime, through_a_map, unique};
use crate::measure::{Pair, median, resident};
use crate::report::{Line, speed};

/// Messages per second in the latency case.
const RATE: u32 = 1000;

/// A new topic with messages.
fn filled(brokers: &str, count: u64) -> String {
    let topic = unique("kafka");
    runtime().block_on(async {
        let source = Stream::new();
        source.to_kafka(KafkaSink::new(brokers, &topic).option("linger.ms", "5"));
        for _ in 0..count / 10_000 {
            let messages = (0..10_000).map(|_| vec![b'x'; LEN]);
            source.emit_many(messages).await.expect("there is a broker");
        }
        source.drain(LIMIT).await.expect("there is a broker");
    });
    topic
}

fn kafka(brokers: &str, topic: &str) -> Kafka {
    let kafka = Kafka::new(brokers, [topic]).group(unique("group"));
    kafka.from_earliest()
}

/// The only member of a new group.
fn bare(brokers: &str, topic: &str) -> BaseConsumer {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers);
    config.set("group.id", unique("group"));
    config.set("auto.offset.reset", "earliest");
    let consumer: BaseConsumer = config.create().expect("the options are valid");
    consumer.subscribe(&[topic]).expect("the topic exists");
    consumer
}

/// Passes messages to `take` until it returns that all have arrived.
fn read(consumer: &BaseConsumer, mut take: impl FnMut(&[u8]) -> bool) {
    let end = Instant::now() + LIMIT;
    loop {
        assert!(Instant::now() < end, "not all messages have come");
        if let Some(message) = consumer.poll(Duration::from_millis(100))
            && let Ok(message) = message
            && take(message.payload().unwrap_or_default())
        {
            return;
        }
    }
}

pub(super) fn throughput(brokers: &str, quick: bool) -> Vec<Line> {
    let (count, rounds) = if quick { (100_000, 3) } else { (1_000_000, 7) };
    let topic = filled(brokers, count);
    let ours = || {
        let source = || Stream::from_kafka(kafka(brokers, &topic));
        through_a_map(source, |message| message.bytes().len(), count)
    };
    let peer = || {
        let meter = Meter::default();
        read(&bare(brokers, &topic), |bytes| {
            meter.add(bytes.len());
            meter.count() == count
        });
        meter.per_message()
    };
    let pair = Pair::measure(rounds, ours, peer);
    let target = (0.9, "≥ 0.9 of its speed");
    vec![speed(
        "Kafka → `map` → sink, one message",
        "`rdkafka`",
        target,
        &pair,
    )]
}

/// Latencies of a round, in milliseconds: the median, and the 99th percentile.
#[derive(Clone, Copy)]
struct Latencies {
    p50: f64,
    p99: f64,
}

impl Latencies {
    fn of(mut all: Vec<f64>) -> Self {
        all.sort_by(f64::total_cmp);
        Self {
            p50: all[all.len() / 2],
            p99: all[all.len() * 99 / 100],
        }
    }

    fn medians(rounds: &[Self]) -> Self {
        Self {
            p50: median(rounds.iter().map(|round| round.p50).collect()),
            p99: median(rounds.iter().map(|round| round.p99).collect()),
        }
    }
}

/// Writes messages at a fixed rate, each with the time since `start` at which it was written.
fn write_steadily(brokers: &str, topic: &str, start: Instant, count: u32) {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers);
    config.set("linger.ms", "0");
    let producer: BaseProducer = config.create().expect("the options are valid");
    let begin = Instant::now();
    for number in 0..count {
        let due = begin + Duration::from_secs(1) / RATE * number;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let now = start.elapsed().as_nanos().to_le_bytes();
        let record = BaseRecord::<(), _>::to(topic).payload(&now[..]);
        producer.send(record).expect("the queue has room");
        producer.poll(Duration::ZERO);
    }
    producer.flush(LIMIT).expect("there is a broker");
}

/// Milliseconds since a message was written.
fn age(start: Instant, bytes: &[u8]) -> f64 {
    let written = bytes.try_into().map(u128::from_le_bytes);
    let written = written.expect("every message is a time");
    (start.elapsed().as_nanos() - written) as f64 / 1e6
}

pub(super) fn latency(brokers: &str, quick: bool) -> Vec<Line> {
    let (count, rounds) = if quick { (1000, 3) } else { (5000, 5) };
    let start = Instant::now();
    // Messages of the first tenth are not counted: the members are still joining.
    let counted = |mut all: Vec<f64>| Latencies::of(all.split_off(count as usize / 10));
    let ours = || {
        let topic = filled(brokers, 0);
        let ages = Arc::new(Mutex::new(Vec::new()));
        runtime().block_on(async {
            // The first message creates the topic.
            write_steadily(brokers, &topic, start, 1);
            let messages = Stream::from_kafka(kafka(brokers, &topic));
            let seen = ages.clone();
            messages
                .map(move |message| age(start, message.bytes()))
                .sink(move |age| seen.lock().expect("no panic").push(age));
            messages.start().expect("the source starts");
            let writer = {
                let (brokers, topic) = (brokers.to_string(), topic.clone());
                thread::spawn(move || write_steadily(&brokers, &topic, start, count))
            };
            let end = Instant::now() + LIMIT;
            while ages.lock().expect("no panic").len() <= count as usize {
                assert!(Instant::now() < end, "not all messages have come");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            writer.join().expect("the writer ends well");
            messages.drain(LIMIT).await.expect("the source ends");
        });
        counted(ages.lock().expect("no panic").clone())
    };
    let peer = || {
        let topic = filled(brokers, 0);
        write_steadily(brokers, &topic, start, 1);
        let consumer = bare(brokers, &topic);
        let writer = {
            let (brokers, topic) = (brokers.to_string(), topic.clone());
            thread::spawn(move || write_steadily(&brokers, &topic, start, count))
        };
        let mut ages = Vec::new();
        read(&consumer, |bytes| {
            ages.push(age(start, bytes));
            ages.len() > count as usize
        });
        writer.join().expect("the writer ends well");
        counted(ages)
    };
    let rounds: Vec<(Latencies, Latencies)> = (0..rounds).map(|_| (ours(), peer())).collect();
    let ours = Latencies::medians(&rounds.iter().map(|round| round.0).collect::<Vec<_>>());
    let peer = Latencies::medians(&rounds.iter().map(|round| round.1).collect::<Vec<_>>());
    let line = |case, ours: f64, peer: f64, within: f64, target| Line {
        case,
        ours: format!("{ours:.2} ms"),
        peer: format!("`rdkafka` {peer:.2} ms"),
        ratio: format!("{:+.2} ms", ours - peer),
        target,
        met: Some(ours - peer <= within),
    };
    vec![
        line(
            "Kafka, latency at 1,000 messages/s, p50",
            ours.p50,
            peer.p50,
            1.0,
            "within 1 ms",
        ),
        line(
            "Kafka, latency at 1,000 messages/s, p99",
            ours.p99,
            peer.p99,
            5.0,
            "within 5 ms",
        ),
    ]
}

/// Memory while a sink takes a message per millisecond, and millions are waiting in the topic.
pub(super) fn memory(brokers: &str, quick: bool) -> Vec<Line> {
    let (count, looks) = if quick {
        (1_000_000, 4)
    } else {
        (10_000_000, 15)
    };
    let topic = filled(brokers, count);
    let grown = runtime().block_on(async {
        let messages = Stream::from_kafka(kafka(brokers, &topic));
        messages.sink_async(|_| tokio::time::sleep(Duration::from_millis(1)));
        messages.start().expect("the source starts");
        let (mut first, mut most) = (None, 0);
        for _ in 0..looks {
            tokio::time::sleep(Duration::from_secs(2)).await;
            let now = resident().unwrap_or_default();
            // The buffers of the client are full by then.
            first.get_or_insert(now);
            most = now.max(most);
        }
        // Do not wait for the remaining messages.
        let _ = messages.drain(Duration::from_secs(5)).await;
        most.saturating_sub(first.unwrap_or_default()) as f64 / 1e6
    });
    vec![Line {
        case: "Kafka, memory behind a slow sink, growth",
        ours: format!("{grown:.1} MB"),
        peer: format!("{:.0} MB are waiting", count as f64 * LEN as f64 / 1e6),
        ratio: "—".into(),
        target: "≤ 10 MB",
        met: Some(grown <= 10.0),
    }]
}
