//! The interface between databases and their drivers.

use std::time::{Duration, Instant};

use super::error::SqlError;
use super::value::{SqlRow, SqlValue};

/// How long to try to reconnect to a database.
const PATIENCE: Duration = Duration::from_secs(30);

/// First pause before a retry; it doubles each time.
const PAUSE: Duration = Duration::from_millis(50);

/// A connection, used on the database's thread.
///
/// Placeholders in statements are `$1`, `$2` and so on, in this order.
pub(super) trait Connection {
    /// Starts a transaction that excludes other writers.
    fn begin(&mut self) -> Result<Box<dyn Transaction + '_>, Problem>;

    /// Runs a query and returns its rows.
    fn read(&mut self, read: &Read<'_>) -> Result<Vec<SqlRow>, ReadError>;

    /// The column type for such values; empty if any type will do.
    fn column_type(&self, value: &SqlValue) -> &'static str;

    /// Reconnects.
    fn reconnect(&mut self) -> Result<(), Problem>;
}

/// A transaction: rolled back if it is dropped.
pub(super) trait Transaction {
    /// Executes a statement for each row, in order.
    fn execute(&mut self, statement: &str, rows: &[&[SqlValue]]) -> Result<(), Problem>;

    /// Inserts rows, in order.
    fn insert(&mut self, insert: &Insert, rows: &[&[SqlValue]]) -> Result<(), Problem> {
        self.execute(&insert.statement(1), rows)
    }

    /// The first row of a query's result.
    fn first(&mut self, query: &str, values: &[SqlValue])
    -> Result<Option<Vec<SqlValue>>, Problem>;

    fn commit(self: Box<Self>) -> Result<(), Problem>;
}

/// How to insert rows into a table.
pub(super) struct Insert {
    /// The statement up to the values.
    pub(super) before: String,
    /// Number of values of a row.
    pub(super) width: usize,
    /// The statement from the values on.
    pub(super) behind: String,
}

impl Insert {
    /// The statement that inserts so many rows, with a placeholder for each of their values.
    pub(super) fn statement(&self, rows: usize) -> String {
        let row = |first: usize| {
            let places = (first..first + self.width).map(|at| format!("${}", at + 1));
            format!("({})", places.collect::<Vec<_>>().join(", "))
        };
        let rows: Vec<_> = (0..rows).map(|at| row(at * self.width)).collect();
        format!("{}{}{}", self.before, rows.join(", "), self.behind)
    }
}

/// Selects at most so many rows of `text`, a query, whose column `cursor` is greater than `after`.
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
    /// The statement, once the names and types of the query's columns are known.
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

    /// The cursor's column, as the database spells it.
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

/// An error of the database, with a remedy.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) source: Box<dyn std::error::Error + Send + Sync>,
    /// Empty, or begins with `; `.
    pub(super) remedy: &'static str,
    /// Whether another row might have been accepted.
    pub(super) blames_row: bool,
    /// Whether the connection is lost.
    pub(super) is_lost: bool,
}

/// Runs an operation; if the connection is lost meanwhile, reconnects and runs it again.
///
/// # Errors
/// The error of the operation, or that of reconnecting after half a minute.
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
            // Blocks nobody else: only this database uses the thread.
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

/// Quotes a name for SQL.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

pub(super) fn list(names: &[String]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| quoted(name)).collect();
    quoted.join(", ")
}
