//! Readings from one Kafka topic, and their running average to another. Killed at any moment and restarted, it loses
//! none.
//!
//! ```console
//! $ cargo run -p thalweg-io --features kafka --example kafka_averages -- localhost:9092
//! ```
//!
//! Without an address it starts a test broker, and reads the messages there.

use thalweg::{BoxError, Stream};
use thalweg_io::kafka::TestBroker;
use thalweg_io::{Kafka, KafkaMessage, KafkaRecord, KafkaSink, prelude::*};
use tokio::runtime::Builder;

/// Runs it.
///
/// # Errors
/// The broker is unreachable, or refuses a request.
pub(crate) fn main() -> Result<(), BoxError> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match std::env::args().nth(1).filter(|given| given.contains(':')) {
            Some(brokers) => {
                let averages = averages(&brokers, Kafka::new(&brokers, ["readings"]));
                println!("reading from {brokers}; Ctrl-C ends it");
                averages.start()?;
                tokio::signal::ctrl_c().await?;
                averages.drain("30s").await?;
            }
            None => {
                let broker = TestBroker::start([("readings", 2), ("averages", 1)])?;
                write(broker.address()).await?;
                let readings = Kafka::new(broker.address(), ["readings"]).until_end();
                averages(broker.address(), readings).run("30s").await?;
                let last = last_average(broker.address()).await?;
                println!("the average of 100 readings is {last}");
                assert_eq!(last, "49.5");
            }
        }
        Ok(())
    })
}

/// The pipeline.
fn averages(brokers: &str, readings: Kafka) -> Stream<KafkaMessage> {
    let messages = Stream::from_kafka(readings.group("averages").from_earliest());
    let numbers = messages.try_map(number);
    // Invalid numbers go to a separate topic instead of blocking the others.
    let rejected = numbers.errors().map(|failure| failure.to_string());
    rejected.to_kafka(KafkaSink::new(brokers, "rejected"));
    let state = (0.0, 0.0);
    let sums = numbers.scan(state, |(sum, count), x| (sum + x, count + 1.0));
    let texts = sums.map(|(sum, count)| (sum / count).to_string());
    texts.to_kafka(KafkaSink::new(brokers, "averages"));
    messages
}

fn number(message: &KafkaMessage) -> Result<f64, BoxError> {
    Ok(std::str::from_utf8(message.bytes())?.parse()?)
}

async fn write(brokers: &str) -> Result<(), BoxError> {
    let source = Stream::new();
    source.to_kafka(KafkaSink::new(brokers, "readings"));
    let records = (0..100).map(|x: i32| KafkaRecord::from(x.to_string()).partition(x % 2));
    source.emit_many(records).await?;
    Ok(source.drain("30s").await?)
}

async fn last_average(brokers: &str) -> Result<String, BoxError> {
    let kafka = Kafka::new(brokers, ["averages"]).group("look");
    let messages = Stream::from_kafka(kafka.from_earliest().until_end());
    let list = messages.sink_to_list();
    messages.run("30s").await?;
    let last = list.to_vec().pop().ok_or("there is no average")?;
    Ok(String::from_utf8_lossy(last.bytes()).into_owned())
}
