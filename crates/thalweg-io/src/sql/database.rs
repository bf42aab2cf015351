//! A database, with a separate thread that runs its operations.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::{process, thread};

use async_channel::{Receiver, Sender};

use super::connection::{Connection, Problem, Transaction, persist};
use super::{SqlError, SqlValue};
use crate::Position;
use crate::position::{Rows, Watermark};
use crate::reply::{Reply, reply};

/// The table of positions.
pub(super) const TABLE: &str = "thalweg_positions";

/// Creates it.
const POSITIONS: &str = "CREATE TABLE IF NOT EXISTS thalweg_positions (\
    name TEXT NOT NULL, sink TEXT NOT NULL, number BIGINT NOT NULL, value TEXT, rows TEXT NOT NULL, \
    PRIMARY KEY (name, sink))";

/// A database to write rows to, read rows from, and keep positions in. Clones share it.
///
/// It has one connection and one thread, which ends with the last clone.
///
/// ```
/// use thalweg_io::sql::Database;
///
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("events.db");
/// let database = Database::open(&format!("sqlite:{}", path.display()))?;
/// let position = database.position("feed")?;
/// assert_eq!(position.value(), None);
/// let error = Database::open("mysql://me:secret@example.com/").unwrap_err();
/// assert!(!error.to_string().contains("secret"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Database(Arc<Inner>);

struct Inner {
    shown: String,
    id: u64,
    process: u32,
    jobs: Sender<Job>,
}

type Job = Box<dyn FnOnce(&mut dyn Connection) + Send>;

impl Database {
    /// Opens a database by URL: `sqlite:` and a file name, created if it does not exist, or `sqlite::memory:`; with the
    /// feature `postgres` also `postgres://user:password@host:port/database`, with the
    /// [options](https://docs.rs/tokio-postgres/0.7/tokio_postgres/config/struct.Config.html) of libpq. Connections to
    /// other machines use TLS if the server offers it; with `sslmode=require` they fail otherwise.
    ///
    /// # Errors
    /// The URL is not supported, the file cannot be opened or is not a database, or the server cannot be reached or
    /// refuses the login.
    pub fn open(url: &str) -> Result<Self, SqlError> {
        let (jobs, work) = async_channel::unbounded::<Job>();
        let (replier, opened) = reply();
        let url = url.to_string();
        let scheme = scheme_of(&url);
        // Opened on its own thread, since the calling thread may run an event loop.
        let thread = thread::Builder::new().name("thalweg-sql".into());
        let started = thread.spawn(move || match connect(&url) {
            Ok((shown, connection)) => {
                replier.put(Ok(shown));
                run(connection, &work);
            }
            Err(error) => replier.put(Err(error)),
        });
        if let Err(source) = started {
            return Err(SqlError::Thread {
                database: scheme,
                source,
            });
        }
        let shown = opened
            .wait()
            .unwrap_or(Err(SqlError::Gone { database: scheme }))?;
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        Ok(Self(Arc::new(Inner {
            shown,
            id,
            process: process::id(),
            jobs,
        })))
    }

    /// The position with this name, for one source of one pipeline. Sinks that write to this database store it in the
    /// transactions that contain the results of the source's elements, so that the pipeline can be killed at any
    /// moment. Pass it to the source, and this database to [`to_sql`](super::ToSql::to_sql).
    ///
    /// Nothing is lost or doubled if the source yields the same elements again after a position, and the pipeline makes
    /// the same rows of each element or of non-overlapping groups of elements.
    ///
    /// # Errors
    /// The database reports an error.
    pub fn position(&self, name: &str) -> Result<Position, SqlError> {
        let (shown, wanted) = (self.0.shown.clone(), name.to_string());
        let found = self.run(move |connection| {
            persist(connection, |connection| {
                let found = first_position(connection, &wanted);
                found.map_err(|problem| SqlError::statement(&shown, TABLE, problem))
            })
        });
        let (number, value) = found.wait().ok_or_else(|| self.gone())??;
        let watermark = Watermark::behind(number, value.map(Into::into));
        Ok(Position::restored(
            name.to_string(),
            Some(self.0.id),
            watermark,
        ))
    }

    /// The URL without secrets.
    pub fn shown(&self) -> &str {
        &self.0.shown
    }

    /// The error of a job that was dropped.
    pub(super) fn gone(&self) -> SqlError {
        SqlError::Gone {
            database: self.0.shown.clone(),
        }
    }

    pub(super) fn id(&self) -> u64 {
        self.0.id
    }

    /// Runs `job` on the database's thread; returns a receiver for its result.
    pub(super) fn run<R: Send + 'static>(
        &self,
        job: impl FnOnce(&mut dyn Connection) -> R + Send + 'static,
    ) -> Reply<R> {
        let (replier, result) = reply();
        let job: Job = Box::new(move |connection| replier.put(job(connection)));
        // In a forked process the thread is missing. The queue needs no limit: each sink and source has one job.
        if process::id() == self.0.process {
            let _ = self.0.jobs.try_send(job);
        }
        result
    }
}

fn connect(url: &str) -> Result<(String, Box<dyn Connection + Send>), SqlError> {
    #[cfg(feature = "sqlite")]
    if let Some(name) = url.strip_prefix(super::sqlite::SCHEME) {
        return super::sqlite::open(name);
    }
    #[cfg(feature = "postgres")]
    if super::postgres::SCHEMES
        .iter()
        .any(|scheme| url.starts_with(scheme))
    {
        return super::postgres::open(url);
    }
    Err(SqlError::Url {
        shown: scheme_of(url),
    })
}

/// The part of an unparsed URL that may be shown.
fn scheme_of(url: &str) -> String {
    let scheme = url.split_once(':').map_or("the URL", |(scheme, _)| scheme);
    format!("`{scheme}:…`")
}

/// Reads the position with this name, creating the table if necessary.
pub(super) fn first_position(
    connection: &mut dyn Connection,
    name: &str,
) -> Result<(u64, Option<String>), Problem> {
    let mut transaction = connection.begin()?;
    transaction.execute(POSITIONS, &[&[]])?;
    let query =
        "SELECT number, value FROM thalweg_positions WHERE name = $1 ORDER BY number DESC LIMIT 1";
    let found = transaction.first(query, &[name.into()])?;
    transaction.commit()?;
    let mut values = found.into_iter().flatten();
    let number = values.next().and_then(|number| number.as_i64());
    let value = values.next().and_then(|value| match value {
        SqlValue::Text(text) => Some(text),
        _ => None,
    });
    Ok((number.unwrap_or_default().unsigned_abs(), value))
}

/// Rows that a sink has written after a position, as stored: the number, and the counts.
pub(super) fn stored_rows(
    transaction: &mut dyn Transaction,
    database: &str,
    name: &str,
    sink: &str,
) -> Result<Option<(u64, String)>, SqlError> {
    let query = "SELECT number, rows FROM thalweg_positions WHERE name = $1 AND sink = $2";
    let found = transaction.first(query, &[name.into(), sink.into()]);
    let found = found.map_err(|problem| SqlError::statement(database, TABLE, problem))?;
    Ok(found.and_then(|values| {
        let [number, rows] = <[SqlValue; 2]>::try_from(values).ok()?;
        let number = number.as_i64()?.unsigned_abs();
        Some((number, rows.as_str()?.to_string()))
    }))
}

/// The same, parsed.
pub(super) fn rows_of(
    transaction: &mut dyn Transaction,
    database: &str,
    name: &str,
    sink: &str,
) -> Result<Rows, SqlError> {
    let Some((number, text)) = stored_rows(transaction, database, name, sink)? else {
        return Ok(Rows::default());
    };
    Rows::from_text(number, &text).ok_or(SqlError::Position {
        database: database.to_string(),
        name: name.to_string(),
        text,
    })
}

fn run(mut connection: Box<dyn Connection + Send>, work: &Receiver<Job>) {
    while let Ok(job) = work.recv_blocking() {
        job(&mut *connection);
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Database").field(&self.0.shown).finish()
    }
}
