//! Four members of one group share the work, each in its own process. Two are killed at random moments for good: no
//! message is lost, their partitions are taken over, and the order within each partition is kept.

use std::collections::BTreeMap;
use std::fs;
use std::time::SystemTime;

use super::*;
use crate::testing::kills::{Chance, Killed, Kills, seed};

const MEMBERS: [&str; 4] = ["a", "b", "c", "d"];
const PARTITIONS: i32 = 8;
/// Messages written before each kill, and at the end.
const SLICE: i32 = 4000;

/// Run by the test in four child processes.
#[test]
fn child() {
    let Some(killed) = Killed::this() else {
        return;
    };
    let [brokers, from, to, name] = ["BROKERS", "FROM", "TO", "NAME"].map(|x| killed.setting(x));
    let (begun, stop) = (killed.dir().join(&name), killed.dir().join("stop"));
    let kafka = Kafka::new(&brokers, [&from])
        .group(&from)
        .from_earliest()
        .commit_interval(Duration::from_millis(20))
        .option("session.timeout.ms", "6000")
        .option("heartbeat.interval.ms", "200");
    killed.run(async move {
        let messages = Stream::from_kafka(kafka);
        let records = messages.map(move |message: KafkaMessage| {
            // The test kills the process once this file exists.
            let _ = fs::write(&begun, "");
            let record = KafkaRecord::from(message.bytes().to_vec());
            let from = format!("{name} {}", message.offset);
            record.partition(message.partition).key(from)
        });
        let out = KafkaSink::new(&brokers, &to).option("linger.ms", "1");
        records.buffer(64).to_kafka(out);
        // Rebalancing is not a failure of the pipeline.
        messages.on_unhandled(drop);
        messages.start()?;
        while !stop.exists() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        messages.drain(PATIENCE).await
    });
}

/// Writes the numbers of a slice, to the partitions in turn.
async fn write(brokers: &str, topic: &str, slice: i32) {
    let source = Stream::new();
    source.to_kafka(KafkaSink::new(brokers, topic).option("linger.ms", "1"));
    let numbers = slice * SLICE..(slice + 1) * SLICE;
    let records = numbers.map(|x| KafkaRecord::from(x.to_string()).partition(x % PARTITIONS));
    source.emit_many(records).await.expect("there is a broker");
    source.drain(PATIENCE).await.expect("there is a broker");
}

#[test]
fn killing_two_of_four_members_loses_and_reorders_nothing() -> Outcome {
    // The real server, or else librdkafka's mock.
    let mut mock = None;
    let (brokers, from, to) = match (real::topic(PARTITIONS)?, real::topic(PARTITIONS)?) {
        (Some((brokers, from)), Some((_, to))) => (brokers, from, to),
        _ => {
            let topics = [("from", PARTITIONS), ("to", PARTITIONS)];
            let broker = mock.insert(TestBroker::start(topics)?);
            let address = broker.address().to_string();
            (address, "from".to_string(), "to".to_string())
        }
    };
    let mut chance = Chance::new(seed());
    let killing = Kills::of("kafka::tests::group_kills::child", 2)
        .setting("BROKERS", &brokers)
        .setting("FROM", &from)
        .setting("TO", &to);
    let mut members: Vec<_> = MEMBERS.map(|name| (name, killing.spawn(name))).into();
    let result = block_on(async {
        // Write messages until each member has its share.
        let begin = SystemTime::now();
        let mut slice = 0;
        while !MEMBERS.iter().all(|name| killing.dir().join(name).exists()) {
            assert!(begin.elapsed()? < PATIENCE, "a member gets nothing");
            write(&brokers, &from, slice).await;
            slice += 1;
        }
        for _ in 0..2 {
            let at = usize::try_from(chance.below(members.len() as u64))?;
            let (_, mut member) = members.swap_remove(at);
            write(&brokers, &from, slice).await;
            slice += 1;
            tokio::time::sleep(Duration::from_millis(chance.below(60))).await;
            member.kill()?;
            member.wait()?;
        }
        write(&brokers, &from, slice).await;
        look(&brokers, &to, (slice + 1) * SLICE).await
    });
    fs::write(killing.dir().join("stop"), "")?;
    for (name, mut member) in members {
        let ended = member.wait()?;
        assert!(ended.success(), "{name} has ended with {ended}");
    }
    println!("kafka::tests::group_kills: killed 2 times, seed {}", seed());
    result
}

/// Reads the output until it is complete. In each partition a message may be repeated together with its successors, but
/// never before an earlier one.
async fn look(brokers: &str, topic: &str, count: i32) -> Outcome {
    let group = format!("{topic}-look");
    let kafka = Kafka::new(brokers, [topic]).group(group).from_earliest();
    let messages = Stream::from_kafka(kafka);
    let list = messages
        .map(|message| {
            let from = String::from_utf8_lossy(message.key.as_deref().unwrap_or_default());
            let from = format!("{} of {from}", message.offset);
            (message.partition, number(&message), from)
        })
        .sink_to_list();
    messages.start()?;
    let (mut next, mut seen) = (BTreeMap::new(), 0);
    let mut missing = count;
    let end = SystemTime::now() + PATIENCE;
    while missing > 0 {
        assert!(SystemTime::now() < end, "{missing} messages are missing");
        tokio::time::sleep(Duration::from_millis(20)).await;
        let all = list.to_vec();
        for (partition, x, _) in &all[seen..] {
            let next = next.entry(*partition).or_insert(*partition);
            let of_partition = all.iter().filter(|one| one.0 == *partition);
            assert!(
                *x <= *next,
                "{x} of {partition} has come before {next}: {:?}",
                of_partition
                    .skip_while(|one| one.1 + 10 * PARTITIONS < *next)
                    .take(60)
                    .collect::<Vec<_>>()
            );
            if x == next {
                *next += PARTITIONS;
                missing -= 1;
            }
        }
        seen = all.len();
    }
    Ok(messages.drain(PATIENCE).await?)
}
