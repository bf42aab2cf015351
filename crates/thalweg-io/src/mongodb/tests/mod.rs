mod server;
mod stand_in;
#[cfg(unix)]
mod troubles;

use std::error::Error;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde::Serialize;
use thalweg::{Stream, VirtualClock};
use tokio::runtime::{Builder, Runtime};

use self::server::{Server, at};
use self::stand_in::{StandIn, cursor, inserted, is};
use super::*;
use crate::testing::{Fault, Proxy};

type Tested = Result<(), Box<dyn Error>>;

fn runtime() -> Runtime {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.expect("there are descriptors")
}

async fn until(mut is_so: impl FnMut() -> bool) {
    while !is_so() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// An edit of a page.
#[derive(Clone, Debug, Serialize)]
struct Edit {
    #[serde(rename = "_id", skip_serializing_if = "Option::is_none")]
    id: Option<i32>,
    title: String,
}

fn edit(id: i32) -> Edit {
    Edit {
        id: Some(id),
        title: format!("page {id}"),
    }
}

async fn write<T: thalweg::Element + Sync + Serialize>(mongo: MongoDb, elements: Vec<T>) -> Tested {
    let source = Stream::new();
    source.to_mongodb(mongo);
    source.emit_many(elements).await?;
    Ok(source.drain("60s").await?)
}

/// All documents of a collection.
async fn read(mongo: MongoDb) -> Result<Vec<Document>, Box<dyn Error>> {
    let changes = Stream::from_mongodb(mongo.cursor("_id"));
    let list = changes.sink_to_list();
    changes.run("60s").await?;
    Ok(list
        .to_vec()
        .into_iter()
        .filter_map(|change| change.document)
        .collect())
}

fn ids(documents: &[Document]) -> Vec<i32> {
    documents
        .iter()
        .filter_map(|document| document.get_i32("_id").ok())
        .collect()
}

#[test]
fn documents_get_ids_and_are_read_in_their_order() -> Tested {
    let Some(server) = Server::start()? else {
        return Ok(());
    };
    runtime().block_on(async {
        let edits = server.collection("edits");
        let some = (1..=3000).map(|id| Edit {
            id: None,
            ..edit(id)
        });
        write(edits.clone(), some.collect()).await?;
        let found = read(edits).await?;
        assert!(
            found
                .iter()
                .all(|document| document.get_object_id("_id").is_ok())
        );
        let titles = found
            .iter()
            .map(|document| document.get_str("title").map(str::to_string));
        let titles = titles.collect::<Result<Vec<_>, _>>()?;
        assert!(
            titles
                .iter()
                .eq(&(1..=3000).map(|id| edit(id).title).collect::<Vec<_>>())
        );
        Ok(())
    })
}

#[test]
fn a_rejected_document_fails_alone() -> Tested {
    let Some(server) = Server::start()? else {
        return Ok(());
    };
    runtime().block_on(async {
        for (name, is_unordered) in [("ordered", false), ("unordered", true)] {
            let edits = server.collection(name);
            let source = Stream::new();
            let written = match is_unordered {
                true => edits.clone().unordered(),
                false => edits.clone(),
            };
            let sink = source.to_mongodb(written);
            let failures = sink
                .stream()
                .errors()
                .map(|failure| failure.to_string())
                .sink_to_list();
            let twice = [1, 2, 3, 2, 4, 5, 5, 6];
            source.emit_many(twice.map(edit)).await?;
            source.drain("60s").await?;
            assert_eq!(ids(&read(edits).await?), [1, 2, 3, 4, 5, 6]);
            let failures = failures.to_vec();
            assert_eq!(failures.len(), 2, "{failures:?}");
            let named = format!(
                "MongoDB at {}, collection `tests.{name}`: ",
                server.address()
            );
            assert!(
                failures[0].contains(&named) && failures[0].contains("11000"),
                "{failures:?}"
            );
            assert!(
                failures[0].contains("id: Some(2)") || failures[0].contains('4'),
                "{failures:?}"
            );
        }
        Ok(())
    })
}

#[test]
fn with_a_key_a_document_replaces_another() -> Tested {
    let Some(server) = Server::start()? else {
        return Ok(());
    };
    runtime().block_on(async {
        let latest = server.collection("latest").key(["title"]);
        let source = Stream::new();
        let sink = source.to_mongodb(latest.clone());
        let failures = sink
            .stream()
            .errors()
            .map(|failure| failure.to_string())
            .sink_to_list();
        let edits = (0..250)
            .map(|number| doc! { "title": format!("page {}", number % 10), "number": number });
        source.emit_many(edits).await?;
        source.emit(doc! { "number": 1 }).await?;
        source.drain("60s").await?;
        let found = read(latest).await?;
        let mut numbers: Vec<_> = found
            .iter()
            .filter_map(|document| document.get_i32("number").ok())
            .collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (240..250).collect::<Vec<_>>());
        let failures = failures.to_vec();
        assert!(
            failures.len() == 1 && failures[0].contains("has no field `title`"),
            "{failures:?}"
        );
        Ok(())
    })
}

#[test]
fn writes_repeated_after_a_lost_reply_are_stored_once() -> Tested {
    let Some(server) = Server::start()? else {
        return Ok(());
    };
    runtime().block_on(async {
        for (number, bytes) in [2_000, 6_000].into_iter().enumerate() {
            for has_ids in [false, true] {
                let proxy = Proxy::to(&server.address())
                    .fault(Fault::CutAfter(bytes))
                    .start()?;
                let name = format!("edits_{number}_{has_ids}");
                let through = at(&proxy.address().to_string(), &name).retries(1000);
                let writing = async {
                    let some = (1..=100).map(|id| Edit {
                        id: has_ids.then_some(id),
                        ..edit(id)
                    });
                    write(through, some.collect()).await
                };
                let mending = async {
                    until(|| proxy.connections() > 4).await;
                    proxy.set_fault(Fault::Nothing);
                    std::future::pending::<()>().await;
                };
                tokio::select! {
                    written = writing => written?,
                    () = mending => {}
                }
                let found = read(server.collection(&name)).await?;
                let mut titles: Vec<_> = found
                    .iter()
                    .map(|document| document.get_str("title"))
                    .collect::<Result<_, _>>()?;
                titles.sort_unstable();
                titles.dedup();
                assert_eq!(
                    (found.len(), titles.len()),
                    (100, 100),
                    "cut after {bytes} bytes"
                );
            }
        }
        Ok(())
    })
}

#[test]
fn the_connection_is_restored_when_the_server_returns() -> Tested {
    let Some(mut server) = Server::start()? else {
        return Ok(());
    };
    runtime().block_on(async {
        let edits = server.collection("edits");
        write(edits.clone(), vec![edit(1)]).await?;
        let changes = Stream::from_mongodb(edits.clone().cursor("_id").poll("1ms"));
        let problems = changes
            .errors()
            .map(|failure| failure.to_string())
            .sink_to_list();
        let list = changes.sink_to_list();
        changes.start()?;
        until(|| list.len() == 1).await;
        server.stop();
        until(|| !problems.is_empty()).await;
        let writing = Stream::new();
        writing.to_mongodb(edits.retries(1000));
        writing.emit(edit(2)).await?;
        server.start_again()?;
        writing.drain("60s").await?;
        until(|| list.len() == 2).await;
        changes.drain("60s").await?;
        let problems = problems.to_vec();
        assert!(
            problems[0].contains("collection `tests.edits`: "),
            "{problems:?}"
        );
        Ok(())
    })
}

#[test]
fn a_position_follows_finished_documents() -> Tested {
    let Some(server) = Server::start()? else {
        return Ok(());
    };
    runtime().block_on(async {
        let edits = server.collection("edits");
        write(edits.clone(), (1..=5).map(edit).collect()).await?;
        let position = Position::new("edits");
        let changes = Stream::from_mongodb(edits.clone().cursor("_id").position(&position));
        changes.try_sink(|change| match change.id {
            Bson::Int32(3) => Err("not yet"),
            _ => Ok(()),
        });
        changes.on_unhandled(|_| ());
        changes.run("60s").await?;
        assert_eq!(position.value().as_deref(), Some("2"));
        let later = Position::behind("edits", "2");
        let changes = Stream::from_mongodb(edits.cursor("_id").position(&later));
        let list = changes.sink_to_list();
        changes.run("60s").await?;
        assert_eq!(
            list.to_vec()[0],
            MongoDbChange::read(doc! { "_id": 3, "title": "page 3" })
        );
        assert_eq!(later.value().as_deref(), Some("5"));
        Ok(())
    })
}

#[test]
fn a_server_without_change_streams_is_an_error_with_a_remedy() -> Tested {
    let Some(server) = Server::start()? else {
        return Ok(());
    };
    let ended = runtime().block_on(Stream::from_mongodb(server.collection("edits")).run("60s"));
    let error = ended.expect_err("it has none").to_string();
    assert!(
        error.contains("this server has no change streams")
            && error.contains("`cursor` and `poll`"),
        "{error}"
    );
    Ok(())
}

/// Two changes per connection, which then closes.
fn change_streams() -> Result<StandIn, Box<dyn Error>> {
    let next = AtomicUsize::new(1);
    let answer = move |command: &Document| {
        if is(command, "aggregate") {
            return cursor("firstBatch", vec![]);
        }
        if !is(command, "getMore") {
            return doc! { "ok": 1 };
        }
        let id = next.fetch_add(1, Ordering::SeqCst);
        match id {
            // The driver retries errors marked as resumable, and resumes after the last change.
            3 => {
                doc! { "ok": 0, "code": 11_600, "errmsg": "it stops", "errorLabels": ["ResumableChangeStreamError"] }
            }
            1..=5 => cursor("nextBatch", vec![inserted(i32::try_from(id).unwrap_or(0))]),
            _ => {
                thread::park_timeout(Duration::from_millis(5));
                cursor("nextBatch", vec![])
            }
        }
    };
    Ok(StandIn::start(answer)?)
}

#[test]
fn changes_resume_after_a_position_and_after_a_lost_connection() -> Tested {
    let server = change_streams()?;
    runtime().block_on(async {
        let uri = format!("mongodb://{}/?replicaSet=tests", server.address());
        let position = Position::behind("edits", r#"{"_data":"token 0"}"#);
        let edits = MongoDb::new(uri, "tests", "edits").wait(Duration::from_millis(1));
        let changes = Stream::from_mongodb(edits.position(&position));
        let list = changes.sink_to_list();
        changes.start()?;
        until(|| list.len() == 4).await;
        changes.drain("60s").await?;
        let list = list.to_vec();
        assert_eq!(
            list.iter()
                .map(|change| change.id.as_i32())
                .collect::<Vec<_>>(),
            [1, 2, 4, 5].map(Some)
        );
        assert_eq!(list[0].operation, MongoDbOperation::Insert);
        assert_eq!(list[3].document, Some(doc! { "_id": 5, "title": "page 5" }));
        assert_eq!(position.value().as_deref(), Some(r#"{"_data":"token 5"}"#));
        let begun: Vec<_> = server
            .asked("aggregate")
            .iter()
            .map(|command| format!("{command}"))
            .collect();
        assert!(
            begun[0].contains("token 0") && begun[1].contains("token 2"),
            "{begun:?}"
        );
        Ok(())
    })
}

#[test]
fn a_rejected_login_ends_the_source_and_fails_the_sink() -> Tested {
    let refused = |command: &Document| match is(command, "find") || is(command, "insert") {
        true => doc! { "ok": 0, "code": 13, "errmsg": "not authorized on tests" },
        false => doc! { "ok": 1 },
    };
    let server = StandIn::start(refused)?;
    runtime().block_on(async {
        let uri = format!("mongodb://{}/?replicaSet=tests", server.address());
        let edits = MongoDb::new(uri, "tests", "edits");
        let ended = read(edits.clone())
            .await
            .expect_err("it is refused")
            .to_string();
        assert!(
            ended.contains("not authorized") && ended.contains("check user, password"),
            "{ended}"
        );
        let failed = write(edits, vec![edit(1), edit(2), edit(3)])
            .await
            .expect_err("it is refused")
            .to_string();
        assert!(failed.contains("not authorized"), "{failed}");
        assert_eq!(
            server.asked("insert").len(),
            2,
            "it was asked once for the first one, and once for the others"
        );
        Ok(())
    })
}

#[test]
fn an_unreachable_server_is_named() -> Tested {
    // The port is closed now.
    let port = std::net::TcpListener::bind("127.0.0.1:0")?
        .local_addr()?
        .port();
    let uri = format!("mongodb://me:secret@127.0.0.1:{port}/?serverSelectionTimeoutMS=10");
    let edits = MongoDb::new(uri, "tests", "edits")
        .retries(1)
        .wait(Duration::from_millis(1));
    let written = runtime().block_on(write(edits, vec![edit(1)]));
    let error = written.expect_err("nobody listens").to_string();
    let named = format!("MongoDB at 127.0.0.1:{port}: not written to collection `tests.edits`: ");
    assert!(
        error.contains(&named) && error.contains("tried 2 times"),
        "{error}"
    );
    assert!(!error.contains("secret"), "{error}");
    Ok(())
}

#[test]
fn wrong_arguments_are_build_errors() {
    let clock = VirtualClock::new();
    for (wrong, said) in [
        (
            MongoDb::new("mongodb://me:secret@", "a", "b"),
            "the URI is not a MongoDB URI",
        ),
        (MongoDb::new("mongodb://localhost", "", "b"), "need names"),
        (
            MongoDb::new("mongodb://localhost", "a", "b").poll("1s"),
            "say which field",
        ),
        (
            MongoDb::new("mongodb://localhost", "a", "b")
                .cursor("n")
                .poll(-1),
            "MongoDB at localhost: ",
        ),
    ] {
        let source = Stream::<Document>::on(&clock);
        source.to_mongodb(wrong.clone());
        let error = source.check().expect_err("it is wrong").to_string();
        assert!(error.contains(said) && !error.contains("secret"), "{error}");
        let error = Stream::from_mongodb(wrong)
            .check()
            .expect_err("it is wrong")
            .to_string();
        assert!(error.contains(said) && !error.contains("secret"), "{error}");
    }
}
