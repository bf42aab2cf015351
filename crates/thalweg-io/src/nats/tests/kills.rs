//! A pipeline from one JetStream stream into another is killed at random moments and restarted until it is done: no
//! message is missing, and with ids none is duplicated.

use std::thread;

use thalweg::Stream;

use super::*;
use crate::nats::connection::Link;
use crate::testing::kills::{Killed, Kills, Numbers, kills};
use crate::textfile::SinkToTextFile;

/// Enough elements that a killed run is never the last one.
fn elements() -> u32 {
    4000 * (kills(3) + 1)
}

/// Number of messages in the target stream.
async fn copied(link: &Link) -> u64 {
    let stream = link.jetstream.get_stream("COPIES").await;
    stream.map_or(0, |stream| stream.cached_info().state.messages)
}

/// Run by the tests in a child process.
#[test]
fn child() {
    let Some(killed) = Killed::this() else {
        return;
    };
    let port = killed.setting("PORT").parse().expect("a port");
    let (out, sink) = (killed.dir().join("out"), killed.setting("SINK"));
    let numbers = kept(port, "numbers")
        .durable("reader")
        .ack_wait(Duration::from_millis(500));
    let messages = Stream::from_nats(numbers);
    // They are acknowledged out of order, and some late.
    let records = messages.map_async(8, |message: NatsMessage| async move {
        for _ in 0..message.payload.last().unwrap_or(&0) % 4 {
            tokio::task::yield_now().await;
        }
        NatsRecord::from(message.payload).id(message.sequence.to_string())
    });
    match sink.as_str() {
        "stream" => records.buffer(64).to_nats(kept(port, "copies")),
        _ => records
            .map(|record| text(&record.payload))
            .buffer(64)
            .sink_to_textfile(&out),
    };
    killed.begin();
    killed.run(async move {
        messages.start()?;
        if sink == "stream" {
            let link = Link::open(&kept(port, "copies")).await;
            let link = link.expect("there is a server");
            while copied(&link).await < u64::from(elements()) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        } else {
            Numbers::of(out, elements()).all().await;
        }
        messages.drain("30s").await
    });
}

fn kill(server: &Server, sink: &str) -> Result<Kills, Box<dyn Error>> {
    let port = server.port();
    let writing = thread::spawn(move || {
        runtime().block_on(async {
            let source = Stream::new();
            source.to_nats(kept(port, "numbers"));
            source
                .emit_many((1..=elements()).map(|number| number.to_string()))
                .await?;
            source.drain("60s").await
        })
    });
    let killing = Kills::of("nats::tests::kills::child", kills(3))
        .setting("PORT", port)
        .setting("SINK", sink);
    killing.run();
    writing.join().expect("it writes")?;
    Ok(killing)
}

#[test]
fn a_killed_pipeline_from_jetstream_to_a_file_loses_nothing() -> Tested {
    let Some(server) = Server::start()? else {
        return Ok(());
    };
    let killed = kill(&server, "file")?;
    let missing = Numbers::of(killed.dir().join("out"), elements()).missing();
    assert_eq!(missing, None, "a message is missing");
    Ok(())
}

#[test]
fn a_killed_pipeline_from_jetstream_to_jetstream_loses_and_doubles_nothing() -> Tested {
    let Some(server) = Server::start()? else {
        return Ok(());
    };
    kill(&server, "stream")?;
    runtime().block_on(async {
        let copies = server.kept("copies").durable("reader");
        let texts = read(copies, elements() as usize, "").await?;
        let mut numbers: Vec<u32> = texts.iter().filter_map(|text| text.parse().ok()).collect();
        numbers.sort_unstable();
        assert!(
            numbers.into_iter().eq(1..=elements()),
            "missing, or there twice"
        );
        Ok(())
    })
}
