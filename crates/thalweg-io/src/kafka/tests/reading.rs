//! Reading messages, and the offsets of a group.

use std::sync::{Arc, Mutex};

use async_channel::bounded;
use thalweg::OnError;

use super::*;

#[test]
fn messages_keep_key_headers_and_timestamp() -> Outcome {
    let broker = Broker::with_partitions(2);
    block_on(async {
        let source = Stream::new();
        source.to_kafka(broker.sink());
        let record = KafkaRecord::from("20.5")
            .key("roof")
            .header("unit", "celsius");
        source.emit(record.partition(1)).await?;
        let messages = Stream::from_kafka(broker.kafka().until_end());
        let list = messages.sink_to_list();
        messages.run(PATIENCE).await?;
        let [message] = &list.to_vec()[..] else {
            return Err("there is one message".into());
        };
        assert_eq!(
            (&*message.topic, message.partition, message.offset),
            ("readings", 1, 0)
        );
        assert_eq!(message.key.as_deref(), Some(&b"roof"[..]));
        assert_eq!(message.bytes(), b"20.5");
        assert_eq!(
            message.headers,
            [("unit".to_string(), Some("celsius".into()))]
        );
        assert!(message.timestamp.is_some());
        Ok(())
    })
}

#[test]
fn topics_may_be_a_pattern() -> Outcome {
    let broker = Broker::with_partitions(1);
    broker.cluster.create_topic("other", 1, 1)?;
    block_on(async {
        broker.write(0..3, 1).await;
        let kafka = Kafka::new(&broker.brokers, ["^read.*"])
            .group("averages")
            .from_earliest();
        let messages = Stream::from_kafka(kafka.until_end());
        let list = messages.map(|message| number(&message)).sink_to_list();
        messages.run(PATIENCE).await?;
        assert_eq!(list.to_vec(), [0, 1, 2]);
        Ok(())
    })
}

#[test]
fn a_group_resumes_where_it_was() -> Outcome {
    let broker = Broker::with_partitions(2);
    block_on(async {
        let mut seen = Vec::new();
        for numbers in [0..10, 10..15, 15..15] {
            broker.write(numbers.clone(), 2).await;
            let messages = Stream::from_kafka(broker.kafka().until_end());
            // Messages acknowledged after the source has ended are committed too.
            let list = messages
                .buffer(3)
                .map(|message| number(&message))
                .sink_to_list();
            messages.run(PATIENCE).await?;
            let mut list = list.to_vec();
            list.sort_unstable();
            assert!(list.into_iter().eq(numbers.clone()), "{numbers:?}");
            seen.extend(numbers);
        }
        assert_eq!(broker.committed(2), [Some(8), Some(7)]);
        Ok(())
    })
}

#[test]
fn a_commit_never_passes_unfinished_messages() -> Outcome {
    let broker = Broker::with_partitions(1);
    block_on(async {
        broker.write(0..10, 1).await;
        let (release, released) = bounded::<()>(1);
        let source = KafkaSource::from(broker.kafka().commit_interval(Duration::ZERO));
        let closer = source.closer();
        let messages = Stream::from_source(source);
        // The fourth one is acknowledged only at the end.
        let list = messages
            .map_async_unordered(10, move |message| {
                let released = released.clone();
                async move {
                    let number = number(&message);
                    if number == 3 {
                        let _ = released.recv().await;
                    }
                    number
                }
            })
            .sink_to_list();
        messages.start()?;
        until(|| list.len() == 9).await;
        until(|| broker.committed(1) == [Some(3)]).await;
        let positions = messages.positions();
        assert_eq!(positions[0].name, "readings/0");
        assert_eq!(positions[0].offset(), Some(2));
        assert_eq!(positions[0].unacknowledged, 7);
        assert!(positions[0].oldest.is_some());
        messages.stop();
        closer.close().await?;
        assert_eq!(broker.committed(1), [Some(3)]);
        drop(release);
        messages.drain(PATIENCE).await?;
        Ok(())
    })
}

#[test]
fn failed_messages_are_read_again() -> Outcome {
    let broker = Broker::with_partitions(1);
    block_on(async {
        broker.write(0..5, 1).await;
        let messages = Stream::from_kafka(broker.kafka().until_end());
        let list = messages
            .map(|message| number(&message))
            .try_map(|x: &i32| if *x == 2 { Err("no") } else { Ok(*x) })
            .sink_to_list();
        assert!(messages.run(PATIENCE).await.is_err());
        assert_eq!(list.to_vec(), [0, 1, 3, 4]);
        assert_eq!(broker.committed(1), [Some(2)]);

        let messages = Stream::from_kafka(broker.kafka().until_end());
        let again = messages.map(|message| number(&message));
        let list = again
            .try_map(|x: &i32| if *x == 2 { Err("no") } else { Ok(*x) })
            .on_error(OnError::Skip)
            .sink_to_list();
        messages.run(PATIENCE).await?;
        assert_eq!(list.to_vec(), [3, 4]);
        assert_eq!(broker.committed(1), [Some(5)]);
        Ok(())
    })
}

#[test]
fn a_restarted_source_resumes() -> Outcome {
    let broker = Broker::with_partitions(1);
    block_on(async {
        broker.write(0..2000, 1).await;
        let messages = Stream::from_kafka(broker.kafka());
        let list = messages.map(|message| number(&message)).sink_to_list();
        messages.start()?;
        until(|| !list.is_empty()).await;
        messages.stop();
        messages.start()?;
        until(|| list.len() == 2000).await;
        messages.drain(PATIENCE).await?;
        assert!(list.to_vec().into_iter().eq(0..2000));
        assert_eq!(broker.committed(1), [Some(2000)]);
        Ok(())
    })
}

#[test]
fn a_position_determines_the_first_offset() -> Outcome {
    let broker = Broker::with_partitions(1);
    block_on(async {
        broker.write(0..5, 1).await;
        let kafka = broker.kafka().until_end();
        let from_3 = kafka.positions(|topic, _| Ok(crate::Position::behind(topic, "2")));
        let messages = Stream::from_kafka(from_3);
        let list = messages.map(|message| number(&message)).sink_to_list();
        messages.run(PATIENCE).await?;
        assert_eq!(list.to_vec(), [3, 4]);
        Ok(())
    })
}

#[test]
fn without_a_stored_position_reading_starts_at_the_beginning() -> Outcome {
    let broker = Broker::with_partitions(1);
    block_on(async {
        broker.write(0..3, 1).await;
        for _ in 0..2 {
            let kafka = broker.kafka().until_end();
            let kept = kafka.positions(|topic, _| Ok(crate::Position::new(topic)));
            let messages = Stream::from_kafka(kept);
            let list = messages.map(|message| number(&message)).sink_to_list();
            messages.run(PATIENCE).await?;
            assert_eq!(list.to_vec(), [0, 1, 2]);
        }
        Ok(())
    })
}

#[test]
fn a_new_group_reads_messages_written_after_its_start() -> Outcome {
    let broker = Broker::with_partitions(1);
    block_on(async {
        broker.write(0..5, 1).await;
        let latest = broker.kafka().option("auto.offset.reset", "latest");
        let messages = Stream::from_kafka(latest.clone());
        let list = messages.map(|message| number(&message)).sink_to_list();
        messages.start()?;
        // This commit creates the group; the next source starts there, whatever was written meanwhile.
        until(|| broker.committed(1) == [Some(5)]).await;
        messages.drain(PATIENCE).await?;
        broker.write(5..8, 1).await;
        assert!(list.is_empty());
        let messages = Stream::from_kafka(latest.until_end());
        let list = messages.map(|message| number(&message)).sink_to_list();
        messages.run(PATIENCE).await?;
        assert_eq!(list.to_vec(), [5, 6, 7]);
        Ok(())
    })
}

#[test]
fn max_partitions_reads_only_the_first_partitions() -> Outcome {
    let broker = Broker::with_partitions(3);
    block_on(async {
        broker.write(0..9, 3).await;
        let messages = Stream::from_kafka(broker.kafka().max_partitions(1).until_end());
        let list = messages.map(|message| number(&message)).sink_to_list();
        messages.run(PATIENCE).await?;
        assert_eq!(list.to_vec(), [0, 3, 6]);
        assert_eq!(broker.committed(3), [Some(3), None, None]);
        Ok(())
    })
}

#[test]
fn a_slow_pipeline_pauses_the_partitions() -> Outcome {
    let broker = Broker::with_partitions(2);
    block_on(async {
        broker.write(0..5000, 2).await;
        let source = KafkaSource::from(broker.kafka().max_messages(100));
        let queue = source.queue();
        let (release, released) = bounded::<()>(1);
        let most = Arc::new(Mutex::new(0));
        let (seen, held) = (most.clone(), queue.clone());
        let messages = Stream::from_source(source);
        let list = messages
            .inspect(move |_| {
                let mut most = seen.lock().expect("no panic");
                *most = held.messages().max(*most);
            })
            .map_async(1, move |message| {
                let released = released.clone();
                async move {
                    // The first one waits until released, the others do not wait.
                    let _ = released.recv().await;
                    number(&message)
                }
            })
            .sink_to_list();
        messages.start()?;
        until(|| queue.room() == 0).await;
        drop(release);
        until(|| list.len() == 5000).await;
        messages.drain(PATIENCE).await?;
        let list = list.to_vec();
        for partition in 0..2 {
            let of_partition = list.iter().filter(|x| **x % 2 == partition);
            assert!(of_partition.copied().eq((partition..5000).step_by(2)));
        }
        let most = *most.lock().expect("no panic");
        assert!(most <= 200, "{most} messages were there");
        assert_eq!(broker.committed(2), [Some(2500), Some(2500)]);
        Ok(())
    })
}

#[test]
fn a_batch_comes_from_one_partition_and_is_committed_as_a_whole() -> Outcome {
    let broker = Broker::with_partitions(2);
    block_on(async {
        broker.write(0..50, 2).await;
        let kafka = broker.kafka().until_end();
        let batches = Stream::from_kafka_batches(kafka, Duration::from_millis(1), 10);
        let list = batches.sink_to_list();
        batches.run(PATIENCE).await?;
        let mut all = Vec::new();
        for batch in list.to_vec() {
            assert!(batch.len() <= 10);
            assert!(
                batch
                    .iter()
                    .all(|message| message.partition == batch[0].partition)
            );
            all.extend(batch.iter().map(number));
        }
        all.sort_unstable();
        assert!(all.into_iter().eq(0..50));
        assert_eq!(broker.committed(2), [Some(25), Some(25)]);
        Ok(())
    })
}
