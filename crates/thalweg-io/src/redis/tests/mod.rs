#[cfg(unix)]
mod kills;
mod server;
#[cfg(feature = "tcp")]
mod tls;
#[cfg(unix)]
mod troubles;

use std::error::Error;

use thalweg::Stream;
use tokio::runtime::{Builder, Runtime};

use self::server::{Server, at};
use super::*;

type Tested = Result<(), Box<dyn Error>>;

fn runtime() -> Runtime {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.expect("there are descriptors")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

async fn until(mut is_so: impl FnMut() -> bool) {
    while !is_so() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Stream,
    List,
}

/// Sends texts to a key, and waits until the server has accepted them.
async fn write(kind: Kind, redis: Redis, texts: &[&str]) -> Tested {
    let source = Stream::new();
    match kind {
        Kind::Stream => source.to_redis_stream(redis),
        Kind::List => source.to_redis_list(redis),
    };
    source
        .emit_many(texts.iter().map(|text| (*text).to_string()))
        .await?;
    Ok(source.drain("30s").await?)
}

fn from(kind: Kind, redis: Redis) -> Stream<String> {
    match kind {
        Kind::Stream => Stream::from_redis_stream(redis).map(|entry| text(entry.value())),
        Kind::List => Stream::from_redis_list(redis).map(|value| text(&value)),
    }
}

/// This many texts of a key, acknowledged except those selected by `fails`.
async fn read(
    kind: Kind,
    redis: Redis,
    count: usize,
    fails: &'static str,
) -> Result<Vec<String>, Box<dyn Error>> {
    let texts = from(kind, redis);
    let list = texts.sink_to_list();
    texts.try_sink(move |text: &String| {
        if text == fails {
            Err("not yet")
        } else {
            Ok(())
        }
    });
    texts.on_unhandled(|_| ());
    texts.start()?;
    until(|| list.len() >= count).await;
    drop(texts.drain("30s").await);
    Ok(list.to_vec())
}

#[test]
fn acknowledged_entries_are_read_once_and_failed_ones_again() -> Tested {
    let Some(server) = Server::start()? else {
        return Ok(());
    };
    for (kind, key) in [(Kind::Stream, "a"), (Kind::List, "b")] {
        runtime().block_on(async {
            let redis = server.key(key).group("group");
            write(kind, redis.clone(), &["one", "two", "three"]).await?;
            assert_eq!(
                read(kind, redis.clone(), 3, "two").await?,
                ["one", "two", "three"]
            );
            write(kind, redis.clone(), &["four"]).await?;
            assert_eq!(read(kind, redis.clone(), 2, "").await?, ["two", "four"]);
            write(kind, redis.clone(), &["five"]).await?;
            assert_eq!(read(kind, redis.clone(), 1, "").await?, ["five"]);
            Ok::<(), Box<dyn Error>>(())
        })?;
    }
    Ok(())
}

#[test]
fn entries_left_by_a_member_go_to_another() -> Tested {
    let Some(server) = Server::start()? else {
        return Ok(());
    };
    runtime().block_on(async {
        let redis = server.key("numbers").group("group");
        write(Kind::Stream, redis.clone(), &["one", "two"]).await?;
        let first = redis.clone().consumer("first");
        assert_eq!(read(Kind::Stream, first, 2, "two").await?, ["one", "two"]);
        let second = redis
            .consumer("second")
            .claim_after(Duration::from_millis(1));
        assert_eq!(read(Kind::Stream, second, 1, "").await?, ["two"]);
        Ok::<(), Box<dyn Error>>(())
    })
}

#[test]
fn entries_have_fields_and_growing_ids() -> Tested {
    let Some(server) = Server::start()? else {
        return Ok(());
    };
    runtime().block_on(async {
        let redis = server.key("readings").group("group");
        let source = Stream::new();
        source.to_redis_stream(redis.clone());
        let entry = RedisEntry::from([("place", "roof"), ("celsius", "20.5")]);
        source.emit_many([entry.clone(), entry]).await?;
        source.drain("30s").await?;
        let entries = Stream::from_redis_stream(redis);
        let list = entries.sink_to_list();
        entries.start()?;
        until(|| list.len() == 2).await;
        entries.drain("30s").await?;
        let list = list.to_vec();
        assert_eq!(
            list[0].get("celsius").map(|x| text(x)).as_deref(),
            Some("20.5")
        );
        assert!(list[0].id < list[1].id);
        Ok::<(), Box<dyn Error>>(())
    })
}

#[test]
fn the_connection_is_restored_when_the_server_returns() -> Tested {
    let Some(mut server) = Server::start()? else {
        return Ok(());
    };
    runtime().block_on(async {
        let redis = server.key("numbers").group("group");
        write(Kind::Stream, redis.clone(), &["one"]).await?;
        let entries = Stream::from_redis_stream(redis.clone());
        let problems = entries
            .errors()
            .map(|failure| failure.to_string())
            .sink_to_list();
        let list = entries.map(|entry| text(entry.value())).sink_to_list();
        entries.start()?;
        until(|| list.len() == 1).await;
        server.stop();
        until(|| !problems.is_empty()).await;
        server.start_again()?;
        write(Kind::Stream, redis, &["two"]).await?;
        until(|| list.to_vec().contains(&"two".to_string())).await;
        entries.drain("30s").await?;
        let problems = problems.to_vec();
        assert!(problems[0].contains("key `numbers`: "), "{problems:?}");
        Ok::<(), Box<dyn Error>>(())
    })
}

#[test]
fn a_key_of_another_type_ends_the_source_and_fails_the_sink() -> Tested {
    let Some(server) = Server::start()? else {
        return Ok(());
    };
    runtime().block_on(async {
        let redis = server.key("list").group("group");
        write(Kind::List, redis.clone(), &["one"]).await?;
        let ended = Stream::from_redis_stream(redis.clone()).run("30s").await;
        let error = ended.expect_err("it is a list").to_string();
        assert!(
            error.contains("key `list`: ") && error.contains("holds something else"),
            "{error}"
        );
        let written = write(Kind::Stream, redis, &["two"]).await;
        let error = written.expect_err("it is a list").to_string();
        assert!(error.contains("not written to key `list`"), "{error}");
        // A retry would not help.
        assert!(
            error.ends_with("or the source or sink for that; tried 1 times"),
            "{error}"
        );
        Ok::<(), Box<dyn Error>>(())
    })
}

#[test]
fn a_refused_login_ends_the_source_and_fails_the_sink() -> Tested {
    let Some(server) = Server::start()? else {
        return Ok(());
    };
    runtime().block_on(async {
        let url = format!("redis://:secret@127.0.0.1:{}", server.port());
        let redis = Redis::new(url, "entries").group("group");
        let ended = Stream::from_redis_stream(redis.clone()).run("30s").await;
        let error = ended.expect_err("there is no password").to_string();
        assert!(error.contains("check user, password"), "{error}");
        let written = write(Kind::Stream, redis, &["one"]).await;
        let error = written.expect_err("there is no password").to_string();
        assert!(error.contains("permissions; tried 1 times"), "{error}");
        assert!(!error.contains("secret"), "{error}");
        Ok::<(), Box<dyn Error>>(())
    })
}

#[test]
fn an_unreachable_server_is_named() -> Tested {
    // The port is closed now.
    let port = std::net::TcpListener::bind("127.0.0.1:0")?
        .local_addr()?
        .port();
    let written = runtime().block_on(write(
        Kind::Stream,
        at(port, "numbers").retries(1),
        &["one"],
    ));
    let error = written.expect_err("nobody listens").to_string();
    let named = format!("Redis at 127.0.0.1:{port}: not written to key `numbers`: ");
    assert!(
        error.contains(&named) && error.contains("tried 2 times"),
        "{error}"
    );
    Ok(())
}

#[test]
fn wrong_arguments_are_build_errors() {
    let reading = Stream::from_redis_stream(Redis::new("redis://localhost", "x"));
    let error = reading.check().expect_err("there is no group").to_string();
    assert!(error.contains("a member of a group"), "{error}");
    let source = Stream::<String>::new();
    source.to_redis_list(Redis::new("redis://me:secret@[", "x"));
    let error = source.check().expect_err("that is no URL").to_string();
    assert!(
        error.contains("the URL is not a Redis URL") && !error.contains("secret"),
        "{error}"
    );
}
