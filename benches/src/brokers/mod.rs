//! Messages of brokers through a `map` to a sink, beside the bare clients. `cargo xtask bench --brokers` starts the
//! servers and sets their addresses.

mod kafka;
mod mqtt;
mod nats;
mod redis;

use std::env;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use thalweg::{Element, Stream};
use tokio::runtime::{Builder, Runtime};

use crate::report::Line;

/// Bytes of a message.
const LEN: usize = 100;

/// Timeout of one half of a round.
const LIMIT: Duration = Duration::from_secs(120);

type Case = fn(&str, bool) -> Vec<Line>;

/// All cases: name, variable with the address of the server, function.
const CASES: [(&str, &str, Case); 6] = [
    ("kafka", "THALWEG_TEST_KAFKA", kafka::throughput),
    ("kafka-latency", "THALWEG_TEST_KAFKA", kafka::latency),
    ("kafka-memory", "THALWEG_TEST_KAFKA", kafka::memory),
    ("mqtt", "THALWEG_BENCH_MQTT", mqtt::throughput),
    ("nats", "THALWEG_BENCH_NATS", nats::throughput),
    ("redis", "THALWEG_BENCH_REDIS", redis::throughput),
];

/// Measures the cases whose servers are available.
pub(crate) fn lines(quick: bool, chosen: impl Fn(&str) -> bool) -> Vec<Line> {
    let mut lines = Vec::new();
    for (name, variable, case) in CASES {
        match env::var(variable) {
            _ if !chosen(name) => {}
            Ok(address) => {
                eprintln!("measuring {name} …");
                lines.extend(case(&address, quick));
            }
            Err(_) => eprintln!("skipped {name}: {variable} does not say where a server is"),
        }
    }
    lines
}

/// Counts messages, and times them from the first to the last: joining a group takes seconds.
#[derive(Clone, Default)]
struct Meter(Arc<Inner>);

#[derive(Default)]
struct Inner {
    first: OnceLock<Instant>,
    count: AtomicU64,
    bytes: AtomicU64,
}

impl Meter {
    fn add(&self, len: usize) {
        self.0.first.get_or_init(Instant::now);
        self.0.count.fetch_add(1, Ordering::Relaxed);
        self.0.bytes.fetch_add(len as u64, Ordering::Relaxed);
    }

    fn count(&self) -> u64 {
        self.0.count.load(Ordering::Relaxed)
    }

    /// Nanoseconds per message so far.
    fn per_message(&self) -> f64 {
        let (count, bytes) = (self.count(), self.0.bytes.load(Ordering::Relaxed));
        assert_eq!(bytes, count * LEN as u64, "messages have another length");
        let first = self.0.first.get().expect("a message has come");
        first.elapsed().as_secs_f64() * 1e9 / count as f64
    }
}

fn runtime() -> Runtime {
    let runtime = Builder::new_multi_thread().enable_all().build();
    runtime.expect("the system starts threads")
}

/// Runs a source through a `map` to a sink for `count` messages; returns nanoseconds per message.
fn through_a_map<T: Element>(
    source: impl FnOnce() -> Stream<T>,
    len: impl Fn(&T) -> usize + Send + 'static,
    count: u64,
) -> f64 {
    runtime().block_on(async {
        let (meter, messages) = (Meter::default(), source());
        let (done, mut all) = tokio::sync::mpsc::unbounded_channel();
        let counted = meter.clone();
        messages.map(move |message| len(&message)).sink(move |len| {
            counted.add(len);
            if counted.count() == count {
                let _ = done.send(counted.per_message());
            }
        });
        messages.start().expect("the source starts");
        let came = tokio::time::timeout(LIMIT, all.recv()).await;
        let Ok(Some(time)) = came else {
            panic!("{} of {count} messages have come", meter.count());
        };
        messages.drain(LIMIT).await.expect("the source ends");
        time
    })
}

/// A name that no earlier run has used.
fn unique(name: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("bench-{name}-{}-{number}", std::process::id())
}
