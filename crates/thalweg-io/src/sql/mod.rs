//! Databases: [`to_sql`](ToSql::to_sql) writes rows, [`from_sql`](FromSql::from_sql) reads them, and a [`Database`]
//! keeps the positions of sources in the same transactions as the rows.
//!
//! SQLite is built in; nothing has to be installed.
//!
//! ```
//! use thalweg::Stream;
//! use thalweg_io::{TextFile, prelude::*, sql::{Database, Table}};
//!
//! # let dir = tempfile::tempdir()?;
//! # let (log, url) = (dir.path().join("log"), format!("sqlite:{}", dir.path().join("lines.db").display()));
//! # let count = || rusqlite::Connection::open(url.strip_prefix("sqlite:").unwrap())?
//! #     .query_row("SELECT count(*) FROM lines", [], |row| row.get::<_, i64>(0));
//! std::fs::write(&log, "one\ntwo\n")?;
//! // Run as often as one likes, killed or not: each line of the file is a row, once.
//! for _ in 0..2 {
//!     let database = Database::open(&url)?;
//!     let lines = TextFile::new(&log).until_end().position(&database.position("log")?);
//!     let lines = Stream::from_textfile(lines);
//!     let table = Table::new("lines", ["line"], |line: &String| [line.as_str().into()]);
//!     lines.to_sql(&database, table.create());
//!     lines.run("10s").wait()?;
//! }
//! assert_eq!(count()?, 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod connection;
#[cfg(feature = "sqlite")]
mod copies;
mod database;
mod error;
#[cfg(all(test, unix, feature = "sqlite", feature = "sse", feature = "textfile"))]
mod kill_tests;
#[cfg(feature = "dead-letters")]
mod letters;
#[cfg(feature = "postgres")]
mod postgres;
mod sink;
mod source;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(all(test, feature = "sqlite"))]
mod tests;
mod value;

#[cfg(feature = "sqlite")]
pub use self::copies::on_other_copy;
pub use self::database::Database;
pub use self::error::SqlError;
#[cfg(feature = "dead-letters")]
pub(crate) use self::letters::{LettersCursor, LettersTable};
pub use self::sink::{ElementRows, SqlSink, Table, ToSql};
pub use self::source::{FromSql, Query, SqlSource};
pub use self::value::{SqlRow, SqlValue};
