//! A pipeline from a topic into a file is killed at random moments and started again, until it has all: no message is
//! missing. `THALWEG_KILLS` says how often it is killed.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::{env, fs, thread};

use thalweg::Stream;

use super::*;
use crate::textfile::SinkToTextFile;

fn kills() -> u32 {
    let kills = env::var("THALWEG_KILLS");
    kills.ok().and_then(|kills| kills.parse().ok()).unwrap_or(3)
}

/// Enough for a run that is killed not to be the last one.
fn elements() -> u32 {
    2000 * (kills() + 1)
}

fn numbers(dir: &Path) -> BTreeSet<u32> {
    let text = fs::read_to_string(dir.join("out")).unwrap_or_default();
    // The last line may have been cut off.
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().filter_map(|line| line.parse().ok()).collect()
}

/// Is run by the test, in a process of its own. It does nothing otherwise.
#[test]
fn child() {
    let (Ok(dir), Ok(port)) = (env::var("THALWEG_KILL_DIR"), env::var("THALWEG_KILL_PORT")) else {
        return;
    };
    let dir = Path::new(&dir);
    let port = port.parse().expect("a port");
    runtime().block_on(async {
        let mqtt = Mqtt::new("127.0.0.1", port, "numbers").client_id("reader");
        let messages = Stream::from_mqtt(mqtt);
        // Messages are done in another order, and some later than others.
        let texts = messages.map_async(8, |message: MqttMessage| async move {
            for _ in 0..message.payload.last().unwrap_or(&0) % 4 {
                tokio::task::yield_now().await;
            }
            text(&message)
        });
        texts.buffer(64).sink_to_textfile(dir.join("out"));
        messages.start().expect("it can be started");
        fs::write(dir.join("begun"), "").expect("there is room");
        while numbers(dir).len() < elements() as usize {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        messages.drain("30s").await.expect("there is a broker");
    });
    fs::write(dir.join("done"), "").expect("there is room");
}

fn start(dir: &Path, port: u16) -> std::process::Child {
    let mut child = Command::new(env::current_exe().expect("it runs"));
    child.args(["--exact", "mqtt::tests::kills::child"]);
    child.env("THALWEG_KILL_DIR", dir);
    child.env("THALWEG_KILL_PORT", port.to_string());
    child.stdout(Stdio::null()).stderr(Stdio::null());
    child.spawn().expect("it can be started")
}

#[test]
fn killed_from_mqtt_into_a_file_nothing_is_lost() -> Tested {
    let Some(broker) = Mosquitto::start()? else {
        return Ok(());
    };
    let dir = tempfile::tempdir()?;
    runtime().block_on(async {
        // The broker keeps what comes for a client that has subscribed.
        write(broker.topic("numbers").retain(true), &["begin"]).await?;
        read(broker.topic("numbers").client_id("reader"), 1).await?;
        write(broker.topic("numbers").retain(true), &[""]).await
    })?;
    let port = broker.port;
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
    // Not random enough for anything else.
    let mut chance = u64::from(std::process::id());
    for at in 0..=kills() {
        let _ = fs::remove_file(dir.path().join("begun"));
        let mut child = start(dir.path(), port);
        while !dir.path().join("begun").exists()
            && child.try_wait().is_ok_and(|ended| ended.is_none())
        {
            thread::sleep(Duration::from_millis(2));
        }
        if at < kills() {
            chance = chance
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            thread::sleep(Duration::from_millis((chance >> 33) % 100));
            let _ = child.kill();
        }
        child.wait()?;
    }
    writing.join().expect("it writes")?;
    assert!(
        dir.path().join("done").exists(),
        "the last run was not killed"
    );
    let found = numbers(dir.path());
    let missing = (1..=elements()).find(|number| !found.contains(number));
    assert_eq!(missing, None, "a message is missing");
    Ok(())
}
