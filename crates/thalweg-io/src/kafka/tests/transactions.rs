//! Exactly once, from one topic of a real server to another.

use std::collections::BTreeMap;

use super::*;
use crate::testing::kills::{Killed, Kills, kills};

const PARTITIONS: i32 = 3;

/// Enough elements that a killed run is never the last one.
fn elements() -> i32 {
    3000 * (i32::try_from(kills(3)).unwrap_or(100) + 1)
}

/// Run by the test in a child process.
#[test]
fn child() {
    let Some(killed) = Killed::this() else {
        return;
    };
    let [brokers, from, to] = ["BROKERS", "FROM", "TO"].map(|name| killed.setting(name));
    let begun = killed.dir().join("begun");
    let transactions = KafkaTransactions::new(&to);
    let kafka = Kafka::new(&brokers, [&from])
        .group(&from)
        .from_earliest()
        .transactions(&transactions)
        .option("session.timeout.ms", "6000")
        .option("heartbeat.interval.ms", "200");
    killed.run(async move {
        let messages = Stream::from_kafka(kafka.until_end());
        let mut is_first = true;
        // Some elements make two messages, some none.
        let each = messages.map(move |message: KafkaMessage| {
            if std::mem::take(&mut is_first) {
                // The test kills the process once this file exists.
                let _ = std::fs::write(&begun, "");
            }
            let x = number(&message);
            (0..x % 3).map(move |at| x * 3 + at).collect::<Vec<_>>()
        });
        let records = each.flatten().map(|x| KafkaRecord::from(x.to_string()));
        let sink = KafkaSink::new(&brokers, &to).transactions(&transactions);
        records.buffer(100).to_kafka(sink.max_in_flight(100));
        // Rebalancing is not a failure of the pipeline.
        messages.on_unhandled(drop);
        messages.run(PATIENCE).await
    });
}

#[test]
fn a_killed_transactional_pipeline_loses_and_doubles_nothing() -> Outcome {
    let (Some((brokers, from)), Some((_, to))) = (real::topic(PARTITIONS)?, real::topic(2)?) else {
        return Ok(());
    };
    block_on(async {
        let source = Stream::new();
        source.to_kafka(KafkaSink::new(&brokers, &from));
        let records =
            (0..elements()).map(|x| KafkaRecord::from(x.to_string()).partition(x % PARTITIONS));
        source.emit_many(records).await?;
        source.drain(PATIENCE).await
    })?;
    Kills::of("kafka::tests::transactions::child", kills(3))
        .setting("BROKERS", &brokers)
        .setting("FROM", &from)
        .setting("TO", &to)
        // Kill only after some transactions are committed.
        .within(Duration::from_millis(1500))
        .run();
    // Reads only committed messages.
    let group = format!("{to}-look");
    let kafka = Kafka::new(&brokers, [&to]).group(group).from_earliest();
    let found = block_on(async {
        let messages = Stream::from_kafka(kafka.until_end());
        let list = messages.map(|message| number(&message)).sink_to_list();
        messages.run(PATIENCE).await.map(|()| list.to_vec())
    })?;
    let mut counts = BTreeMap::new();
    found
        .into_iter()
        .for_each(|x| *counts.entry(x).or_insert(0) += 1);
    let wanted: Vec<i32> = (0..elements())
        .flat_map(|x| (0..x % 3).map(move |at| x * 3 + at))
        .collect();
    let missing = wanted.iter().filter(|x| !counts.contains_key(x)).count();
    let doubled = counts.values().filter(|count| **count > 1).count();
    assert_eq!((missing, doubled), (0, 0), "missing, and there twice");
    assert_eq!(counts.len(), wanted.len());
    Ok(())
}

#[test]
fn incomplete_transactions_are_refused() {
    let transactions = KafkaTransactions::new("id");
    let sink = || KafkaSink::new("127.0.0.1:1", "out").transactions(&transactions);
    let source = Stream::<String>::new();
    source.to_kafka(sink());
    assert!(source.check().is_ok());
    let other = Stream::<String>::new();
    other.to_kafka(sink());
    let error = other.check().expect_err("there is a sink").to_string();
    assert!(error.contains("have a sink already"), "{error}");
    let third = Stream::<String>::new();
    third.send_to_kafka(sink()).sink(drop);
    let error = third.check().expect_err("it sends on").to_string();
    assert!(error.contains("take `to_kafka`"), "{error}");
}

#[test]
fn transactions_without_a_sink_are_reported() {
    let broker = Broker::with_partitions(1);
    let kafka = broker.kafka().transactions(&KafkaTransactions::new("id"));
    let ended = block_on(Stream::from_kafka(kafka).run(PATIENCE));
    let error = ended.expect_err("there is no sink").to_string();
    assert!(error.contains("transactions `id` have no sink"), "{error}");
}
