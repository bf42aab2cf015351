//! A pipeline from a topic into a file is killed at random moments and restarted until it is done: no message is
//! missing.

use std::thread;

use thalweg::Stream;

use super::*;
use crate::testing::kills::{Killed, Kills, Numbers, kills};
use crate::textfile::SinkToTextFile;

/// Enough elements that a killed run is never the last one.
fn elements() -> u32 {
    2000 * (kills(3) + 1)
}

/// Run by the test in a child process.
#[test]
fn child() {
    let Some(killed) = Killed::this() else {
        return;
    };
    let port = killed.setting("PORT").parse().expect("a port");
    let out = killed.dir().join("out");
    let messages = Stream::from_mqtt(Mqtt::new("127.0.0.1", port, "numbers").client_id("reader"));
    // Messages are acknowledged out of order, and some late.
    let texts = messages.map_async(8, |message: MqttMessage| async move {
        for _ in 0..message.payload.last().unwrap_or(&0) % 4 {
            tokio::task::yield_now().await;
        }
        text(&message)
    });
    texts.buffer(64).sink_to_textfile(&out);
    killed.begin();
    killed.run(async move {
        messages.start()?;
        Numbers::of(out, elements()).all().await;
        messages.drain("30s").await
    });
}

#[test]
fn a_killed_pipeline_from_mqtt_to_a_file_loses_nothing() -> Tested {
    let Some(broker) = Mosquitto::start()? else {
        return Ok(());
    };
    runtime().block_on(async {
        // The broker keeps messages for a client that has subscribed.
        write(broker.topic("numbers").retain(true), &["begin"]).await?;
        read(broker.topic("numbers").client_id("reader"), 1).await?;
        write(broker.topic("numbers").retain(true), &[""]).await
    })?;
    let port = broker.port();
    let writing = thread::spawn(move || {
        runtime().block_on(async {
            let source = Stream::new();
            source.to_mqtt(Mqtt::new("127.0.0.1", port, "numbers"));
            source
                .emit_many((1..=elements()).map(|number| number.to_string()))
                .await?;
            source.drain("60s").await
        })
    });
    let killing = Kills::of("mqtt::tests::kills::child", kills(3)).setting("PORT", port);
    killing.run();
    writing.join().expect("it writes")?;
    let missing = Numbers::of(killing.dir().join("out"), elements()).missing();
    assert_eq!(missing, None, "a message is missing");
    Ok(())
}
