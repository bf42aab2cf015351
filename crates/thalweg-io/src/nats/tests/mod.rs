#[cfg(unix)]
mod kills;
mod server;
#[cfg(unix)]
mod troubles;

use std::error::Error;

use futures_util::StreamExt as _;
use thalweg::Stream;
use tokio::runtime::{Builder, Runtime};

use self::server::{Server, kept, subject};
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

/// Sends texts to a subject, and waits until the server has accepted them.
async fn write(nats: Nats, texts: &[&str]) -> Tested {
    let source = Stream::new();
    source.to_nats(nats);
    source
        .emit_many(texts.iter().map(|text| (*text).to_string()))
        .await?;
    Ok(source.drain("30s").await?)
}

/// This many texts of a subject, acknowledged except those selected by `fails`.
async fn read(
    nats: Nats,
    count: usize,
    fails: &'static str,
) -> Result<Vec<String>, Box<dyn Error>> {
    let messages = Stream::from_nats(nats);
    let texts = messages.map(|message| text(&message.payload));
    let list = texts.sink_to_list();
    texts.try_sink(move |text: &String| match text == fails {
        true => Err("not yet"),
        false => Ok(()),
    });
    texts.on_unhandled(|_| ());
    messages.start()?;
    until(|| list.len() >= count).await;
    drop(messages.drain("30s").await);
    Ok(list.to_vec())
}

#[test]
fn acknowledged_messages_are_delivered_once_and_failed_ones_again() -> Tested {
    let Some(server) = Server::start()? else {
        return Ok(());
    };
    runtime().block_on(async {
        let nats = server.kept("numbers").durable("group");
        let nats = nats.redeliver_after(Duration::from_millis(1));
        write(nats.clone(), &["one", "two", "three"]).await?;
        // It is also redelivered to the same reader.
        let texts = read(nats.clone(), 4, "two").await?;
        assert_eq!(texts[..4], ["one", "two", "three", "two"]);
        write(nats.clone(), &["four"]).await?;
        let mut texts = read(nats.clone(), 2, "").await?;
        texts.sort_unstable();
        assert_eq!(texts, ["four", "two"]);
        write(nats.clone(), &["five"]).await?;
        assert_eq!(read(nats, 1, "").await?, ["five"]);
        Ok(())
    })
}

#[test]
fn slow_messages_are_reported_as_in_progress() -> Tested {
    let Some(server) = Server::start()? else {
        return Ok(());
    };
    runtime().block_on(async {
        let nats = server.kept("numbers").durable("group");
        let nats = nats.ack_wait(Duration::from_millis(200));
        let link = connection::Link::open(&nats).await;
        let link = link.expect("there is a server");
        let mut told = link.client.subscribe("$JS.ACK.NUMBERS.group.>").await?;
        write(nats.clone(), &["one"]).await?;
        let messages = Stream::from_nats(nats.clone());
        let deliveries = messages.map(|message| message.deliveries).sink_to_list();
        // Holds the first message until a second arrives.
        messages.sliding_window(2).sink(drop);
        messages.start()?;
        let mut last = None;
        for _ in 0..5 {
            last = told.next().await.map(|message| message.payload);
            assert_eq!(last.as_deref(), Some(&b"+WPI"[..]));
        }
        write(nats, &["two"]).await?;
        while last.as_deref() != Some(b"+ACK") {
            last = told.next().await.map(|message| message.payload);
        }
        messages.drain("30s").await?;
        assert_eq!(deliveries.to_vec(), [1, 1]);
        Ok(())
    })
}

#[test]
fn messages_have_subjects_headers_and_numbers() -> Tested {
    let Some(server) = Server::start()? else {
        return Ok(());
    };
    runtime().block_on(async {
        let readings = Nats::new(format!("nats://127.0.0.1:{}", server.port()), "readings.*");
        let readings = readings.stream("READINGS").create().durable("group");
        let messages = Stream::from_nats(readings);
        let list = messages.sink_to_list();
        messages.start()?;
        let link = connection::Link::open(&server.subject("x")).await;
        let link = link.expect("there is a server");
        while link.jetstream.get_stream("READINGS").await.is_err() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let roof = server.subject("readings.roof").stream("READINGS");
        let source = Stream::new();
        source.to_nats(roof);
        let record = NatsRecord::from("20.5").header("unit", "celsius").id("17");
        let again = record.clone();
        let cellar = NatsRecord::from("11").subject("readings.cellar");
        source.emit_many([record, again, cellar]).await?;
        source.drain("30s").await?;
        until(|| list.len() == 2).await;
        messages.drain("30s").await?;
        let list = list.to_vec();
        let subjects = list.iter().map(|message| message.subject.as_str());
        assert!(subjects.eq(["readings.roof", "readings.cellar"]));
        let unit = ("unit".to_string(), "celsius".to_string());
        assert!(list[0].headers.contains(&unit), "{list:?}");
        assert_eq!((list[0].sequence, list[1].sequence), (1, 2));
        Ok(())
    })
}

#[test]
fn without_a_stream_current_subscribers_get_messages() -> Tested {
    let Some(server) = Server::start()? else {
        return Ok(());
    };
    runtime().block_on(async {
        let messages = Stream::from_nats(server.subject("numbers"));
        let list = messages
            .map(|message| text(&message.payload))
            .sink_to_list();
        messages.start()?;
        while list.is_empty() {
            write(server.subject("numbers"), &["one"]).await?;
        }
        messages.drain("30s").await?;
        assert_eq!(list.to_vec()[0], "one");
        Ok(())
    })
}

#[test]
fn the_connection_is_restored_when_the_server_returns() -> Tested {
    let Some(mut server) = Server::start()? else {
        return Ok(());
    };
    runtime().block_on(async {
        let nats = server.kept("numbers").durable("group");
        let nats = nats.ack_wait(Duration::from_millis(200));
        write(nats.clone(), &["one"]).await?;
        let messages = Stream::from_nats(nats.clone());
        let problems = messages
            .errors()
            .map(|failure| failure.to_string())
            .sink_to_list();
        let list = messages
            .map(|message| text(&message.payload))
            .sink_to_list();
        messages.start()?;
        until(|| list.len() == 1).await;
        server.stop();
        until(|| !problems.is_empty()).await;
        server.start_again()?;
        write(nats, &["two"]).await?;
        until(|| list.to_vec().contains(&"two".to_string())).await;
        messages.drain("30s").await?;
        let problems = problems.to_vec();
        let named = "subject `numbers` of stream `NUMBERS`: ";
        assert!(problems[0].contains(named), "{problems:?}");
        Ok(())
    })
}

#[test]
fn a_missing_stream_ends_the_source_and_fails_the_sink() -> Tested {
    let Some(server) = Server::start()? else {
        return Ok(());
    };
    runtime().block_on(async {
        let nats = server.subject("numbers").stream("MISSING").durable("group");
        let ended = Stream::from_nats(nats.clone()).run("30s").await;
        let error = ended.expect_err("there is no stream").to_string();
        assert!(
            error.contains("of stream `MISSING`: ") && error.contains("check the stream's name"),
            "{error}"
        );
        let written = write(nats, &["one"]).await;
        let error = written.expect_err("there is no stream").to_string();
        assert!(error.contains("no stream keeps this subject"), "{error}");
        Ok(())
    })
}

#[test]
fn an_oversized_message_fails_its_element() -> Tested {
    let Some(server) = Server::start()? else {
        return Ok(());
    };
    runtime().block_on(async {
        let long = "x".repeat(2 << 20);
        let written = write(server.kept("numbers"), &[&long]).await;
        let error = written.expect_err("it is too long").to_string();
        assert!(error.contains("where the server takes 1048576"), "{error}");
        Ok(())
    })
}

#[test]
fn an_unreachable_server_is_named() -> Tested {
    // The port is closed now.
    let port = std::net::TcpListener::bind("127.0.0.1:0")?
        .local_addr()?
        .port();
    let written = runtime().block_on(write(kept(port, "numbers").retries(1), &["one"]));
    let error = written.expect_err("nobody listens").to_string();
    let named = format!("NATS at 127.0.0.1:{port}: not written to subject `numbers`");
    assert!(
        error.contains(&named) && error.contains("tried 2 times"),
        "{error}"
    );
    Ok(())
}

#[test]
fn wrong_arguments_are_build_errors() {
    let reading = Stream::from_nats(subject(1, "x").stream("X"));
    let error = reading
        .check()
        .expect_err("there is no consumer")
        .to_string();
    assert!(error.contains("by a durable consumer"), "{error}");
    let error = Nats::new("me:secret@nats.example", "x y").check();
    let error = error.expect_err("it is wrong").to_string();
    assert!(error.starts_with("NATS at nats.example: "), "{error}");
    let source = Stream::<String>::new();
    source.to_nats(Nats::new("nats://me:secret@[", "x"));
    let error = source.check().expect_err("that is no URL").to_string();
    assert!(
        error.contains("the URL is not a NATS URL") && !error.contains("secret"),
        "{error}"
    );
    let source = Stream::<String>::new();
    source.to_nats(subject(1, "x.*"));
    let error = source.check().expect_err("it has a wildcard").to_string();
    assert!(error.contains("without wildcards"), "{error}");
}
