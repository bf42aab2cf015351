//! Tests against librdkafka's mock brokers, in this process.

mod errors;
#[cfg(unix)]
mod group_kills;
mod groups;
mod reading;
mod real;
mod traces;
#[cfg(unix)]
mod transactions;
#[cfg(unix)]
mod troubles;
mod writing;

use std::future::Future;
use std::panic::Location;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use thalweg::Stream;
use tokio::runtime::Builder;

use super::*;

/// Timeout of each wait.
const PATIENCE: Duration = Duration::from_secs(40);

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// A broker with a topic, `readings`.
struct Broker {
    cluster: MockCluster<'static, DefaultProducerContext>,
    brokers: String,
}

impl Broker {
    fn with_partitions(partitions: i32) -> Self {
        let cluster = MockCluster::new(1).expect("ports are free");
        let made = cluster.create_topic("readings", partitions, 1);
        made.expect("it is new");
        let brokers = cluster.bootstrap_servers();
        Self { cluster, brokers }
    }

    fn sink(&self) -> KafkaSink {
        KafkaSink::new(&self.brokers, "readings").option("linger.ms", "0")
    }

    /// Short sessions: after a member leaves, the broker waits for the session timeout before others continue.
    fn kafka(&self) -> Kafka {
        Kafka::new(&self.brokers, ["readings"])
            .group("averages")
            .from_earliest()
            .option("session.timeout.ms", "6000")
            .option("heartbeat.interval.ms", "100")
    }

    /// Writes numbers as text, to the partitions in turn.
    async fn write(&self, numbers: std::ops::Range<i32>, partitions: i32) {
        let source = Stream::new();
        source.to_kafka(self.sink());
        let records = numbers.map(|x| KafkaRecord::from(x.to_string()).partition(x % partitions));
        let written = source.emit_many(records).await;
        written.expect("there is a broker");
        source.drain(PATIENCE).await.expect("there is a broker");
    }

    /// Committed offset of each partition.
    fn committed(&self, partitions: i32) -> Vec<Option<i64>> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.brokers);
        let asked: BaseConsumer = config
            .set("group.id", "averages")
            .create()
            .expect("options");
        let mut list = TopicPartitionList::new();
        list.add_partition_range("readings", 0, partitions - 1);
        let list = asked.committed_offsets(list, PATIENCE).expect("an answer");
        let offset = |offset| match offset {
            Offset::Offset(offset) => Some(offset),
            _ => None,
        };
        list.elements()
            .iter()
            .map(|one| offset(one.offset()))
            .collect()
    }
}

fn block_on<R>(future: impl Future<Output = R>) -> R {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.expect("there are descriptors").block_on(future)
}

/// Waits for a condition.
#[track_caller]
fn until(mut is_so: impl FnMut() -> bool) -> impl Future<Output = ()> {
    let place = Location::caller();
    async move {
        let end = Instant::now() + PATIENCE;
        while !is_so() {
            assert!(Instant::now() < end, "{place}: it has not come to be");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

fn number(message: &KafkaMessage) -> i32 {
    let text = std::str::from_utf8(message.bytes()).expect("text was written");
    text.parse().expect("numbers were written")
}
