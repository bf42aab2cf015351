//! Pipelines that read from Kafka are killed at random moments and restarted until they are done.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use thalweg::Stream;
use tokio::runtime::Builder;

use super::*;
use crate::prelude::*;
use crate::sql::{Database, Table};
use crate::testing::kills::{Killed, Kills, kills};

const PARTITIONS: i32 = 3;
const PATIENCE: Duration = Duration::from_secs(60);

/// Enough elements that a killed run is never the last one.
fn elements() -> i32 {
    8000 * (i32::try_from(kills(2)).unwrap_or(100) + 1)
}

fn block_on<R>(future: impl Future<Output = R>) -> R {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.expect("there are descriptors").block_on(future)
}

/// Run by the tests in a child process.
#[test]
fn child() {
    let Some(killed) = Killed::this() else {
        return;
    };
    let (brokers, sink) = (killed.setting("BROKERS"), killed.setting("SINK"));
    let dir = killed.dir().to_path_buf();
    killed.run(async move { run(&dir, &brokers, &sink).await });
}

async fn run(dir: &Path, brokers: &str, sink: &str) -> Result<(), Box<dyn std::error::Error>> {
    let database = Database::open(&format!("sqlite:{}", dir.join("out.db").display()))?;
    let mut kafka = Kafka::new(brokers, ["numbers"])
        .group("doubled")
        .from_earliest()
        .commit_interval(Duration::from_millis(20))
        .option("session.timeout.ms", "6000")
        .option("heartbeat.interval.ms", "100");
    if sink == "sqlite" {
        let kept = database.clone();
        kafka = kafka
            .positions(move |topic, partition| Ok(kept.position(&format!("{topic}/{partition}"))?));
    }
    let messages = Stream::from_kafka(kafka.until_end());
    let begun = dir.join("begun");
    let mut is_first = true;
    let numbers = messages.map(move |message: KafkaMessage| {
        if std::mem::take(&mut is_first) {
            // The killing process waits for this file.
            let _ = fs::write(&begun, "");
        }
        let text = String::from_utf8_lossy(message.bytes()).into_owned();
        text.parse::<u32>().unwrap_or(0)
    });
    match sink {
        "sqlite" => {
            // Some elements make two rows, some none.
            let rows = numbers.map(|x| (0..x % 3).map(move |at| (x, at)).collect::<Vec<_>>());
            let table = Table::new("rows", ["number", "at"], |row: &(u32, u32)| {
                [row.0.into(), row.1.into()]
            });
            rows.flatten().to_sql(&database, table.create());
        }
        _ => {
            let out = KafkaSink::new(brokers, "out").option("linger.ms", "1");
            numbers.buffer(100).map(|x| x.to_string()).to_kafka(out);
        }
    }
    // Rebalancing is not a failure of the pipeline.
    messages.on_unhandled(drop);
    Ok(messages.run(PATIENCE).await?)
}

/// Writes the numbers, kills the child repeatedly, and lets the last one finish.
fn kill(broker: &TestBroker, sink: &str) -> Kills {
    block_on(async {
        let source = Stream::new();
        source.to_kafka(KafkaSink::new(broker.address(), "numbers"));
        let records =
            (1..=elements()).map(|x| KafkaRecord::from(x.to_string()).partition(x % PARTITIONS));
        source.emit_many(records).await.expect("there is a broker");
        source.drain(PATIENCE).await.expect("there is a broker");
    });
    let killing = Kills::of("kafka::kill_tests::child", kills(2))
        .setting("BROKERS", broker.address())
        .setting("SINK", sink)
        .within(Duration::from_millis(60));
    killing.run();
    killing
}

#[test]
fn a_killed_pipeline_from_kafka_to_sqlite_loses_and_doubles_nothing() {
    let broker = TestBroker::start([("numbers", PARTITIONS)]).expect("ports are free");
    let killed = kill(&broker, "sqlite");
    let connection = rusqlite::Connection::open(killed.dir().join("out.db")).expect("it is there");
    let query = "SELECT number, at FROM rows ORDER BY number, at";
    let mut query = connection.prepare(query).expect("a query");
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    let rows: Vec<(i32, i32)> = rows.and_then(Iterator::collect).expect("rows");
    let all = (1..=elements()).flat_map(|x| (0..x % 3).map(move |at| (x, at)));
    assert!(rows.into_iter().eq(all), "rows are missing, or there twice");
}

#[test]
fn a_killed_pipeline_from_kafka_to_kafka_loses_nothing() {
    let topics = [("numbers", PARTITIONS), ("out", 2)];
    let broker = TestBroker::start(topics).expect("ports are free");
    kill(&broker, "kafka");
    let kafka = Kafka::new(broker.address(), ["out"])
        .group("looking")
        .from_earliest();
    let found: BTreeSet<i32> = block_on(async {
        let messages = Stream::from_kafka(kafka.until_end());
        let texts = messages.map(|message| String::from_utf8_lossy(message.bytes()).into_owned());
        let list = texts.map(|text| text.parse().unwrap_or(0)).sink_to_list();
        messages.run(PATIENCE).await.expect("there is a broker");
        list.to_vec().into_iter().collect()
    });
    assert!(found.into_iter().eq(1..=elements()), "messages are missing");
}
