//! A pipeline from a stream or a list into a file is killed at random moments and restarted until it is done: no
//! element is missing.

use std::thread;

use thalweg::Stream;

use super::*;
use crate::testing::kills::{Killed, Kills, Numbers, kills};
use crate::textfile::SinkToTextFile;

/// Enough elements that a killed run is never the last one.
fn elements() -> u32 {
    4000 * (kills(3) + 1)
}

/// Run by the tests in a child process.
#[test]
fn child() {
    let Some(killed) = Killed::this() else {
        return;
    };
    let port = killed.setting("PORT").parse().expect("a port");
    let (key, out) = (killed.setting("KEY"), killed.dir().join("out"));
    let redis = at(port, &key).group("group");
    let values = match key.as_str() {
        "stream" => {
            Stream::from_redis_stream(redis).map(|entry| Bytes::copy_from_slice(entry.value()))
        }
        _ => Stream::from_redis_list(redis),
    };
    // They are acknowledged out of order, and some late.
    let texts = values.map_async(8, |value: Bytes| async move {
        for _ in 0..value.last().unwrap_or(&0) % 4 {
            tokio::task::yield_now().await;
        }
        text(&value)
    });
    texts.buffer(64).sink_to_textfile(&out);
    killed.begin();
    killed.run(async move {
        values.start()?;
        Numbers::of(out, elements()).all().await;
        values.drain("30s").await
    });
}

fn kill(key: &'static str) -> Tested {
    let Some(server) = Server::start()? else {
        return Ok(());
    };
    let port = server.port();
    let writing = thread::spawn(move || {
        runtime().block_on(async {
            let source = Stream::new();
            match key {
                "stream" => source.to_redis_stream(at(port, key)),
                _ => source.to_redis_list(at(port, key)),
            };
            source
                .emit_many((1..=elements()).map(|number| number.to_string()))
                .await?;
            source.drain("60s").await
        })
    });
    let killing = Kills::of("redis::tests::kills::child", kills(3))
        .setting("PORT", port)
        .setting("KEY", key)
        .within(Duration::from_millis(60));
    killing.run();
    writing.join().expect("it writes")?;
    let missing = Numbers::of(killing.dir().join("out"), elements()).missing();
    assert_eq!(missing, None, "an element is missing");
    Ok(())
}

#[test]
fn a_killed_pipeline_from_a_stream_to_a_file_loses_nothing() -> Tested {
    kill("stream")
}

#[test]
fn a_killed_pipeline_from_a_list_to_a_file_loses_nothing() -> Tested {
    kill("list")
}
