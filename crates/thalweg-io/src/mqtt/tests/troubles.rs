//! Numbers pass through a topic while the network or the broker fails again and again: none is missing.

use thalweg::Stream;

use super::*;
use crate::testing::Proxy;
use crate::testing::kills::Chance;
use crate::testing::trouble::{Breakable, Passage};

impl Breakable for Mosquitto {
    fn fail(&mut self, _: &mut Chance) {
        self.end();
    }

    fn repair(&mut self) {
        self.start_again().expect("it has started before");
    }
}

/// The ends of a way through the topic: a sink, and a source.
fn ends(port: u16, version: MqttVersion) -> (Stream<String>, Stream<String>) {
    let mqtt = Mqtt::new("127.0.0.1", port, "numbers");
    let mqtt = mqtt.version(version).retries(1000);
    let mqtt = mqtt.wait(Duration::from_millis(5));
    let to = Stream::new();
    to.to_mqtt(mqtt.clone());
    let messages = Stream::from_mqtt(mqtt.client_id("reader"));
    (to, messages.map(|message| text(&message)).buffer(64))
}

fn survives_a_bad_network(what: &str, version: MqttVersion) -> Tested {
    let Some(broker) = Mosquitto::start()? else {
        return Ok(());
    };
    let proxy = Proxy::to(&format!("127.0.0.1:{}", broker.port())).piece(64);
    let proxy = Arc::new(proxy.start()?);
    let (to, from) = ends(proxy.address().port(), version);
    Passage::survives(what, &to, &from, proxy)
}

fn survives_restarts(what: &str, version: MqttVersion) -> Tested {
    let Some(broker) = Mosquitto::start()? else {
        return Ok(());
    };
    let (to, from) = ends(broker.port(), version);
    Passage::survives(what, &to, &from, broker)
}

#[test]
fn mqtt_3_survives_a_bad_network() -> Tested {
    survives_a_bad_network("mqtt 3, network", MqttVersion::V3)
}

#[test]
fn mqtt_5_survives_a_bad_network() -> Tested {
    survives_a_bad_network("mqtt 5, network", MqttVersion::V5)
}

#[test]
fn mqtt_3_survives_restarts() -> Tested {
    survives_restarts("mqtt 3, restarts", MqttVersion::V3)
}

#[test]
fn mqtt_5_survives_restarts() -> Tested {
    survives_restarts("mqtt 5, restarts", MqttVersion::V5)
}
