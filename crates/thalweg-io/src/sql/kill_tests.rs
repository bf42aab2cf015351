//! A pipeline into SQLite is killed at random moments and restarted until it is done: no row is missing or
//! duplicated.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;
use std::{fs, thread};

use thalweg::Stream;

use super::*;
use crate::testing::kills::{Chance, Killed, Kills, kills};
use crate::{Sse, SseEvent, TextFile, prelude::*};

/// Enough elements that a killed run is never the last one.
fn elements() -> u32 {
    8000 * (kills(3) + 1)
}

fn text(number: u32) -> String {
    format!("äöü {number}")
}

/// Run by the tests in a child process.
#[test]
fn child() {
    let Some(killed) = Killed::this() else {
        return;
    };
    let (dir, source) = (killed.dir().to_path_buf(), killed.setting("SOURCE"));
    killed.begin();
    killed.run(async move { run(&dir, &source).await });
}

async fn run(dir: &Path, source: &str) -> Result<(), Box<dyn std::error::Error>> {
    let database = Database::open(&format!("sqlite:{}", dir.join("out.db").display()))?;
    let position = database.position("source")?;
    let texts = match source {
        "file" => {
            let file = TextFile::new(dir.join("lines")).until_end();
            Stream::from_textfile(file.position(&position))
        }
        "sql" => {
            let other = Database::open(&format!("sqlite:{}", dir.join("in.db").display()))?;
            let query = Query::new("SELECT * FROM texts", "id").position(&position);
            Stream::from_sql(&other, query).map(|row| {
                let text = row.get("text").and_then(SqlValue::as_str);
                text.unwrap_or_default().to_string()
            })
        }
        url => {
            let feed = Sse::new(url)
                .wait(Duration::from_millis(1))
                .position(&position);
            Stream::from_sse(feed).map(|event: SseEvent| event.data)
        }
    };
    // Some elements make two rows, some none; and some take longer than others.
    let each = texts.map(|text: String| {
        let number: u32 = text
            .rsplit(' ')
            .next()
            .and_then(|x| x.parse().ok())
            .unwrap_or(0);
        let rows: Vec<_> = (0..number % 3)
            .map(|at| (number, at, text.clone()))
            .collect();
        rows
    });
    let table = Table::new(
        "rows",
        ["number", "at", "text"],
        |row: &(u32, u32, String)| [row.0.into(), row.1.into(), row.2.as_str().into()],
    );
    each.flatten().to_sql(&database, table.create());
    // A broken connection is a failure of the feed.
    texts.on_unhandled(|_| ());
    let run = texts.run("50s").await;
    (position.in_flight() == 0)
        .then_some(())
        .ok_or("elements are left")?;
    drop(run);
    Ok(())
}

/// Runs a pipeline from this source.
fn killing(source: &str) -> Kills {
    Kills::of("sql::kill_tests::child", kills(3)).setting("SOURCE", source)
}

/// Kills it repeatedly, lets the last one finish, and compares the rows.
fn kill(killing: &Kills) {
    killing.run();
    let dir = killing.dir();
    let connection = rusqlite::Connection::open(dir.join("out.db")).expect("it is there");
    let query = "SELECT number, at, text FROM rows ORDER BY number, at";
    let mut query = connection.prepare(query).expect("a query");
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
    let rows: Vec<(u32, u32, String)> = rows.and_then(Iterator::collect).expect("rows");
    let all = (1..=elements())
        .flat_map(|number| (0..number % 3).map(move |at| (number, at, text(number))));
    assert!(rows.into_iter().eq(all), "rows are missing, or there twice");
}

#[test]
fn a_killed_pipeline_from_a_file_to_sqlite_loses_and_doubles_nothing() {
    let killing = killing("file");
    let lines: String = (1..=elements()).map(|number| text(number) + "\n").collect();
    fs::write(killing.dir().join("lines"), lines).expect("there is room");
    kill(&killing);
}

#[test]
fn a_killed_pipeline_from_sql_to_sqlite_loses_and_doubles_nothing() {
    let killing = killing("sql");
    let new = rusqlite::Connection::open(killing.dir().join("in.db"));
    let mut connection = new.expect("a new file");
    let insert = connection.transaction().expect("nobody else writes");
    insert
        .execute_batch("CREATE TABLE texts (id INTEGER PRIMARY KEY, text TEXT)")
        .expect("a table");
    for number in 1..=elements() {
        let row = (number * 2, text(number));
        insert
            .execute("INSERT INTO texts VALUES (?1, ?2)", row)
            .expect("a row");
    }
    insert.commit().expect("there is room");
    kill(&killing);
}

#[test]
fn a_killed_pipeline_from_a_feed_to_sqlite_loses_and_doubles_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let url = format!("http://{}/", listener.local_addr().expect("it is bound"));
    let address = listener.local_addr().expect("it is bound");
    let (stop, is_stopped) = std::sync::mpsc::channel::<()>();
    let server = thread::spawn(move || {
        let mut chance = Chance::new(7);
        for client in listener.incoming() {
            if is_stopped
                .try_recv()
                .is_err_and(|error| error == std::sync::mpsc::TryRecvError::Disconnected)
            {
                break;
            }
            // Errors of killed clients are ignored.
            let _ = client.and_then(|client| serve(client, &mut chance));
        }
    });
    kill(&killing(&url));
    drop(stop);
    drop(TcpStream::connect(address));
    server.join().expect("it serves");
}

/// Sends the events after the last one that the client has, in pieces that split characters, and cuts the connection.
fn serve(mut client: TcpStream, chance: &mut Chance) -> std::io::Result<()> {
    let mut last = 0;
    for line in BufReader::new(client.try_clone()?).lines() {
        let line = line?.to_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(id) = line.strip_prefix("last-event-id:") {
            last = id.trim().parse().unwrap_or(0);
        }
    }
    if last == elements() {
        return client.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
    }
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
    client.write_all(head.as_bytes())?;
    let events =
        (last + 1..=elements()).map(|number| format!("id: {number}\ndata: {}\n\n", text(number)));
    let events: String = events.collect();
    let end = usize::try_from(chance.below(100_000))
        .unwrap_or(0)
        .min(events.len());
    for piece in
        events.as_bytes()[..end].chunks(1 + usize::try_from(chance.below(4000)).unwrap_or(0))
    {
        client.write_all(piece)?;
    }
    Ok(())
}
