use std::path::{Path, PathBuf};

use tempfile::TempDir;
use thalweg::{OnError, Retry, Stream, VirtualClock};
use tokio::runtime::Builder;

use super::*;
use crate::{Position, TextFile, prelude::*};

struct Place {
    dir: TempDir,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("there is room");
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn open(&self) -> Database {
        Database::open(&url(&self.path("test.db"))).expect("a new file")
    }

    fn query(&self, query: &str) -> Vec<Vec<String>> {
        let connection = rusqlite::Connection::open(self.path("test.db")).expect("it is there");
        let mut statement = connection.prepare(query).expect("a query");
        let columns = statement.column_count();
        let text = |row: &rusqlite::Row<'_>| {
            let value = |at| row.get_ref(at).map(|value| show(&value.into()));
            (0..columns).map(value).collect()
        };
        let rows = statement.query_map([], text).expect("a query");
        rows.collect::<Result<_, _>>().expect("rows")
    }
}

fn url(path: &Path) -> String {
    format!("sqlite:{}", path.display())
}

fn show(value: &SqlValue) -> String {
    match value {
        SqlValue::Null => "null".to_string(),
        SqlValue::Boolean(x) => x.to_string(),
        SqlValue::Integer(x) => x.to_string(),
        SqlValue::Real(x) => format!("{x:?}"),
        SqlValue::Text(text) => text.clone(),
        SqlValue::Blob(bytes) => format!("{bytes:?}"),
    }
}

/// Runs `f` within an event loop.
fn run<R>(f: impl AsyncFnOnce() -> R) -> R {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.expect("there are descriptors").block_on(f())
}

fn pairs(name: &str) -> Table<(i64, &'static str)> {
    Table::new(name, ["id", "text"], |(id, text): &(i64, &str)| {
        [(*id).into(), (*text).into()]
    })
}

#[test]
fn names_are_quoted_and_values_bound() {
    let place = Place::new();
    run(async || {
        let rows = Stream::new();
        let table = Table::rows("a \"b\"; DROP TABLE x").create();
        rows.to_sql(&place.open(), table);
        let columns = ["order", "\"); --"];
        let row = SqlRow::new(columns, ["'); DROP".into(), SqlValue::Blob(vec![0, 1])]);
        rows.emit(row).await.expect("there is room");
        rows.emit(SqlRow::new(["order"], [1.5.into()]))
            .await
            .expect("there is room");
        rows.drain("10s").await.expect("it can be written");
    });
    let rows = place.query("SELECT * FROM \"a \"\"b\"\"; DROP TABLE x\"");
    assert_eq!(rows, [["'); DROP", "[0, 1]"], ["1.5", "null"]]);
}

#[test]
fn a_row_with_a_known_key_replaces_the_values() {
    let place = Place::new();
    run(async || {
        let source = Stream::new();
        source.to_sql(&place.open(), pairs("words").key(["id"]).create());
        source
            .emit_many([(1, "a"), (2, "b"), (1, "c")])
            .await
            .expect("there is room");
        source.drain("10s").await.expect("it can be written");
    });
    assert_eq!(
        place.query("SELECT * FROM words ORDER BY id"),
        [["1", "c"], ["2", "b"]]
    );
}

#[test]
fn batches_of_every_size_arrive_complete_and_in_order() {
    let text = |at: i64| if at % 2 == 0 { "even" } else { "odd" };
    for len in [1, 19, 20, 21, 40, 59] {
        let place = Place::new();
        run(async || {
            let source = Stream::new();
            let database = place.open();
            source.to_sql(&database, pairs("all_").create());
            source.to_sql(&database, pairs("last").key(["id"]).create());
            let rows = (0..len).map(|at| (at % 7, text(at)));
            source.emit_many(rows).await.expect("there is room");
            source.drain("10s").await.expect("it can be written");
        });
        let row = |at: i64| vec![(at % 7).to_string(), text(at).to_string()];
        let all: Vec<_> = (0..len).map(row).collect();
        assert_eq!(place.query("SELECT * FROM all_ ORDER BY rowid"), all);
        let mut last: Vec<_> = ((len - 7).max(0)..len).map(row).collect();
        last.sort();
        assert_eq!(place.query("SELECT * FROM last ORDER BY id"), last);
    }
}

#[test]
fn a_rejected_row_fails_alone() {
    let place = Place::new();
    let failed = run(async || {
        let source = Stream::new();
        let database = place.open();
        let connection = rusqlite::Connection::open(place.path("test.db")).expect("it is there");
        let table = "CREATE TABLE words (id INTEGER PRIMARY KEY, text TEXT CHECK (text <> 'bad'))";
        connection.execute_batch(table).expect("a table");
        let sink = source.to_sql(&database, pairs("words"));
        let failed = sink.stream().errors().sink_to_list();
        let all = [(1, "a"), (2, "b"), (3, "bad"), (4, "d"), (4, "e"), (5, "f")];
        source.emit_many(all).await.expect("there is room");
        source.drain("10s").await.expect("failures go elsewhere");
        failed.to_vec()
    });
    let rows = place.query("SELECT id, text FROM words ORDER BY id");
    assert_eq!(rows, [["1", "a"], ["2", "b"], ["4", "d"], ["5", "f"]]);
    let elements: Vec<_> = failed
        .iter()
        .map(|one| one.element::<(i64, &str)>())
        .collect();
    assert_eq!(elements, [Some((3, "bad")), Some((4, "e"))]);
    let expected = format!(
        "{}, table `words`: CHECK constraint failed: text <> 'bad'",
        url(&place.path("test.db"))
    );
    assert_eq!(failed[0].cause().to_string(), expected);
}

#[test]
fn a_row_without_columns_fails_alone() {
    let place = Place::new();
    let failed = run(async || {
        let source = Stream::new();
        let sink = source.to_sql(&place.open(), Table::rows("words").create());
        let failed = sink.stream().errors().sink_to_list();
        let row = |columns: &[&str]| {
            let names: Vec<_> = columns.iter().map(ToString::to_string).collect();
            SqlRow::of(names.into(), vec![SqlValue::Integer(7); columns.len()])
        };
        let all = [row(&[]), row(&["id"]), row(&[]), row(&["id"])];
        source.emit_many(all).await.expect("there is room");
        source.drain("10s").await.expect("failures go elsewhere");
        failed.to_vec()
    });
    assert_eq!(place.query("SELECT id FROM words"), [["7"], ["7"]]);
    let causes: Vec<_> = failed.iter().map(|one| one.cause().to_string()).collect();
    let expected = format!(
        "{}, table `words`: the row has no columns",
        url(&place.path("test.db"))
    );
    assert_eq!(causes, [expected.clone(), expected]);
}

#[test]
fn errors_name_a_remedy() {
    let place = Place::new();
    let shown = url(&place.path("test.db"));
    let error = run(async || {
        let source = Stream::new();
        source.to_sql(&place.open(), pairs("missing"));
        source.emit((1, "a")).await.expect("there is room");
        source.drain("10s").await.expect_err("there is no table")
    });
    let expected = format!(
        "{shown}, table `missing`: no such table: missing; have it made with `create`, or make it first"
    );
    assert!(error.to_string().contains(&expected), "{error}");

    let opened = |url: &str| Database::open(url).expect_err("wrong").to_string();
    assert_eq!(
        opened("mysql://me:secret@localhost/x"),
        "`mysql:…` is no database that is known here: give `sqlite:` and the name of a file, `sqlite::memory:`, or \
         `postgres://user:password@host:port/database`"
    );
    let text = opened("sqlite:/no/such/directory/x.db");
    assert!(
        text.ends_with("its directory does not exist: make it first"),
        "{text}"
    );
    std::fs::write(
        place.path("text.db"),
        "no database, however long the text is that is in it",
    )
    .expect("room");
    let text = opened(&url(&place.path("text.db")));
    assert!(text.contains("file is not a database"), "{text}");
}

#[test]
fn rows_arrive_in_cursor_order_and_new_ones_with_the_next_poll() {
    let clock = VirtualClock::new();
    let database = Database::open("sqlite::memory:").expect("there is room");
    let insert = |ids: std::ops::RangeInclusive<i64>| {
        let done = database.run(move |connection| {
            let mut transaction = connection.begin()?;
            let table = "CREATE TABLE IF NOT EXISTS events (id INTEGER, text TEXT)";
            transaction.execute(table, &[&[]])?;
            let rows: Vec<_> = ids.rev().map(|id| [SqlValue::from(id)]).collect();
            let rows: Vec<&[SqlValue]> = rows.iter().map(|row| &row[..]).collect();
            transaction.execute("INSERT INTO events VALUES ($1, 'x')", &rows)?;
            transaction.commit()
        });
        done.wait()
            .expect("it is at work")
            .expect("it can be written");
    };
    insert(1..=3000);
    let query = Query::new("SELECT id, text FROM events;", "id")
        .after(2)
        .poll("1s");
    let source = SqlSource::new(&database, query);
    let rows = Stream::from_source_on(source, &clock);
    let list = rows
        .map(|row| row.get("id").and_then(SqlValue::as_i64))
        .sink_to_list();
    rows.start().expect("nothing is wrong");
    // The database's thread does not use the virtual clock.
    let wait_for = |last| {
        while list.to_vec().last() != Some(&Some(last)) {
            clock.advance(std::time::Duration::from_secs(1));
            std::thread::yield_now();
        }
    };
    wait_for(3000);
    insert(3001..=3002);
    wait_for(3002);
    assert_eq!(list.to_vec(), (3..=3002).map(Some).collect::<Vec<_>>());
}

#[test]
fn a_query_without_its_cursor_is_an_error() {
    let error = run(async || {
        let database = Database::open("sqlite::memory:").expect("there is room");
        let rows = Stream::from_sql(&database, Query::new("SELECT 1 AS one", "id"));
        rows.sink(drop);
        rows.run("10s").await.expect_err("there is no id")
    });
    let text = error.to_string();
    assert!(
        text.ends_with("sqlite::memory:, query: it has no column `id` for the cursor"),
        "{text}"
    );
}

/// Reads a file's lines into a table, failing on marked ones, like a program that is run repeatedly.
fn copy(place: &Place, fails: bool) -> Position {
    run(async || {
        let database = place.open();
        let position = database.position("log").expect("it is there");
        let file = TextFile::new(place.path("log"))
            .until_end()
            .position(&position);
        let lines = Stream::from_textfile(file);
        let words = lines.try_map(move |line: &String| match line.as_str() {
            "fails" if fails => Err("as it was told to"),
            _ => Ok(line.split(' ').map(str::to_string).collect::<Vec<_>>()),
        });
        words.clone().on_error(OnError::Raise);
        let table = Table::new("words", ["word"], |word: &String| [word.as_str().into()]);
        words.flatten().to_sql(&database, table.create());
        let _ = lines.run("10s").await;
        position
    })
}

#[test]
fn failed_rows_are_read_again_without_duplicating_later_ones() {
    let place = Place::new();
    std::fs::write(place.path("log"), "a b\nfails\nc\nd e f\n").expect("there is room");
    let position = copy(&place, true);
    assert_eq!(position.value().as_deref(), Some("4"));
    assert_eq!(
        position.oldest().map(|(value, _)| value).as_deref(),
        Some("10")
    );
    copy(&place, false);
    copy(&place, false);
    let mut words: Vec<_> = place.query("SELECT word FROM words").concat();
    words.sort();
    assert_eq!(words, ["a", "b", "c", "d", "e", "f", "fails"]);
    let kept = place.query("SELECT name, sink, value FROM thalweg_positions");
    assert_eq!(kept[0][..2], ["log", "words"]);
}

#[test]
fn a_locked_database_is_retried_by_the_policy() {
    let place = Place::new();
    let attempts = run(async || {
        let source = Stream::new();
        let database = place.open();
        let done = database.run(|connection| {
            let mut transaction = connection.begin()?;
            transaction.first("PRAGMA busy_timeout = 0", &[])
        });
        done.await.expect("it is at work").expect("it can be said");
        let other = rusqlite::Connection::open(place.path("test.db")).expect("it is there");
        other
            .execute_batch("BEGIN EXCLUSIVE")
            .expect("nobody else writes");
        let sink = source.to_sql(&database, pairs("words").create());
        sink.on_error(Retry::times(1_000).backoff("1ms"));
        source.emit((1, "a")).await.expect("there is room");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        other.execute_batch("COMMIT").expect("nobody else writes");
        source.drain("60s").await.expect("it can be written now");
        place.query("SELECT text FROM words")
    });
    assert_eq!(attempts, [["a"]]);
}
