//! MQTT, with quality of service 1: messages that the broker has kept for a client.

use std::time::Duration;

use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Packet, QoS};
use thalweg::Stream;
use thalweg_io::{Mqtt, prelude::*};

use super::{LEN, LIMIT, Meter, runtime, through_a_map, unique};
use crate::measure::Pair;
use crate::report::{Line, speed};

fn connect(port: u16, id: &str) -> (AsyncClient, EventLoop) {
    let mut options = MqttOptions::new(id, "127.0.0.1", port);
    options.set_clean_session(false);
    AsyncClient::new(options, 100)
}

/// A topic, also the id of a client for which the broker has kept messages.
fn filled(port: u16, count: u64) -> String {
    let topic = unique("mqtt");
    runtime().block_on(async {
        let (client, mut events) = connect(port, &topic);
        let subscribed = client.subscribe(&topic, QoS::AtLeastOnce).await;
        subscribed.expect("the client has room");
        loop {
            let event = events.poll().await.expect("there is a broker");
            if matches!(event, Event::Incoming(Packet::SubAck(_))) {
                break;
            }
        }
        client.disconnect().await.expect("the client has room");
        while events.poll().await.is_ok() {}

        let source = Stream::new();
        source.to_mqtt(Mqtt::new("127.0.0.1", port, &topic));
        let messages = (0..count).map(|_| vec![b'x'; LEN]);
        source.emit_many(messages).await.expect("there is a broker");
        source.drain(LIMIT).await.expect("there is a broker");
    });
    topic
}

async fn read(port: u16, id: &str, count: u64) -> f64 {
    let (_client, mut events) = connect(port, id);
    let meter = Meter::default();
    while meter.count() < count {
        let event = tokio::time::timeout(LIMIT, events.poll()).await;
        let event = event.expect("messages come").expect("there is a broker");
        if let Event::Incoming(Packet::Publish(message)) = event {
            meter.add(message.payload.len());
        }
    }
    meter.per_message()
}

pub(super) fn throughput(address: &str, quick: bool) -> Vec<Line> {
    let port = address
        .rsplit(':')
        .next()
        .and_then(|port| port.parse().ok());
    let port = port.expect("the address ends with a port");
    let (count, rounds) = if quick { (5_000, 3) } else { (50_000, 7) };
    let ours = || {
        let topic = filled(port, count);
        let mqtt = Mqtt::new("127.0.0.1", port, &topic).client_id(&topic);
        let mqtt = mqtt.keep_alive(Duration::from_secs(60));
        through_a_map(
            || Stream::from_mqtt(mqtt),
            |message| message.payload.len(),
            count,
        )
    };
    let peer = || {
        let topic = filled(port, count);
        runtime().block_on(read(port, &topic, count))
    };
    let pair = Pair::measure(rounds, ours, peer);
    vec![speed(
        "MQTT → `map` → sink, one message of quality 1",
        "`rumqttc`",
        (0.8, "≥ 0.8 of its speed"),
        &pair,
    )]
}
