//! Tests against a real server, if there is one: `cargo xtask services up` starts it, and `THALWEG_TEST_KAFKA` is its
//! address.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;

use super::*;
use crate::testing::missing;

/// A new topic at the server; `None` if there is no server.
pub(super) fn topic(
    partitions: i32,
) -> Result<Option<(String, String)>, Box<dyn std::error::Error>> {
    let Ok(brokers) = std::env::var("THALWEG_TEST_KAFKA") else {
        return missing("THALWEG_TEST_KAFKA does not say where a server is");
    };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = now.expect("it is later").as_nanos();
    let name = format!("thalweg-{}-{now}", std::process::id());
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
        .set("bootstrap.servers", &brokers)
        .create()
        .expect("options");
    let topic = NewTopic::new(&name, partitions, TopicReplication::Fixed(1));
    let made = block_on(admin.create_topics([&topic], &AdminOptions::new()));
    assert!(made.expect("there is a server").iter().all(Result::is_ok));
    Ok(Some((brokers, name)))
}

async fn write(brokers: &str, topic: &str, numbers: std::ops::Range<i32>) {
    let source = Stream::new();
    source.to_kafka(KafkaSink::new(brokers, topic).option("linger.ms", "1"));
    let records = numbers.map(|x| KafkaRecord::from(x.to_string()).key(x.to_string()));
    source.emit_many(records).await.expect("there is a server");
    source.drain(PATIENCE).await.expect("there is a server");
}

#[test]
fn a_group_on_a_real_server_resumes_where_it_was() -> Outcome {
    let Some((brokers, topic)) = topic(3)? else {
        return Ok(());
    };
    block_on(async {
        for numbers in [0..1000, 1000..1500, 1500..1500] {
            write(&brokers, &topic, numbers.clone()).await;
            let kafka = Kafka::new(&brokers, [&topic]).group(&topic).from_earliest();
            let messages = Stream::from_kafka(kafka.until_end());
            let list = messages
                .buffer(10)
                .map(|message| number(&message))
                .sink_to_list();
            messages.run(PATIENCE).await?;
            let mut list = list.to_vec();
            list.sort_unstable();
            assert!(list.into_iter().eq(numbers.clone()), "{numbers:?}");
        }
        Ok(())
    })
}

#[test]
fn members_at_a_real_server_share_partitions_and_read_nothing_twice() -> Outcome {
    let Some((brokers, topic)) = topic(4)? else {
        return Ok(());
    };
    block_on(async {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let join = |name: &'static str| {
            let seen = seen.clone();
            let kafka = Kafka::new(&brokers, [&topic]).group(&topic).from_earliest();
            let kafka = kafka.option("heartbeat.interval.ms", "200");
            let messages = Stream::from_kafka(kafka);
            messages
                .map(|message| number(&message))
                .sink(move |x| seen.lock().expect("no panic").push((name, x)));
            messages.start().map(|()| messages)
        };
        let count = || seen.lock().expect("no panic").len();
        let second_has_part = || {
            let seen = seen.lock().expect("no panic");
            seen.iter().any(|(name, _)| *name == "second")
        };
        let first = join("first")?;
        write(&brokers, &topic, 0..1000).await;
        until(|| count() == 1000).await;
        let second = join("second")?;
        let mut next = 1000;
        while !second_has_part() {
            assert!(next < 100_000, "the second one gets nothing");
            write(&brokers, &topic, next..next + 20).await;
            next += 20;
        }
        until(|| count() >= usize::try_from(next).unwrap_or(0)).await;
        first.drain(PATIENCE).await?;
        write(&brokers, &topic, next..next + 400).await;
        next += 400;
        until(|| count() >= usize::try_from(next).unwrap_or(0)).await;
        second.drain(PATIENCE).await?;
        let seen = seen.lock().expect("no panic");
        let distinct: BTreeSet<i32> = seen.iter().map(|(_, x)| *x).collect();
        assert!(distinct.into_iter().eq(0..next));
        assert_eq!(seen.len(), usize::try_from(next)?, "some were read twice");
        Ok(())
    })
}

#[test]
fn a_missing_topic_on_a_real_server_ends_the_source() -> Outcome {
    let Some((brokers, topic)) = topic(1)? else {
        return Ok(());
    };
    block_on(async {
        let kafka = Kafka::new(&brokers, [format!("{topic}-missing")]).group(&topic);
        let messages = Stream::from_kafka(kafka);
        messages.sink(drop);
        let error = messages
            .run(PATIENCE)
            .await
            .expect_err("there is no such topic");
        assert!(
            error.to_string().contains("-missing` does not exist"),
            "{error}"
        );
        Ok(())
    })
}
