//! What a kind of database has to do for the others here.

use std::time::{Duration, Instant};

use super::error::SqlError;
use super::value::{SqlRow, SqlValue};

/// How long a database that has gone away is looked for.
const PATIENCE: Duration = Duration::from_secs(30);

/// The first pause before it is looked for again; each is twice the one before.
const PAUSE: Duration = Duration::from_millis(50);

/// A connection, on the thread that works for it.
///
/// Statements name their values `$1`, `$2` and so on, in this order.
pub(super) trait Connection {
    /// Begins a transaction that no other writer comes between.
    fn begin(&mut self) -> Result<Box<dyn Transaction + '_>, Problem>;

    /// The rows of a query.
    fn read(&mut self, read: &Read<'_>) -> Result<Vec<SqlRow>, ReadError>;

    /// The type of a column that holds such values; empty where any would do.
    fn column_type(&self, value: &SqlValue) -> &'static str;

    /// Connects anew.
    fn reconnect(&mut self) -> Result<(), Problem>;
}

/// What is done as a whole, or, if it is dropped, not at all.
pub(super) trait Transaction {
    /// Does something for each row, in their order.
    fn execute(&mut self, statement: &str, rows: &[&[SqlValue]]) -> Result<(), Problem>;

    /// The first row of a query's result.
    fn first(&mut self, query: &str, values: &[SqlValue])
    -> Result<Option<Vec<SqlValue>>, Problem>;

    fn commit(self: Box<Self>) -> Result<(), Problem>;
}

/// So many rows of `text`, a query, behind the one whose column `cursor` is `after`.
pub(super) struct Read<'a> {
    pub(super) text: &'a str,
    pub(super) cursor: &'a str,
    pub(super) after: Option<&'a SqlValue>,
    pub(super) limit: usize,
}

pub(super) enum ReadError {
    /// The query has no such column.
    Cursor,
    Problem(Problem),
}

impl From<Problem> for ReadError {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl Read<'_> {
    /// The statement, once it is known what the query's columns are called, and how they are to be read.
    pub(super) fn statement(&self, columns: &str, cursor: &str) -> String {
        let text = self.text.trim_end().trim_end_matches(';');
        let cursor = quoted(cursor);
        let condition = match self.after {
            Some(_) => format!("{cursor} > $1"),
            None => format!("{cursor} IS NOT NULL"),
        };
        let limit = self.limit;
        format!(
            "SELECT {columns} FROM (\n{text}\n) AS found WHERE {condition} ORDER BY {cursor} LIMIT {limit}"
        )
    }

    /// The column of the cursor, as the database calls it.
    pub(super) fn find_cursor<'a>(
        &self,
        columns: impl Iterator<Item = &'a str> + Clone,
    ) -> Option<&'a str> {
        let exact = columns.clone().find(|name| *name == self.cursor);
        exact.or_else(|| {
            columns
                .clone()
                .find(|name| name.eq_ignore_ascii_case(self.cursor))
        })
    }
}

/// What a database says against something, and what to do about it.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) source: Box<dyn std::error::Error + Send + Sync>,
    /// Begins with `; `, unless it is empty.
    pub(super) remedy: &'static str,
    /// Whether another row might have been taken.
    pub(super) blames_row: bool,
    /// Whether the connection is gone.
    pub(super) is_lost: bool,
}

/// Does something on a connection; if that is lost meanwhile, on another one.
///
/// # Errors
/// What it was refused for, or what keeps the database from being reached for half a minute.
pub(super) fn persist<R>(
    connection: &mut dyn Connection,
    mut job: impl FnMut(&mut dyn Connection) -> Result<R, SqlError>,
) -> Result<R, SqlError> {
    let (begin, mut pause) = (Instant::now(), PAUSE);
    loop {
        let lost = match job(connection) {
            Err(error) if error.is_lost() => error,
            result => return result,
        };
        loop {
            // Nothing but this database waits for this thread.
            std::thread::sleep(pause);
            pause *= 2;
            match connection.reconnect() {
                Ok(()) => break,
                Err(problem) if problem.is_lost && begin.elapsed() + pause < PATIENCE => {}
                Err(_) => return Err(lost),
            }
        }
    }
}

/// A name as SQL has it, whatever is in it.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

pub(super) fn list(names: &[String]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| quoted(name)).collect();
    quoted.join(", ")
}
