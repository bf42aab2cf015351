//! A database, with a thread of its own that works for it.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use std::{process, thread};

use async_channel::{Receiver, Sender};
use rusqlite::{Connection, OptionalExtension};

use super::SqlError;
use super::reply::{Reply, reply};
use crate::Position;
use crate::position::{Rows, Watermark};

/// How long to wait for another program that holds a transaction.
const BUSY: Duration = Duration::from_secs(10);

/// The table that positions are kept in.
const POSITIONS: &str = "CREATE TABLE IF NOT EXISTS thalweg_positions (\
    name TEXT NOT NULL, sink TEXT NOT NULL, number INTEGER NOT NULL, value TEXT, rows TEXT NOT NULL, \
    PRIMARY KEY (name, sink))";

/// A database that rows are written to and read from, and where positions are kept. Clones are the same one.
///
/// It has one connection, and a thread that works for it, which ends with the last clone.
///
/// ```
/// use thalweg_io::sql::Database;
///
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("events.db");
/// let database = Database::open(&format!("sqlite:{}", path.display()))?;
/// let position = database.position("feed")?;
/// assert_eq!(position.value(), None);
/// let error = Database::open("postgres://me:secret@example.com/").unwrap_err();
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

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

impl Database {
    /// Opens a database by its URL: `sqlite:` and the name of a file, which is made if there is none, or
    /// `sqlite::memory:`.
    ///
    /// # Errors
    /// The URL is another one, or the file can't be opened or is no database.
    pub fn open(url: &str) -> Result<Self, SqlError> {
        let Some(name) = url.strip_prefix("sqlite:") else {
            let scheme = url.split_once(':').map_or("the URL", |(scheme, _)| scheme);
            return Err(SqlError::Url {
                shown: format!("`{scheme}:…`"),
            });
        };
        let name = name.strip_prefix("//").unwrap_or(name);
        let shown = format!("sqlite:{name}");
        let connection = connect(name).map_err(|source| SqlError::Database {
            database: shown.clone(),
            remedy: match Path::new(name).parent() {
                Some(parent) if !parent.as_os_str().is_empty() && !parent.is_dir() => {
                    "its directory does not exist: make it first"
                }
                _ => {
                    "give a database of SQLite that this user may write, or the name of a new file"
                }
            },
            source: Box::new(source),
        })?;
        let (jobs, work) = async_channel::unbounded::<Job>();
        let started = thread::Builder::new().name("thalweg-sql".into());
        let started = started.spawn(move || run(connection, &work));
        if let Err(source) = started {
            let database = shown;
            return Err(SqlError::Thread { database, source });
        }
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        Ok(Self(Arc::new(Inner {
            shown,
            id,
            process: process::id(),
            jobs,
        })))
    }

    /// The position of this name, for one source of one pipeline. It is kept by the sinks that write to this database
    /// what was made of the source's elements, in the same transactions; so the pipeline may be killed at any moment.
    /// Give it to the source, and this database to [`to_sql`](super::ToSql::to_sql).
    ///
    /// Nothing is lost and nothing is doubled if the source gives the same elements again behind a position, and the
    /// pipeline makes the same rows of each element, of one or of groups that do not overlap.
    ///
    /// # Errors
    /// The database refuses.
    pub fn position(&self, name: &str) -> Result<Position, SqlError> {
        let (shown, wanted) = (self.0.shown.clone(), name.to_string());
        let found = self.run(move |connection| {
            connection.execute_batch(POSITIONS)?;
            let query = "SELECT number, value FROM thalweg_positions WHERE name = ?1 ORDER BY number DESC LIMIT 1";
            let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
            connection.query_row(query, [wanted], row).optional()
        });
        let found: Option<(i64, Option<String>)> = match found.wait() {
            Some(found) => {
                found.map_err(|error| SqlError::statement(&shown, "thalweg_positions", error))?
            }
            None => return Err(self.gone()),
        };
        let (number, value) = found.unwrap_or_default();
        let watermark = Watermark::behind(number.unsigned_abs(), value);
        Ok(Position::restored(
            name.to_string(),
            Some(self.0.id),
            watermark,
        ))
    }

    /// Its URL, without any secret.
    pub fn shown(&self) -> &str {
        &self.0.shown
    }

    /// The error of a job that was never done.
    pub(super) fn gone(&self) -> SqlError {
        SqlError::Gone {
            database: self.0.shown.clone(),
        }
    }

    pub(super) fn id(&self) -> u64 {
        self.0.id
    }

    /// Has `job` run on the database's thread; what it returns can be received.
    pub(super) fn run<R: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Connection) -> R + Send + 'static,
    ) -> Reply<R> {
        let (replier, result) = reply();
        let job: Job = Box::new(move |connection| replier.put(job(connection)));
        // In a process that was forked there is no thread. The queue has no bound: each sink and source has one job.
        if process::id() == self.0.process {
            let _ = self.0.jobs.try_send(job);
        }
        result
    }
}

/// Rows of a sink that were written behind a position.
pub(super) fn rows_of(
    connection: &Connection,
    database: &str,
    name: &str,
    sink: &str,
) -> Result<Rows, SqlError> {
    let query = "SELECT number, rows FROM thalweg_positions WHERE name = ?1 AND sink = ?2";
    let row = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?));
    let found = connection.query_row(query, [name, sink], row).optional();
    let found = found.map_err(|error| SqlError::statement(database, "thalweg_positions", error))?;
    let Some((number, text)) = found else {
        return Ok(Rows::default());
    };
    Rows::from_text(number.unsigned_abs(), &text).ok_or(SqlError::Position {
        database: database.to_string(),
        name: name.to_string(),
        text,
    })
}

fn connect(name: &str) -> rusqlite::Result<Connection> {
    let connection = Connection::open(name)?;
    connection.busy_timeout(BUSY)?;
    // Readers and the writer do not wait for one another, and a commit is one write. Not all file systems can do that.
    let _mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

fn run(mut connection: Connection, work: &Receiver<Job>) {
    while let Ok(job) = work.recv_blocking() {
        job(&mut connection);
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Database").field(&self.0.shown).finish()
    }
}
