mod connections;
#[cfg(unix)]
mod kills;
mod peer;
mod server;
#[cfg(feature = "tcp")]
mod tls;
#[cfg(unix)]
mod troubles;

use std::error::Error;
use std::sync::{Arc, Mutex};
use std::thread;

use thalweg::{OnError, Stream};
use tokio::runtime::{Builder, Runtime};

use self::peer::Peer;
use self::server::Mosquitto;
use super::*;

type Tested = Result<(), Box<dyn Error>>;

fn runtime() -> Runtime {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.expect("there are descriptors")
}

fn text(message: &MqttMessage) -> String {
    String::from_utf8_lossy(&message.payload).into_owned()
}

const VERSIONS: [MqttVersion; 2] = [MqttVersion::V3, MqttVersion::V5];

#[test]
fn a_rejected_login_ends_the_source() -> Tested {
    // As in MQTT 3.1.1 and 5.
    for (version, answer) in [
        (MqttVersion::V3, &[0x20, 2, 0, 5][..]),
        (MqttVersion::V5, &[0x20, 3, 0, 0x87, 0]),
    ] {
        let (port, served) = peer::serve(move |mut peer| {
            peer.packet();
            peer.send(answer);
        })?;
        let mqtt = Mqtt::new("127.0.0.1", port, "house/roof").version(version);
        let mqtt = mqtt.login("me", "secret");
        assert!(!format!("{mqtt:?}").contains("secret"));
        let ended = runtime().block_on(async { Stream::from_mqtt(mqtt).run("30s").await });
        let error = ended.expect_err("it is refused").to_string();
        let named = format!("MQTT at 127.0.0.1:{port}, topic `house/roof`: ");
        assert!(error.contains(&named), "{error}");
        assert!(
            error.contains("`NotAuthorized`; check the login"),
            "{error}"
        );
        served.join().expect("it serves");
    }
    Ok(())
}

#[test]
fn a_message_is_acknowledged_when_the_last_sink_is_done() -> Tested {
    let log = Arc::new(Mutex::new(Vec::new()));
    let note = |log: &Mutex<Vec<String>>, what: String| {
        log.lock().expect("nobody panics").push(what);
    };
    let acks = log.clone();
    let (port, served) = peer::serve(move |mut peer| {
        peer.accept_subscriber();
        for number in 1..=3 {
            peer.publish("numbers", number, &number.to_string());
        }
        for _ in 0..2 {
            note(&acks, format!("acknowledged {}", peer.acknowledged()));
        }
    })?;
    let done = log.clone();
    runtime().block_on(async {
        let messages = Stream::from_mqtt(Mqtt::new("127.0.0.1", port, "numbers"));
        let numbers = messages.map(|message| text(&message));
        // The third one is still held when the drain starts, which sends it.
        numbers.partition(2).sink_async(move |pair: Vec<String>| {
            let done = done.clone();
            async move {
                tokio::task::yield_now().await;
                note(&done, format!("done with {pair:?}"));
            }
        });
        messages.start()?;
        while log.lock().expect("nobody panics").len() < 3 {
            tokio::task::yield_now().await;
        }
        drop(messages.drain("30s").await);
        Ok::<(), Box<dyn Error>>(())
    })?;
    served.join().expect("it serves");
    let log = log.lock().expect("nobody panics");
    assert_eq!(log[0], r#"done with ["1", "2"]"#);
    assert_eq!(log[1..3], ["acknowledged 1", "acknowledged 2"]);
    Ok(())
}

#[test]
fn unconfirmed_messages_are_sent_again_over_a_new_connection() -> Tested {
    let (port, served) = peer::serve(|mut peer: Peer| {
        peer.accept();
        let first = peer.published();
        peer.acknowledge(first.packet_id);
        let second = peer.published();
        // The connection breaks before the second is acknowledged.
        drop(peer.next_connection());
        peer.accept();
        let again = peer.published();
        peer.acknowledge(again.packet_id);
        peer.finish();
        [first.payload, second.payload, again.payload]
    })?;
    runtime().block_on(async {
        let source = Stream::new();
        source.to_mqtt(Mqtt::new("127.0.0.1", port, "numbers").wait(Duration::from_millis(1)));
        source.emit_many(["one", "two"]).await?;
        source.drain("30s").await
    })?;
    assert_eq!(served.join().expect("it serves"), ["one", "two", "two"]);
    Ok(())
}

#[test]
fn an_unreachable_broker_is_named() -> Tested {
    // The port is closed now.
    let port = std::net::TcpListener::bind("127.0.0.1:0")?
        .local_addr()?
        .port();
    let mqtt = Mqtt::new("127.0.0.1", port, "numbers").wait(Duration::from_millis(1));
    let problem = runtime().block_on(async {
        let source = Stream::new();
        source.to_mqtt(mqtt.retries(2));
        match source.emit("one").await {
            Ok(()) => source.drain("30s").await,
            failed => failed,
        }
    });
    let problem = problem.expect_err("nobody listens").to_string();
    let named = format!("MQTT at 127.0.0.1:{port}: not written to topic `numbers`: ");
    assert!(
        problem.contains(&named) && problem.contains("tried 3 times"),
        "{problem}"
    );
    Ok(())
}

#[test]
fn wrong_arguments_are_build_errors() {
    let reading = Stream::from_mqtt(Mqtt::new("localhost", 1, "x").client_id(""));
    let error = reading.check().expect_err("it is wrong").to_string();
    assert!(error.contains("the client's id is empty"), "{error}");
    for topic in ["house/#/light", "house+", "house/light#", "##"] {
        let reading = Stream::from_mqtt(Mqtt::new("localhost", 1, topic));
        let error = reading.check().expect_err("it is wrong").to_string();
        assert!(error.contains("`#` comes last"), "{error}");
    }
    for topic in [
        "#",
        "+",
        "+/light/#",
        "house/+/light",
        "/",
        "$share/readers/house/#",
    ] {
        let reading = Stream::from_mqtt(Mqtt::new("localhost", 1, topic));
        reading.check().expect("it is right");
    }
    let source = Stream::<String>::new();
    source.to_mqtt(Mqtt::new("localhost", 1, "house/+"));
    let error = source.check().expect_err("it is wrong").to_string();
    assert!(error.contains("nothing can be written to it"), "{error}");
}

#[test]
fn an_oversized_message_fails_alone() -> Tested {
    let (port, served) = peer::serve(|mut peer: Peer| {
        peer.accept();
        let payloads = [(); 2].map(|()| {
            let message = peer.published();
            peer.acknowledge(message.packet_id);
            message.payload
        });
        peer.finish();
        payloads
    })?;
    let failures = Arc::new(Mutex::new(Vec::new()));
    let log = failures.clone();
    runtime().block_on(async {
        let source = Stream::new();
        source.on_unhandled(move |failure| {
            log.lock().expect("nobody panics").push(failure.to_string());
        });
        source.to_mqtt(Mqtt::new("127.0.0.1", port, "numbers").max_len(100));
        source
            .emit_many(["one".to_string(), "x".repeat(200), "three".to_string()])
            .await?;
        source.drain("30s").await
    })?;
    assert_eq!(served.join().expect("it serves"), ["one", "three"]);
    let failures = failures.lock().expect("nobody panics");
    assert!(failures[0].contains("100 are the most"), "{failures:?}");
    Ok(())
}

/// Sends texts to a topic, and waits until the broker has accepted them.
async fn write(mqtt: Mqtt, texts: &[&str]) -> Tested {
    let source = Stream::new();
    source.to_mqtt(mqtt);
    source
        .emit_many(texts.iter().map(|text| (*text).to_string()))
        .await?;
    Ok(source.drain("30s").await?)
}

/// The first texts of a topic, this many.
async fn read(mqtt: Mqtt, count: usize) -> Result<Vec<String>, Box<dyn Error>> {
    let messages = Stream::from_mqtt(mqtt);
    let list = messages.map(|message| text(&message)).sink_to_list();
    messages.start()?;
    while list.len() < count {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    messages.drain("30s").await?;
    Ok(list.to_vec())
}

#[test]
fn messages_for_a_disconnected_client_are_kept() -> Tested {
    let Some(broker) = Mosquitto::start()? else {
        return Ok(());
    };
    for (version, topic) in VERSIONS.into_iter().zip(["three", "five"]) {
        let mqtt = broker.topic(topic).version(version);
        let reader = mqtt.clone().client_id(topic);
        runtime().block_on(async {
            // The client must have subscribed once.
            let writing = write(mqtt.clone().retain(true), &["first"]).await;
            writing?;
            assert_eq!(read(reader.clone(), 1).await?, ["first"]);
            write(mqtt.clone(), &["second", "third"]).await?;
            let again = read(reader.clone(), 2).await?;
            let again = again.iter().filter(|text| *text != "first");
            assert!(again.eq(&["second", "third"]));
            Ok::<(), Box<dyn Error>>(())
        })?;
    }
    Ok(())
}

#[test]
fn failed_messages_are_delivered_again_and_acknowledged_ones_are_not() -> Tested {
    let Some(broker) = Mosquitto::start()? else {
        return Ok(());
    };
    let reader = broker.topic("numbers").client_id("reader");
    runtime().block_on(async {
        write(broker.topic("numbers").retain(true), &["one"]).await?;
        assert_eq!(read(reader.clone(), 1).await?, ["one"]);
        write(broker.topic("numbers").retain(true), &[""]).await?;
        write(broker.topic("numbers"), &["two", "three", "four"]).await?;
        let messages = Stream::from_mqtt(reader.clone());
        let texts = messages.map(|message| text(&message));
        let seen = texts.sink_to_list();
        let failing = texts.try_map(|text: &String| match text.as_str() {
            "three" => Err("not yet"),
            _ => Ok(()),
        });
        failing.on_error(OnError::Raise).sink(drop);
        messages.on_unhandled(|_| ());
        messages.start()?;
        while !seen.to_vec().contains(&"four".to_string()) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        drop(messages.drain("30s").await);
        assert_eq!(read(reader, 1).await?, ["three"]);
        Ok::<(), Box<dyn Error>>(())
    })?;
    Ok(())
}

#[test]
fn the_connection_is_restored_when_the_broker_returns() -> Tested {
    let Some(mut broker) = Mosquitto::start()? else {
        return Ok(());
    };
    let mqtt = broker.topic("numbers").wait(Duration::from_millis(5));
    runtime().block_on(async {
        write(mqtt.clone().retain(true), &["one"]).await?;
        let messages = Stream::from_mqtt(mqtt.clone());
        let problems = messages
            .errors()
            .map(|failure| failure.to_string())
            .sink_to_list();
        let list = messages.map(|message| text(&message)).sink_to_list();
        messages.start()?;
        while list.is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        broker.stop();
        while problems.is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // Only after it has found the port closed.
        thread::yield_now();
        broker.start_again()?;
        write(mqtt.clone().retain(true), &["two"]).await?;
        while list.len() < 2 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        messages.drain("30s").await?;
        assert_eq!(list.to_vec(), ["one", "two"]);
        let problems = problems.to_vec();
        assert_eq!(problems.len(), 1, "it is said once: {problems:?}");
        assert!(problems[0].contains("topic `numbers`"), "{problems:?}");
        Ok::<(), Box<dyn Error>>(())
    })
}
