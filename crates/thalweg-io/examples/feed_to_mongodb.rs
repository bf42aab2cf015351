//! A feed of JSON events into MongoDB, or a server of its protocol: each event becomes one document.
//!
//! Usage: `feed_to_mongodb mongodb://localhost`. This program also serves the feed, which cuts its connections and
//! splits characters across chunks.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use thalweg::{BoxError, OnError, Stream};
use thalweg_io::mongodb::{Document, MongoDb, doc};
use thalweg_io::{Sse, SseEvent, prelude::*};

const EDITS: usize = 300;

/// Sends 70 events after the last one that the client has.
fn serve(mut client: TcpStream) -> io::Result<()> {
    let mut last = 0;
    for line in BufReader::new(&client).lines() {
        let line = line?.to_lowercase();
        if let Some(id) = line.strip_prefix("last-event-id: ") {
            last = id.parse().unwrap_or_default();
        }
        if line.is_empty() {
            break;
        }
    }
    if last == EDITS {
        return client.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
    }
    client.write_all(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n",
    )?;
    let events = (last + 1..=EDITS.min(last + 70)).map(|id| {
        let edit = json!({"title": format!("Straße {id}"), "bot": id % 3 == 0});
        format!("id: {id}\ndata: {edit}\n\n")
    });
    for piece in events.collect::<String>().as_bytes().chunks(37) {
        client.write_all(piece)?;
        client.flush()?;
    }
    Ok(())
}

/// The document of an event.
fn to_document(event: &SseEvent) -> Result<Document, BoxError> {
    let edit: Value = serde_json::from_str(&event.data)?;
    let title = edit["title"].as_str().ok_or("there is no title")?;
    let is_bot = edit["bot"].as_bool().unwrap_or_default();
    Ok(doc! { "_id": event.id.parse::<i64>()?, "title": title, "bot": is_bot })
}

/// Saves the edits of the feed: a repeated one replaces itself.
fn save(url: &str, edits: MongoDb) -> Result<(), BoxError> {
    // Broken connections are failures of the source, which reconnects.
    let events = Stream::from_sse(Sse::new(url).wait(Duration::from_millis(1)));
    let events = events.on_error(OnError::Skip);
    events.try_map(to_document).to_mongodb(edits.key(["_id"]));
    Ok(events.run("60s").wait()?)
}

/// Serves the feed, saves it, and counts what was saved: edits, and those by bots.
pub(crate) fn run(uri: &str) -> Result<(usize, usize), BoxError> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}/", listener.local_addr()?);
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            // A disconnected client reconnects.
            let _ = serve(client);
        }
    });
    let edits = MongoDb::new(uri, "feed", "edits");
    save(&url, edits.clone())?;
    let found = Stream::from_mongodb(edits.cursor("_id"));
    let documents = found.filter_map(|change| change.document);
    let bots = documents
        .filter(|edit| edit.get_bool("bot").unwrap_or(false))
        .sink_to_list();
    let all = documents.sink_to_list();
    found.run("60s").wait()?;
    Ok((all.len(), bots.len()))
}

#[allow(dead_code, reason = "tests call `run`")]
fn main() -> Result<(), BoxError> {
    let uri = std::env::args()
        .nth(1)
        .ok_or("usage: feed_to_mongodb URI")?;
    let (edits, bots) = run(&uri)?;
    println!("{edits} edits, of which {bots} by bots");
    assert_eq!((edits, bots), (EDITS, EDITS / 3));
    Ok(())
}
