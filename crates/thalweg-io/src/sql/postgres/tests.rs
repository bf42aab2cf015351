use std::time::Duration;

use thalweg::{OnError, Stream};
use tokio::runtime::Builder;

use super::server::Server;
use crate::sql::{Database, Query, SqlRow, SqlValue, Table};
use crate::{TextFile, prelude::*};

/// Runs `f` within an event loop.
fn run<R>(f: impl AsyncFnOnce() -> R) -> R {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.expect("there are descriptors").block_on(f())
}

/// Executes statements without results.
fn execute(url: &str, statements: &str) {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.expect("there are descriptors").block_on(async {
        let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls)
            .await
            .expect("it is there");
        tokio::spawn(connection);
        client.batch_execute(statements).await.expect("it is SQL");
    });
}

/// Rows of a query, in the order of its first column.
fn rows(url: &str, query: &str, cursor: &str) -> Vec<Vec<SqlValue>> {
    run(async || {
        let database = Database::open(url).expect("it is there");
        let rows = Stream::from_sql(&database, Query::new(query, cursor));
        let list = rows
            .map(|row| {
                row.iter()
                    .map(|(_, value)| value.clone())
                    .collect::<Vec<_>>()
            })
            .sink_to_list();
        rows.run("10s").await.expect("it can be read");
        list.to_vec()
    })
}

fn pairs(name: &str) -> Table<(i64, &'static str)> {
    Table::new(name, ["id", "text"], |(id, text): &(i64, &str)| {
        [(*id).into(), (*text).into()]
    })
}

#[test]
fn a_server_that_accepts_and_is_silent_is_an_error() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("it is bound").port();
    let url = format!("postgres://me:secret@127.0.0.1:{port}/rivers?connect_timeout=1");
    let error = Database::open(&url)
        .expect_err("nobody answers")
        .to_string();
    let expected =
        format!("postgres://me@127.0.0.1:{port}/rivers: the server did not answer within 2 s");
    assert!(error.starts_with(&expected), "{error}");
    assert!(
        error.ends_with("check that PostgreSQL listens there"),
        "{error}"
    );
}

#[test]
fn values_round_trip_by_column_type() {
    let Some(server) = Server::start() else {
        return;
    };
    let url = server.url();
    execute(
        &url,
        "CREATE TABLE given (id INT PRIMARY KEY, yes BOOLEAN, small SMALLINT, many NUMERIC, about REAL, \
         at TIMESTAMPTZ, what JSONB, data BYTEA, name VARCHAR(9)); SET TIME ZONE 'UTC'; ALTER DATABASE postgres SET timezone = 'UTC'",
    );
    let columns = [
        "id", "yes", "small", "many", "about", "at", "what", "data", "name",
    ];
    run(async || {
        let database = Database::open(&url).expect("it is there");
        let source = Stream::new();
        source.to_sql(&database, Table::rows("given").key(["id"]));
        let values: [SqlValue; 9] = [
            1.into(),
            true.into(),
            7.into(),
            "12345678901234567890.5".into(),
            1.5.into(),
            "2026-03-01T10:00:00+01:00".into(),
            r#"{"a": [1]}"#.into(),
            vec![0_u8, 255].into(),
            "Straße".into(),
        ];
        source
            .emit(SqlRow::new(columns, values))
            .await
            .expect("there is room");
        let mut null = vec![SqlValue::Null; 9];
        null[0] = 2.into();
        let names = columns.map(String::from);
        source
            .emit(SqlRow::of(names.into(), null))
            .await
            .expect("there is room");
        source.drain("10s").await.expect("it can be written");
        let made = Stream::new();
        made.to_sql(&database, Table::rows("made \"it\"").create());
        let columns = ["id", "yes", "number", "data", "none"];
        let values: [SqlValue; 5] = [
            1.into(),
            false.into(),
            f64::NAN.into(),
            vec![1_u8].into(),
            SqlValue::Null,
        ];
        made.emit(SqlRow::new(columns, values))
            .await
            .expect("there is room");
        made.drain("10s").await.expect("it can be written");
    });
    let found = rows(&url, "SELECT * FROM given;", "ID");
    let expected: Vec<SqlValue> = vec![
        1.into(),
        true.into(),
        7.into(),
        "12345678901234567890.5".into(),
        1.5.into(),
        "2026-03-01 09:00:00+00".into(),
        r#"{"a": [1]}"#.into(),
        vec![0_u8, 255].into(),
        "Straße".into(),
    ];
    assert_eq!(found[0], expected);
    assert_eq!(found[1][1..], vec![SqlValue::Null; 8]);
    let made = rows(&url, "SELECT * FROM \"made \"\"it\"\"\"", "id");
    assert_eq!(made[0][..2], [1.into(), false.into()]);
    assert!(made[0][2].as_f64().is_some_and(f64::is_nan));
}

#[test]
fn rows_are_replaced_by_key_and_rejected_rows_fail_alone() {
    let Some(server) = Server::start() else {
        return;
    };
    let url = server.url();
    execute(
        &url,
        "CREATE TABLE words (id BIGINT PRIMARY KEY, text TEXT CHECK (text <> 'bad'))",
    );
    let refused = run(async || {
        let database = Database::open(&url).expect("it is there");
        let (source, failures) = (Stream::new(), Stream::new());
        let refused = failures.map(|failure: thalweg::Failure| failure.cause().to_string());
        let refused = refused.sink_to_list();
        let sink = source.to_sql(&database, pairs("words").key(["id"]));
        sink.on_error(OnError::Route(failures.clone()));
        source
            .emit_many([(1, "a"), (2, "b"), (1, "c"), (3, "bad"), (4, "d")])
            .await
            .expect("there is room");
        source
            .drain("10s")
            .await
            .expect("the others can be written");
        refused.to_vec()
    });
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert!(
        refused[0].contains("violates check constraint"),
        "{refused:?}"
    );
    assert!(
        refused[0].starts_with("postgres://me@127.0.0.1:"),
        "{refused:?}"
    );
    let words = rows(&url, "SELECT * FROM words", "id");
    let expected = [(1, "c"), (2, "b"), (4, "d")].map(|(id, text)| vec![id.into(), text.into()]);
    assert_eq!(words, expected);
}

#[test]
fn errors_name_a_remedy_and_hide_the_password() {
    let Some(server) = Server::start() else {
        return;
    };
    let url = server.url();
    let elsewhere = url.replace("/postgres", "/nowhere");
    let opened = |url: &str| {
        let error = Database::open(url).expect_err("wrong").to_string();
        assert!(!error.contains("secret"), "{error}");
        error
    };
    assert!(
        opened(&elsewhere.replace("postgres:/nowhere", "postgres:/"))
            .contains("make the database first")
    );
    assert!(opened(&format!("{url}?sslmode=require")).contains("TLS"));
    assert!(opened("postgres://me:secret@localhost:x/").contains("cannot be read"));
    let error = run(async || {
        let database = Database::open(&url).expect("it is there");
        let source = Stream::new();
        source.to_sql(&database, pairs("missing"));
        source.emit((1, "a")).await.expect("there is room");
        source.drain("10s").await.expect_err("there is no table")
    });
    let text = error.to_string();
    assert!(
        text.contains("relation \"missing\" does not exist; have it made with `create`"),
        "{text}"
    );
}

#[test]
fn nothing_is_lost_or_doubled_when_server_and_connections_fail() {
    const LINES: usize = 4_000;
    let Some(mut server) = Server::start() else {
        return;
    };
    let url = server.url();
    let dir = tempfile::tempdir().expect("there is room");
    let log = dir.path().join("log");
    let text: String = (0..LINES).map(|line| format!("{line}\n")).collect();
    std::fs::write(&log, text).expect("there is room");
    let copying = std::thread::spawn({
        let url = url.clone();
        move || {
            run(async || {
                let database = Database::open(&url).expect("it is there");
                let position = database.position("log").expect("it can be kept");
                let lines = TextFile::new(&log).until_end().position(&position);
                let lines = Stream::from_textfile(lines);
                let table = Table::new("lines", ["line"], |line: &String| [line.as_str().into()]);
                // One row at a time makes many transactions to interrupt.
                let spread = lines.then(async |line: String| {
                    tokio::time::sleep(Duration::from_micros(200)).await;
                    line
                });
                spread.to_sql(&database, table.create());
                lines.run("120s").await
            })
        }
    });
    let mut cuts = 0;
    while !copying.is_finished() {
        std::thread::sleep(Duration::from_millis(150));
        if cuts % 5 == 4 {
            server.crash();
        } else {
            execute_if_it_answers(&url);
        }
        cuts += 1;
    }
    copying
        .join()
        .expect("it does not panic")
        .expect("everything is written");
    let found = rows(&url, "SELECT line::int AS line FROM lines", "line");
    let expected: Vec<_> = (0..LINES as i64).map(|line| vec![line.into()]).collect();
    assert!(found == expected, "{} rows after {cuts} cuts", found.len());
}

/// Makes the server terminate all other connections.
fn execute_if_it_answers(url: &str) {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.expect("there are descriptors").block_on(async {
        if let Ok((client, connection)) = tokio_postgres::connect(url, tokio_postgres::NoTls).await {
            tokio::spawn(connection);
            let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'thalweg'";
            let _ = client.batch_execute(cut).await;
        }
    });
}
