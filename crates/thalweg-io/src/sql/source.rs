//! Reading rows of a query.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use thalweg::interval::{IntervalError, IntoInterval, wait};
use thalweg::{BuildError, Emitter, Source, Stop, Stream};

use super::connection::{Connection, Read, ReadError, persist};
use super::{Database, SqlError, SqlRow, SqlValue};
use crate::Position;

/// Maximum rows read at once.
const BATCH: usize = 1024;

/// A query as a source of rows, ordered by one of its columns.
///
/// ```
/// use thalweg_io::sql::Query;
///
/// let query = Query::new("SELECT * FROM events", "id").after(41).poll("1s");
/// # drop(query);
/// ```
#[derive(Clone, Debug)]
pub struct Query {
    text: String,
    cursor: String,
    after: Option<SqlValue>,
    poll: Option<Result<Duration, IntervalError>>,
    position: Option<Position>,
}

impl Query {
    /// The rows of `SELECT …`, ordered by its unique column `cursor`, for example an id. Rows where it is null are not
    /// read.
    pub fn new(select: impl Into<String>, cursor: impl Into<String>) -> Self {
        Self {
            text: select.into(),
            cursor: cursor.into(),
            after: None,
            poll: None,
            position: None,
        }
    }

    /// Starts with the rows whose cursor is greater than this.
    pub fn after(mut self, value: impl Into<SqlValue>) -> Self {
        self.after = Some(value.into());
        self
    }

    /// Repeats the query at this interval: a duration, a number of seconds or a text such as `"1s"`. Without it the
    /// source ends with the last row.
    pub fn poll(mut self, interval: impl IntoInterval) -> Self {
        self.poll = Some(wait(interval));
        self
    }

    /// Continues after a position, if that has a value, and advances it.
    pub fn position(mut self, position: &Position) -> Self {
        self.position = Some(position.clone());
        self
    }
}

/// Rows of a database as a source: [`Stream::from_sql`](FromSql::from_sql).
pub struct SqlSource {
    database: Database,
    query: Query,
    /// The cursor of the last row that was taken.
    after: Option<SqlValue>,
    taken: VecDeque<(SqlRow, SqlValue)>,
}

impl fmt::Debug for SqlSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlSource")
            .field("database", &self.database)
            .finish_non_exhaustive()
    }
}

impl SqlSource {
    /// Creates a source of rows.
    pub fn new(database: &Database, query: Query) -> Self {
        let value = query.position.as_ref().and_then(Position::value);
        let kept = value.as_deref().and_then(SqlValue::from_position);
        Self {
            database: database.clone(),
            after: kept.or_else(|| query.after.clone()),
            query,
            taken: VecDeque::new(),
        }
    }

    async fn emit(&mut self, out: &Emitter<SqlRow>) -> Result<(), Stop> {
        let Some(position) = self.query.position.clone() else {
            let taken = &mut self.taken;
            let rows = std::iter::from_fn(|| taken.pop_front().map(|(row, _)| row));
            return out.emit_buffered(rows).await;
        };
        while !self.taken.is_empty() {
            out.or_stop(position.room()).await??;
            let Some((row, cursor)) = self.taken.pop_front() else {
                break;
            };
            let value = cursor.to_position().unwrap_or_default();
            out.emit_with(row, position.ack(value, out.now())).await?;
        }
        Ok(())
    }

    async fn read(&mut self) -> Result<bool, SqlError> {
        let (query, after) = (self.query.clone(), self.after.clone());
        let shown = self.database.shown().to_string();
        let read = self.database.run(move |connection| {
            persist(connection, |connection| {
                read(connection, &shown, &query, after.as_ref())
            })
        });
        let rows = match read.await {
            Some(rows) => rows?,
            None => return Err(self.database.gone()),
        };
        if let Some((_, cursor)) = rows.last() {
            self.after = Some(cursor.clone());
        }
        let is_full = rows.len() == BATCH;
        self.taken.extend(rows);
        Ok(is_full)
    }
}

fn read(
    connection: &mut dyn Connection,
    shown: &str,
    query: &Query,
    after: Option<&SqlValue>,
) -> Result<Vec<(SqlRow, SqlValue)>, SqlError> {
    let what = "query";
    let wrong = |problem: String| SqlError::Row {
        database: shown.to_string(),
        what: what.to_string(),
        problem,
    };
    let read = Read {
        text: &query.text,
        cursor: &query.cursor,
        after,
        limit: BATCH,
    };
    let rows = connection.read(&read).map_err(|error| match error {
        ReadError::Cursor => wrong(format!(
            "it has no column `{}` for the cursor",
            query.cursor
        )),
        ReadError::Problem(problem) => SqlError::statement(shown, what, problem),
    })?;
    let Some(first) = rows.first() else {
        return Ok(Vec::new());
    };
    let Some(at) = read
        .find_cursor(first.columns.iter().map(String::as_str))
        .and_then(|cursor| first.columns.iter().position(|name| name == cursor))
    else {
        return Ok(Vec::new());
    };
    let with_cursor = rows.into_iter().map(|row| {
        let cursor = row.values[at].clone();
        if cursor.to_position().is_none() {
            return Err(wrong(format!(
                "the column `{}` of the cursor holds {}; take one of numbers or text",
                query.cursor,
                match cursor {
                    SqlValue::Blob(_) => "bytes",
                    _ => "true and false",
                },
            )));
        }
        Ok((row, cursor))
    });
    with_cursor.collect()
}

impl Source for SqlSource {
    type Item = SqlRow;
    const KIND: &'static str = "from_sql";

    fn label(&self) -> Option<String> {
        Some(self.database.shown().to_string())
    }

    async fn run(&mut self, out: &Emitter<SqlRow>) -> Result<(), Stop> {
        if let Some(position) = &self.query.position {
            position.show(out);
        }
        let poll = self.query.poll.clone().transpose()?;
        loop {
            self.emit(out).await?;
            let has_more = out.or_stop(self.read()).await??;
            if has_more || !self.taken.is_empty() {
                continue;
            }
            match poll {
                Some(pause) => out.sleep(pause).await?,
                None => return Ok(()),
            }
        }
    }
}

/// Databases as sources: [`Stream::from_sql`](FromSql::from_sql).
pub trait FromSql {
    /// Emits the rows of a query, ordered by its cursor: existing ones, and with [`Query::poll`] those added later.
    ///
    /// At most 1024 rows are read at once; the next are read when the pipeline has taken these. Stopped and started
    /// again, it continues after the last row emitted; in a new process, after its [position](Query::position).
    ///
    /// A row that a slower transaction adds with a smaller cursor than one already read is missed.
    fn from_sql(database: &Database, query: Query) -> Stream<SqlRow>;
}

impl FromSql for Stream<SqlRow> {
    fn from_sql(database: &Database, query: Query) -> Self {
        let build_error = query.poll.clone().and_then(Result::err);
        let stream = Stream::from_source(SqlSource::new(database, query));
        if let Some(build_error) = build_error {
            stream.build_error(BuildError::new("from_sql", build_error));
        }
        stream
    }
}
