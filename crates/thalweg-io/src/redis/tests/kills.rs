//! A pipeline from a stream or a list into a file is killed at random moments and started again, until it has all: no
//! element is missing. `THALWEG_KILLS` says how often each is killed.

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
    4000 * (kills() + 1)
}

fn numbers(dir: &Path) -> BTreeSet<u32> {
    let text = fs::read_to_string(dir.join("out")).unwrap_or_default();
    // The last line may have been cut off.
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().filter_map(|line| line.parse().ok()).collect()
}

/// Is run by the tests, in a process of its own. It does nothing otherwise.
#[test]
fn child() {
    let (Ok(dir), Ok(port), Ok(key)) = (
        env::var("THALWEG_KILL_DIR"),
        env::var("THALWEG_KILL_PORT"),
        env::var("THALWEG_KILL_KEY"),
    ) else {
        return;
    };
    let dir = Path::new(&dir);
    let redis = at(port.parse().expect("a port"), &key).group("group");
    runtime().block_on(async {
        let values = match key.as_str() {
            "stream" => {
                Stream::from_redis_stream(redis).map(|entry| Bytes::copy_from_slice(entry.value()))
            }
            _ => Stream::from_redis_list(redis),
        };
        // They are done in another order, and some later than others.
        let texts = values.map_async(8, |value: Bytes| async move {
            for _ in 0..value.last().unwrap_or(&0) % 4 {
                tokio::task::yield_now().await;
            }
            String::from_utf8_lossy(&value).into_owned()
        });
        texts.buffer(64).sink_to_textfile(dir.join("out"));
        values.start().expect("it can be started");
        fs::write(dir.join("begun"), "").expect("there is room");
        while numbers(dir).len() < elements() as usize {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        values.drain("30s").await.expect("there is a server");
    });
    fs::write(dir.join("done"), "").expect("there is room");
}

fn kill(key: &'static str) -> Tested {
    let Some(server) = Server::start()? else {
        return Ok(());
    };
    let dir = tempfile::tempdir()?;
    let port = server.port;
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
    // Not random enough for anything else.
    let mut chance = u64::from(std::process::id());
    for at in 0..=kills() {
        let _ = fs::remove_file(dir.path().join("begun"));
        let mut child = Command::new(env::current_exe()?);
        child.args(["--exact", "redis::tests::kills::child"]);
        child
            .env("THALWEG_KILL_DIR", dir.path())
            .env("THALWEG_KILL_KEY", key);
        child.env("THALWEG_KILL_PORT", port.to_string());
        child.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = child.spawn()?;
        while !dir.path().join("begun").exists()
            && child.try_wait().is_ok_and(|ended| ended.is_none())
        {
            thread::sleep(Duration::from_millis(2));
        }
        if at < kills() {
            chance = chance
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            thread::sleep(Duration::from_millis((chance >> 33) % 60));
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
    assert_eq!(missing, None, "an element is missing");
    Ok(())
}

#[test]
fn killed_from_a_stream_into_a_file_nothing_is_lost() -> Tested {
    kill("stream")
}

#[test]
fn killed_from_a_list_into_a_file_nothing_is_lost() -> Tested {
    kill("list")
}
