//! Writing messages, and when they are acknowledged.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use thalweg::{Ack, Outcome as Acked};

use super::*;

#[test]
fn an_element_is_done_when_the_broker_confirms_it() -> Outcome {
    let broker = Broker::with_partitions(1);
    block_on(async {
        let source = Stream::new();
        let receipts = source.send_to_kafka(broker.sink()).sink_to_list();
        let log = Arc::new(Mutex::new(Vec::new()));
        for x in ["a", "b"] {
            let log = log.clone();
            let ack = Ack::new(move |outcome| log.lock().expect("no panic").push((x, outcome)));
            source.emit_with(x, ack).await?;
        }
        assert_eq!(receipts.to_vec().len(), 2);
        assert_eq!(
            receipts.to_vec()[1],
            KafkaReceipt {
                partition: 0,
                offset: 1
            }
        );
        assert_eq!(
            *log.lock().expect("no panic"),
            [("a", Acked::Delivered), ("b", Acked::Delivered)]
        );
        source.drain(PATIENCE).await?;
        Ok(())
    })
}

#[test]
fn blocked_elements_keep_their_order() -> Outcome {
    let broker = Broker::with_partitions(1);
    block_on(async {
        let source = Stream::new();
        let sink = broker
            .sink()
            .option("queue.buffering.max.messages", "2")
            .option("message.max.bytes", "2000");
        source.map(|x: i32| x.to_string()).to_kafka(sink);
        source.emit_many(0..500).await?;
        source.drain(PATIENCE).await?;
        let messages = Stream::from_kafka(broker.kafka().until_end());
        let list = messages.map(|message| number(&message)).sink_to_list();
        messages.run(PATIENCE).await?;
        assert!(list.to_vec().into_iter().eq(0..500));
        Ok(())
    })
}

#[test]
fn messages_are_written_in_the_order_of_the_calls() -> Outcome {
    let broker = Broker::with_partitions(1);
    block_on(async {
        let sink = broker.sink();
        let small = broker
            .sink()
            .option("queue.buffering.max.messages", "2")
            .option("message.max.bytes", "2000");
        for (round, sink) in (0..).zip([sink, small]) {
            let producer = sink.producer();
            let sent: Vec<_> = (0..50)
                .map(|x| producer.send(KafkaRecord::from(x.to_string())))
                .collect();
            // Tasks are polled in any order.
            for (x, sent) in (0..50_i32).zip(sent).rev() {
                assert_eq!(sent.await?.offset, i64::from(50 * round + x));
            }
        }
        Ok(())
    })
}

#[test]
fn a_flush_waits_for_messages_that_wait_for_room() {
    let broker = Broker::with_partitions(1);
    let sink = broker.sink().option("queue.buffering.max.messages", "2");
    let producer = sink.producer();
    let sent: Vec<_> = (0..20)
        .map(|x| producer.send(KafkaRecord::from(x.to_string())))
        .collect();
    assert_eq!(producer.flush(PATIENCE), 0);
    assert_eq!((sent.len(), producer.in_flight()), (20, 0));
}

#[test]
fn an_oversized_message_fails_its_element() -> Outcome {
    let broker = Broker::with_partitions(1);
    block_on(async {
        let source = Stream::new();
        let node = source.send_to_kafka(broker.sink().option("message.max.bytes", "2000"));
        let receipts = node.sink_to_list();
        source.emit("a".to_string()).await?;
        let error = source
            .emit("b".repeat(3000))
            .await
            .expect_err("it is too large");
        let text = error.to_string();
        for part in [
            &*broker.brokers,
            "a message of 3000 bytes was not written to topic `readings`",
            "raise the option `message.max.bytes`",
        ] {
            assert!(text.contains(part), "{text}");
        }
        source.emit("c".to_string()).await?;
        source.drain(PATIENCE).await?;
        assert_eq!(receipts.len(), 2);
        Ok(())
    })
}

#[test]
fn a_topic_that_does_not_exist_fails_its_elements() -> Outcome {
    use rdkafka::bindings::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART as UNKNOWN;
    let broker = Broker::with_partitions(1);
    broker.cluster.topic_error("missing", UNKNOWN)?;
    block_on(async {
        let source = Stream::new();
        let sink = KafkaSink::new(&broker.brokers, "missing")
            .option("message.timeout.ms", "2000")
            .option("topic.metadata.propagation.max.ms", "0");
        source.to_kafka(sink);
        let error = source.emit("a").await.expect_err("there is no topic");
        let text = error.to_string();
        assert!(
            text.contains("was not written to topic `missing`"),
            "{text}"
        );
        assert!(
            text.contains("create the topic, or check its name"),
            "{text}"
        );
        Ok(())
    })
}

#[test]
fn an_unreachable_broker_delays_writes() -> Outcome {
    let broker = Broker::with_partitions(1);
    block_on(async {
        let source = Stream::new();
        let sink = broker
            .sink()
            .option("reconnect.backoff.ms", "10")
            .option("reconnect.backoff.max.ms", "50");
        source.to_kafka(sink);
        source.emit("a").await?;
        broker.cluster.broker_down(-1)?;
        let done = Arc::new(AtomicUsize::new(0));
        let counted = done.clone();
        let ack = Ack::new(move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
        });
        let mut emit = Box::pin(source.emit_with("b", ack));
        let waited = tokio::time::timeout(Duration::from_millis(20), &mut emit).await;
        assert!(waited.is_err() && done.load(Ordering::SeqCst) == 0);
        broker.cluster.broker_up(-1)?;
        emit.await?;
        assert_eq!(done.load(Ordering::SeqCst), 1);
        source.drain(PATIENCE).await?;
        Ok(())
    })
}
