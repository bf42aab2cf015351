//! Members that share the partitions of a topic.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use async_channel::bounded;

use super::*;

fn share(strategy: &str) -> Outcome {
    let broker = Broker::with_partitions(4);
    block_on(async {
        broker.write(0..1000, 4).await;
        let seen = Arc::new(Mutex::new(Vec::new()));
        let join = |name: &'static str| {
            let seen = seen.clone();
            let kafka = broker
                .kafka()
                .option("partition.assignment.strategy", strategy);
            let messages = Stream::from_kafka(kafka);
            messages
                .map(|message| number(&message))
                .sink(move |x| seen.lock().expect("no panic").push((name, x)));
            messages.start().map(|()| messages)
        };
        // Some may arrive twice: offsets are not committed while members join.
        let distinct = || {
            let seen = seen.lock().expect("no panic");
            seen.iter().map(|(_, x)| *x).collect::<BTreeSet<_>>().len()
        };
        let first = join("first")?;
        until(|| distinct() == 1000).await;
        let second = join("second")?;
        let has_part = || {
            let seen = seen.lock().expect("no panic");
            seen.iter().any(|(name, x)| *name == "second" && *x >= 1000)
        };
        let mut next = 1000;
        while !has_part() {
            assert!(next < 100_000, "the second one gets nothing");
            broker.write(next..next + 4, 4).await;
            next += 4;
        }
        until(|| distinct() == usize::try_from(next).unwrap_or(0)).await;
        // The first one leaves, and the second one takes over.
        first.drain(PATIENCE).await?;
        broker.write(next..next + 400, 4).await;
        next += 400;
        until(|| distinct() == usize::try_from(next).unwrap_or(0)).await;
        second.drain(PATIENCE).await?;
        assert_eq!(broker.committed(4), [Some(i64::from(next / 4)); 4]);
        Ok(())
    })
}

#[test]
fn members_share_partitions_eagerly() -> Outcome {
    share("range")
}

#[test]
fn members_share_partitions_cooperatively() -> Outcome {
    share("cooperative-sticky")
}

#[test]
fn messages_in_flight_too_long_are_read_again_by_the_next_member() -> Outcome {
    let broker = Broker::with_partitions(1);
    block_on(async {
        broker.write(0..10, 1).await;
        let (release, released) = bounded::<()>(1);
        let kafka = broker.kafka().revoke_timeout(Duration::ZERO);
        let source = KafkaSource::from(kafka);
        let closer = source.closer();
        let messages = Stream::from_source(source);
        let held = messages
            .map_async_unordered(10, move |message| {
                let released = released.clone();
                async move {
                    let number = number(&message);
                    if number >= 5 {
                        let _ = released.recv().await;
                    }
                    number
                }
            })
            .sink_to_list();
        messages.start()?;
        until(|| held.len() == 5).await;
        until(|| messages.counters().sent == 10).await;
        messages.stop();
        closer.close().await?;
        // They are done now, but the partition belongs to another member.
        let next = Stream::from_kafka(broker.kafka().until_end());
        let list = next.map(|message| number(&message)).sink_to_list();
        drop(release);
        until(|| held.len() == 10).await;
        assert_eq!(broker.committed(1), [Some(5)]);
        next.run(PATIENCE).await?;
        assert_eq!(list.to_vec(), [5, 6, 7, 8, 9]);
        assert_eq!(broker.committed(1), [Some(10)]);
        messages.drain(PATIENCE).await?;
        Ok(())
    })
}
