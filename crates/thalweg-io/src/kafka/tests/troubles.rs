//! Numbers pass through a topic while the broker is down again and again: none is missing.

use super::*;
use crate::testing::kills::Chance;
use crate::testing::trouble::{Breakable, Passage};

/// Id of the only broker.
const ID: i32 = 1;

/// Reconnects with short pauses.
const SOON: [(&str, &str); 2] = [
    ("reconnect.backoff.ms", "10"),
    ("reconnect.backoff.max.ms", "50"),
];

impl Breakable for Broker {
    fn fail(&mut self, _: &mut Chance) {
        self.cluster.broker_down(ID).expect("it is up");
    }

    fn repair(&mut self) {
        self.cluster.broker_up(ID).expect("it is down");
    }
}

#[test]
fn it_survives_restarts() -> Outcome {
    let broker = Broker::with_partitions(3);
    let to = Stream::new();
    let sink = broker.sink();
    to.to_kafka(
        SOON.iter()
            .fold(sink, |sink, (name, value)| sink.option(*name, *value)),
    );
    let kafka = broker.kafka();
    let kafka = SOON
        .iter()
        .fold(kafka, |kafka, (name, value)| kafka.option(*name, *value));
    let messages = Stream::from_kafka(kafka);
    let from = messages.map(|message| String::from_utf8_lossy(message.bytes()).into_owned());
    Passage::survives("kafka, restarts", &to, &from.buffer(64), broker)
}
