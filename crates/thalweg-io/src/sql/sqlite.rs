//! SQLite: a file, or a database in memory.

use std::path::Path;
use std::time::Duration;

use rusqlite::types::{ToSql as Bind, ToSqlOutput, ValueRef};
use rusqlite::{Error, ErrorCode, TransactionBehavior, params_from_iter};

use super::connection::{Connection, Insert, Problem, Read, ReadError, Transaction};
use super::copies::OtherCopies;
use super::error::SqlError;
use super::value::{Columns, SqlRow, SqlValue};

/// How long to wait for another program's transaction.
const BUSY: Duration = Duration::from_secs(10);

/// Rows per statement: twenty take half as long together as one by one, and more are not faster.
const AT_ONCE: usize = 20;

/// Maximum number of placeholders in a statement of SQLite.
const MAX_PLACES: usize = 32_766;

/// The URL up to the file name.
pub(super) const SCHEME: &str = "sqlite:";

pub(super) struct Sqlite {
    name: String,
    connection: rusqlite::Connection,
    copies: Option<OtherCopies>,
}

struct Written<'a>(rusqlite::Transaction<'a>);

/// Opens a database by the part of the URL after the scheme.
pub(super) fn open(name: &str) -> Result<(String, Box<dyn Connection + Send>), SqlError> {
    let name = name.strip_prefix("//").unwrap_or(name);
    let shown = format!("{SCHEME}{name}");
    let connection = connect(name).map_err(|source| SqlError::Database {
        database: shown.clone(),
        remedy: match Path::new(name).parent() {
            Some(parent) if !parent.as_os_str().is_empty() && !parent.is_dir() => {
                "its directory does not exist: make it first"
            }
            _ => "give a database of SQLite that this user may write, or the name of a new file",
        },
        source: Box::new(source),
    })?;
    let copies = OtherCopies::of(connection.path());
    Ok((
        shown,
        Box::new(Sqlite {
            name: name.to_string(),
            connection,
            copies,
        }),
    ))
}

fn connect(name: &str) -> rusqlite::Result<rusqlite::Connection> {
    let connection = rusqlite::Connection::open(name)?;
    connection.busy_timeout(BUSY)?;
    // With a write-ahead log readers and the writer do not block each other, and a commit is one write. Not all file
    // systems support it.
    let _mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

impl Connection for Sqlite {
    fn begin(&mut self) -> Result<Box<dyn Transaction + '_>, Problem> {
        self.look_for_copies()?;
        let begun = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        if let Some(copies) = &mut self.copies {
            copies.note_log();
        }
        Ok(Box::new(Written(begun)))
    }

    fn read(&mut self, read: &Read<'_>) -> Result<Vec<SqlRow>, ReadError> {
        self.look_for_copies()?;
        let inner = self
            .connection
            .prepare_cached(read.text)
            .map_err(Problem::from)?;
        let cursor = read.find_cursor(inner.column_names().into_iter());
        let statement = read.statement("*", cursor.ok_or(ReadError::Cursor)?);
        let rows = self.rows(&statement, read.after)?;
        if let Some(copies) = &mut self.copies {
            copies.note_log();
        }
        Ok(rows)
    }

    fn column_type(&self, value: &SqlValue) -> &'static str {
        match value {
            SqlValue::Null => "",
            SqlValue::Integer(_) | SqlValue::Boolean(_) => " INTEGER",
            SqlValue::Real(_) => " REAL",
            SqlValue::Text(_) => " TEXT",
            SqlValue::Blob(_) => " BLOB",
        }
    }

    fn reconnect(&mut self) -> Result<(), Problem> {
        // A file does not disconnect.
        Ok(())
    }
}

impl Sqlite {
    /// Reports other copies of SQLite, and recovers from the removal of the write-ahead log by one of them.
    fn look_for_copies(&mut self) -> Result<(), Problem> {
        let Some(copies) = &mut self.copies else {
            return Ok(());
        };
        copies.look();
        if copies.has_lost_log() {
            // Closing comes first: it moves into the file what may have been written to the removed log.
            self.connection = rusqlite::Connection::open_in_memory()?;
            self.connection = connect(&self.name)?;
        }
        Ok(())
    }

    fn rows(&self, statement: &str, after: Option<&SqlValue>) -> Result<Vec<SqlRow>, Problem> {
        let mut statement = self.connection.prepare_cached(statement)?;
        let names = statement.column_names().into_iter();
        let columns: Columns = names.map(String::from).collect();
        let mut found = statement.query(params_from_iter(after))?;
        let mut rows = Vec::new();
        while let Some(row) = found.next()? {
            rows.push(SqlRow::with(columns.clone(), values(row, columns.len())?));
        }
        Ok(rows)
    }
}

impl Transaction for Written<'_> {
    fn execute(&mut self, statement: &str, rows: &[&[SqlValue]]) -> Result<(), Problem> {
        let mut statement = self.0.prepare_cached(statement)?;
        for row in rows {
            statement.execute(params_from_iter(*row))?;
        }
        Ok(())
    }

    fn insert(&mut self, insert: &Insert, rows: &[&[SqlValue]]) -> Result<(), Problem> {
        let at_once = AT_ONCE.min(MAX_PLACES / insert.width).max(1);
        let groups = rows.chunks_exact(at_once);
        let rest = groups.remainder();
        if rows.len() >= at_once {
            let mut statement = self.0.prepare_cached(&insert.statement(at_once))?;
            for group in groups {
                statement.execute(params_from_iter(group.iter().copied().flatten()))?;
            }
        }
        match rest.is_empty() {
            true => Ok(()),
            false => self.execute(&insert.statement(1), rest),
        }
    }

    fn first(&mut self, query: &str, given: &[SqlValue]) -> Result<Option<Vec<SqlValue>>, Problem> {
        let mut statement = self.0.prepare_cached(query)?;
        let count = statement.column_count();
        let mut rows = statement.query(params_from_iter(given))?;
        let row = rows.next()?;
        Ok(row.map(|row| values(row, count)).transpose()?)
    }

    fn commit(self: Box<Self>) -> Result<(), Problem> {
        Ok(self.0.commit()?)
    }
}

fn values(row: &rusqlite::Row<'_>, count: usize) -> rusqlite::Result<Vec<SqlValue>> {
    (0..count)
        .map(|at| row.get_ref(at).map(SqlValue::from))
        .collect()
}

impl From<Error> for Problem {
    fn from(source: Error) -> Self {
        let text = source.to_string();
        let (remedy, blames_row) = match source.sqlite_error_code() {
            _ if text.contains("no such table") => {
                ("; have it made with `create`, or make it first", false)
            }
            _ if text.contains("has no column named") => {
                ("; add the column, or leave it out", true)
            }
            _ if text.contains("expressions prohibited in PRIMARY KEY") => (
                "; the row that the table is made for has to have the columns of `key`",
                true,
            ),
            _ if text.contains("ON CONFLICT clause does not match") => (
                "; the columns of `key` need a primary key or a unique index",
                false,
            ),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => (
                "; another program holds a transaction for longer than 10 seconds: end it there",
                false,
            ),
            Some(ErrorCode::DiskFull) => ("; make room, and start again", false),
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => (
                "; this user may not write the file and its directory",
                false,
            ),
            Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig) => {
                ("", true)
            }
            _ => ("", false),
        };
        Self {
            source: Box::new(source),
            remedy,
            blames_row,
            is_lost: false,
        }
    }
}

impl Bind for SqlValue {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Boolean(x) => ValueRef::Integer((*x).into()),
            Self::Integer(x) => ValueRef::Integer(*x),
            Self::Real(x) => ValueRef::Real(*x),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

impl From<ValueRef<'_>> for SqlValue {
    fn from(value: ValueRef<'_>) -> Self {
        match value {
            ValueRef::Null => Self::Null,
            ValueRef::Integer(x) => Self::Integer(x),
            ValueRef::Real(x) => Self::Real(x),
            ValueRef::Text(text) => Self::Text(String::from_utf8_lossy(text).into_owned()),
            ValueRef::Blob(bytes) => Self::Blob(bytes.to_vec()),
        }
    }
}
