//! Errors while reading, and how they are reported.

use std::sync::{Arc, Mutex};

use rdkafka::bindings::rd_kafka_resp_err_t as Code;

use super::*;

/// Reports of a running source, up to the first one that contains a text.
async fn failures(kafka: Kafka, is_enough: impl Fn(&str) -> bool) -> Vec<String> {
    let messages = Stream::from_kafka(kafka);
    let texts = Arc::new(Mutex::new(Vec::new()));
    let reported = texts.clone();
    messages.on_unhandled(move |failure| {
        reported.lock().expect("no panic").push(failure.to_string());
    });
    messages.sink(drop);
    messages.start().expect("it can be started");
    let found = || {
        texts
            .lock()
            .expect("no panic")
            .iter()
            .any(|text| is_enough(text))
    };
    until(found).await;
    let _ = messages.drain(PATIENCE).await;
    let texts = texts.lock().expect("no panic");
    texts.clone()
}

#[test]
fn a_topic_that_does_not_exist_ends_the_source() -> Outcome {
    let broker = Broker::with_partitions(1);
    let missing = Code::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    broker.cluster.topic_error("missing", missing)?;
    block_on(async {
        let kafka = Kafka::new(&broker.brokers, ["readings", "missing"]).group("averages");
        let messages = Stream::from_kafka(kafka);
        messages.sink(drop);
        let error = messages.run(PATIENCE).await.expect_err("there is no topic");
        let text = error.to_string();
        let expected = format!(
            "Kafka at {}: the topic `missing` does not exist; create it, or check its name",
            broker.brokers
        );
        assert!(text.contains(&expected), "{text}");
        Ok(())
    })
}

#[test]
fn unreachable_brokers_are_named_and_retried() -> Outcome {
    let free = std::net::TcpListener::bind("127.0.0.1:0")?;
    let brokers = free.local_addr()?.to_string();
    drop(free);
    let kafka = Kafka::new(&brokers, ["readings"]).group("averages");
    let texts = block_on(failures(kafka, |text| {
        text.contains("no broker can be reached")
    }));
    let text = &texts[0];
    assert!(
        text.contains(&brokers) && text.contains("refused"),
        "{text}"
    );
    assert!(
        text.contains("tries again") && text.contains("check that the brokers run"),
        "{text}"
    );
    Ok(())
}

#[test]
fn reading_continues_when_a_broker_returns() -> Outcome {
    let broker = Broker::with_partitions(1);
    block_on(async {
        broker.write(0..10, 1).await;
        let kafka = broker
            .kafka()
            .option("reconnect.backoff.ms", "10")
            .option("reconnect.backoff.max.ms", "50");
        let messages = Stream::from_kafka(kafka);
        messages.on_unhandled(drop);
        let list = messages.map(|message| number(&message)).sink_to_list();
        messages.start()?;
        until(|| list.len() == 10).await;
        broker.cluster.broker_down(-1)?;
        until(|| messages.counters().failed > 0).await;
        broker.cluster.broker_up(-1)?;
        broker.write(10..20, 1).await;
        until(|| list.to_vec().last() == Some(&19)).await;
        let _ = messages.drain(PATIENCE).await;
        let list = list.to_vec();
        // Messages not committed before the group lost its member are read again.
        let again = list[10..].iter().position(|number| *number == 10);
        let again = again.expect("it was read");
        assert!(list[..10].iter().copied().eq(0..10), "{list:?}");
        assert!(
            list[10..10 + again]
                .iter()
                .copied()
                .eq(10 - again as i32..10),
            "{list:?}"
        );
        assert!(list[10 + again..].iter().copied().eq(10..20), "{list:?}");
        Ok(())
    })
}

#[test]
fn a_pending_commit_does_not_stop_reading() -> Outcome {
    use rdkafka::types::RDKafkaApiKey as Key;
    let broker = Broker::with_partitions(1);
    block_on(async {
        broker.write(0..10, 1).await;
        let kafka = broker.kafka().commit_interval(Duration::ZERO);
        // The client looks that long for the group coordinator.
        let messages = Stream::from_kafka(kafka.option("session.timeout.ms", "60000"));
        let list = messages.map(|message| number(&message)).sink_to_list();
        messages.start()?;
        until(|| list.len() == 10).await;
        let gone = Code::RD_KAFKA_RESP_ERR_NOT_COORDINATOR;
        (broker.cluster).request_errors(Key::OffsetCommit, &[gone; 10]);
        let unknown = Code::RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE;
        (broker.cluster).request_errors(Key::FindCoordinator, &[unknown; 1000]);
        for count in 11..=15 {
            broker.write(count - 1..count, 1).await;
            until(|| list.len() as i32 == count).await;
        }
        assert_eq!(messages.counters().failed, 0, "the commit still waits");
        broker.cluster.clear_request_errors(Key::OffsetCommit);
        broker.cluster.clear_request_errors(Key::FindCoordinator);
        messages.drain(PATIENCE).await?;
        assert_eq!(broker.committed(1), [Some(15)]);
        Ok(())
    })
}

#[test]
fn a_missing_offset_ends_the_source_if_configured() -> Outcome {
    let broker = Broker::with_partitions(1);
    block_on(async {
        broker.write(0..5, 1).await;
        let kafka = broker.kafka().option("auto.offset.reset", "error");
        let messages = Stream::from_kafka(kafka);
        messages.sink(drop);
        let error = messages
            .run(PATIENCE)
            .await
            .expect_err("nothing is committed");
        let text = error.to_string();
        for part in [
            "group `averages` cannot go on in topic `readings`, partition 0",
            "no offset is committed",
            "auto.offset.reset",
        ] {
            assert!(text.contains(part), "{text}");
        }
        Ok(())
    })
}

#[test]
fn a_rejected_commit_is_reported_and_repeated() -> Outcome {
    use rdkafka::bindings::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED;
    let broker = Broker::with_partitions(1);
    block_on(async {
        broker.write(0..5, 1).await;
        let key = rdkafka::types::RDKafkaApiKey::OffsetCommit;
        (broker.cluster).request_errors(key, &[RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED]);
        let kafka = broker.kafka().commit_interval(Duration::from_millis(1));
        let texts = failures(kafka, |text| text.contains("could not be committed")).await;
        assert!(
            texts[0].contains("the offsets of group `averages`"),
            "{texts:?}"
        );
        assert_eq!(broker.committed(1), [Some(5)]);
        Ok(())
    })
}

#[test]
fn overdue_messages_are_reported_once() -> Outcome {
    let broker = Broker::with_partitions(1);
    block_on(async {
        broker.write(0..3, 1).await;
        let kafka = broker.kafka().overdue_after(Duration::from_millis(1));
        let messages = Stream::from_kafka(kafka);
        let texts = Arc::new(Mutex::new(Vec::new()));
        let reported = texts.clone();
        messages.on_unhandled(move |failure| {
            reported.lock().expect("no panic").push(failure.to_string());
        });
        let (release, released) = async_channel::bounded::<()>(1);
        messages.sink_async(move |_| {
            let released = released.clone();
            async move { while released.recv().await.is_ok() {} }
        });
        messages.start()?;
        until(|| !texts.lock().expect("no panic").is_empty()).await;
        drop(release);
        messages.drain(PATIENCE).await.err();
        let texts = texts.lock().expect("no panic");
        assert!(
            texts[0].contains("position `readings/0`: the element at \"0\""),
            "{texts:?}"
        );
        let of_first = texts
            .iter()
            .filter(|text| text.contains("element at \"0\""));
        assert_eq!(of_first.count(), 1, "{texts:?}");
        Ok(())
    })
}

#[test]
fn options_are_checked_and_their_values_stay_hidden() {
    let kafka = Kafka::new("localhost:9092", ["readings"]).group("averages");
    let refused = |kafka: Kafka| kafka.check().expect_err("it is wrong").to_string();
    let error = refused(kafka.clone().option("enable.auto.commit", "true"));
    assert!(
        error.contains("`enable.auto.commit` can only be \"false\""),
        "{error}"
    );
    let error = refused(kafka.clone().option("no.such.password", "hunter2"));
    assert!(!error.contains("hunter2"), "{error}");
    let error = refused(kafka.clone().option("fetch.mni.bytes", "1"));
    assert!(error.contains("fetch.mni.bytes"), "{error}");
    let secret = kafka.option("sasl.password", "hunter2");
    assert!(!format!("{secret:?}").contains("hunter2"));
    assert!(refused(Kafka::with_options(["readings"])).contains("`bootstrap.servers` is missing"));
}
