//! A feed of JSON events into a database: killed at any moment and restarted, it neither loses nor duplicates any.
//!
//! This program also serves the feed, which cuts its connections and splits characters across chunks.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use thalweg::{BoxError, OnError, Stream};
use thalweg_io::sql::{Database, Query, SqlValue, Table};
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

/// The row of an event.
fn to_row(event: &SseEvent) -> Result<(i64, String, bool), BoxError> {
    let edit: Value = serde_json::from_str(&event.data)?;
    let title = edit["title"].as_str().ok_or("there is no title")?;
    let is_bot = edit["bot"].as_bool().unwrap_or_default();
    Ok((event.id.parse()?, title.to_string(), is_bot))
}

/// Saves the edits of the feed.
fn save(url: &str, database: &Database) -> Result<(), BoxError> {
    let feed = Sse::new(url)
        .wait(Duration::from_millis(1))
        .position(&database.position("edits")?);
    // Broken connections are failures of the source, which reconnects.
    let events = Stream::from_sse(feed).on_error(OnError::Skip);
    let columns = ["id", "title", "bot"];
    let table = Table::new(
        "edits",
        columns,
        |(id, title, bot): &(i64, String, bool)| {
            [SqlValue::from(*id), title.as_str().into(), (*bot).into()]
        },
    );
    events
        .try_map(to_row)
        .to_sql(database, table.key(["id"]).create());
    events.run("60s").wait()?;
    Ok(())
}

/// Serves the feed and saves it.
pub(crate) fn main() -> Result<(), BoxError> {
    let path = std::env::args().nth(1).filter(|path| path.ends_with(".db"));
    let path = path.unwrap_or(":memory:".to_string());
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}/", listener.local_addr()?);
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            // A disconnected client reconnects.
            let _ = serve(client);
        }
    });
    let database = Database::open(&format!("sqlite:{path}"))?;
    save(&url, &database)?;
    let rows = Stream::from_sql(&database, Query::new("SELECT id, bot FROM edits", "id"));
    let bots = rows
        .filter(|row| row.get("bot").and_then(SqlValue::as_bool) == Some(true))
        .sink_to_list();
    let all = rows.sink_to_list();
    rows.run("10s").wait()?;
    println!("{} edits, of which {} by bots", all.len(), bots.len());
    assert_eq!((all.len(), bots.len()), (EDITS, EDITS / 3));
    Ok(())
}
