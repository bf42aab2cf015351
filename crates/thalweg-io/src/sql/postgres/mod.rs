//! PostgreSQL.

mod problem;
#[cfg(all(test, unix))]
mod server;
#[cfg(all(test, unix, feature = "textfile"))]
mod tests;
#[cfg(all(test, unix))]
mod troubles;
mod values;

use std::collections::HashMap;
use std::fmt::Write;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::types::{FromSql, ToSql};
use tokio_postgres::{Client, Config, NoTls, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::connection::{Connection, Problem, Read, ReadError, Transaction, quoted};
use super::error::SqlError;
use super::value::{Columns, SqlRow, SqlValue};

/// The schemes of URLs.
pub(super) const SCHEMES: [&str; 2] = ["postgres:", "postgresql:"];

/// Timeout of connecting, unless the URL has `connect_timeout`.
const CONNECT: Duration = Duration::from_secs(10);

/// Maximum number of cached prepared statements.
const KEPT: usize = 64;

/// Maximum rows sent without an answer.
const AT_ONCE: usize = 1024;

pub(super) struct Postgres {
    config: Config,
    /// Runs only while a statement is awaited.
    runtime: Runtime,
    client: Client,
    prepared: HashMap<String, Statement>,
    /// For queries that are read: the statement's columns and the name of the cursor.
    selects: HashMap<String, Option<(String, String)>>,
}

struct Written<'a> {
    runtime: &'a Runtime,
    transaction: tokio_postgres::Transaction<'a>,
    prepared: &'a mut HashMap<String, Statement>,
}

/// Opens a database by its URL.
pub(super) fn open(url: &str) -> Result<(String, Box<dyn Connection + Send>), SqlError> {
    let mut config: Config = url.parse().map_err(|_| SqlError::Url {
        // The invalid part may be the password.
        shown: "a URL that begins with `postgres:` and cannot be read".to_string(),
    })?;
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT);
    }
    if config.get_application_name().is_none() {
        config.application_name("thalweg");
    }
    let shown = shown(&config);
    let refused = |problem: Problem| SqlError::Database {
        database: shown.clone(),
        remedy: match problem.remedy.strip_prefix("; ") {
            Some(remedy) => remedy,
            None => "is the server running there, and are user, password and database right?",
        },
        source: problem.source,
    };
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|source| SqlError::Thread {
        database: shown.clone(),
        source,
    })?;
    let client = runtime.block_on(connect(&config)).map_err(refused)?;
    let postgres = Postgres {
        config,
        runtime,
        client,
        prepared: HashMap::new(),
        selects: HashMap::new(),
    };
    Ok((shown, Box::new(postgres)))
}

/// The URL without the password.
fn shown(config: &Config) -> String {
    let mut text = "postgres://".to_string();
    if let Some(user) = config.get_user() {
        let _ = write!(text, "{user}@");
    }
    let ports = config.get_ports();
    for (at, host) in config.get_hosts().iter().enumerate() {
        let comma = if at > 0 { "," } else { "" };
        let _ = match host {
            Host::Tcp(host) => write!(text, "{comma}{host}"),
            #[cfg(unix)]
            Host::Unix(path) => write!(text, "{comma}{}", path.display()),
        };
        if let Some(port) = ports.get(at).or(ports.first()) {
            let _ = write!(text, ":{port}");
        }
    }
    if let Some(name) = config.get_dbname() {
        let _ = write!(text, "/{name}");
    }
    text
}

/// Whether all hosts are this machine, so that nobody can listen in between.
fn is_local(config: &Config) -> bool {
    config.get_hosts().iter().all(|host| match host {
        Host::Tcp(host) => matches!(&**host, "localhost" | "127.0.0.1" | "::1"),
        #[cfg(unix)]
        Host::Unix(_) => true,
    })
}

/// Connects and logs in. The driver applies the timeout of the configuration to each address, and only until a socket is
/// open; a server may be silent after that.
async fn connect(config: &Config) -> Result<Client, Problem> {
    let hosts = u32::try_from(config.get_hosts().len()).unwrap_or(u32::MAX);
    let timeout = config.get_connect_timeout().unwrap_or(&CONNECT);
    // A host may have an address of IPv6 and one of IPv4.
    let limit = timeout.saturating_mul(hosts.max(1).saturating_mul(2));
    let connected = tokio::time::timeout(limit, log_in(config)).await;
    connected.unwrap_or_else(|_| Err(Problem::silent(limit)))
}

async fn log_in(config: &Config) -> Result<Client, Problem> {
    let is_plain = match config.get_ssl_mode() {
        SslMode::Disable => true,
        SslMode::Prefer => is_local(config),
        _ => false,
    };
    // The connections end with the client and the runtime.
    if is_plain {
        let mut plain = config.clone();
        plain.ssl_mode(SslMode::Disable);
        let (client, connection) = plain.connect(NoTls).await?;
        tokio::spawn(connection);
        return Ok(client);
    }
    let tls = MakeRustlsConnect::new(crate::tls::client_config().map_err(|source| Problem {
        source: Box::new(source),
        remedy: "",
        blames_row: false,
        is_lost: false,
    })?);
    let (client, connection) = config.connect(tls).await?;
    tokio::spawn(connection);
    Ok(client)
}

impl Connection for Postgres {
    fn begin(&mut self) -> Result<Box<dyn Transaction + '_>, Problem> {
        let transaction = self.runtime.block_on(self.client.transaction())?;
        Ok(Box::new(Written {
            runtime: &self.runtime,
            transaction,
            prepared: &mut self.prepared,
        }))
    }

    fn read(&mut self, read: &Read<'_>) -> Result<Vec<SqlRow>, ReadError> {
        let known = match self.selects.get(read.text) {
            Some(known) => known.clone(),
            None => self.select(read)?,
        };
        let (columns, cursor) = known.ok_or(ReadError::Cursor)?;
        let text = read.statement(&columns, &cursor);
        Ok(self.rows(&text, read.after)?)
    }

    fn column_type(&self, value: &SqlValue) -> &'static str {
        match value {
            SqlValue::Boolean(_) => " BOOLEAN",
            SqlValue::Integer(_) => " BIGINT",
            SqlValue::Real(_) => " DOUBLE PRECISION",
            SqlValue::Null | SqlValue::Text(_) => " TEXT",
            SqlValue::Blob(_) => " BYTEA",
        }
    }

    fn reconnect(&mut self) -> Result<(), Problem> {
        self.client = self.runtime.block_on(connect(&self.config))?;
        self.prepared.clear();
        self.selects.clear();
        Ok(())
    }
}

impl Postgres {
    /// Checks a query's columns: values of unknown types are read as text.
    fn select(&mut self, read: &Read<'_>) -> Result<Option<(String, String)>, Problem> {
        let inner = self.runtime.block_on(self.client.prepare(read.text))?;
        let names = inner.columns().iter().map(|column| column.name());
        let cursor = read.find_cursor(names).map(str::to_string);
        let columns = inner.columns().iter().map(|column| {
            let name = quoted(column.name());
            match <SqlValue as FromSql>::accepts(column.type_()) {
                true => name,
                false => format!("{name}::text AS {name}"),
            }
        });
        let columns: Vec<_> = columns.collect();
        let found = cursor.map(|cursor| (columns.join(", "), cursor));
        if self.selects.len() >= KEPT {
            self.selects.clear();
        }
        self.selects.insert(read.text.to_string(), found.clone());
        Ok(found)
    }

    fn rows(&mut self, text: &str, after: Option<&SqlValue>) -> Result<Vec<SqlRow>, Problem> {
        let Self {
            runtime,
            client,
            prepared,
            ..
        } = self;
        let statement = prepare(prepared, text, || runtime.block_on(client.prepare(text)))?;
        let names = statement.columns().iter().map(|column| column.name());
        let columns: Columns = names.map(String::from).collect();
        let given: Vec<&(dyn ToSql + Sync)> = after.into_iter().map(|x| x as _).collect();
        let found = runtime.block_on(client.query(&statement, &given))?;
        let rows = found.iter().map(|row| {
            let values = (0..columns.len()).map(|at| row.try_get(at));
            let values = values.collect::<Result<Vec<SqlValue>, _>>()?;
            Ok(SqlRow::with(columns.clone(), values))
        });
        rows.collect()
    }
}

/// Prepares a statement, or returns the cached one.
fn prepare(
    prepared: &mut HashMap<String, Statement>,
    text: &str,
    make: impl FnOnce() -> Result<Statement, tokio_postgres::Error>,
) -> Result<Statement, Problem> {
    if let Some(statement) = prepared.get(text) {
        return Ok(statement.clone());
    }
    let statement = make()?;
    if prepared.len() >= KEPT {
        prepared.clear();
    }
    prepared.insert(text.to_string(), statement.clone());
    Ok(statement)
}

impl Transaction for Written<'_> {
    fn execute(&mut self, text: &str, rows: &[&[SqlValue]]) -> Result<(), Problem> {
        let Self {
            runtime,
            transaction,
            prepared,
        } = self;
        let statement = prepare(prepared, text, || {
            runtime.block_on(transaction.prepare(text))
        })?;
        for rows in rows.chunks(AT_ONCE) {
            // Pipelined: no statement waits for the answer to the one before.
            let sent = rows
                .iter()
                .map(|row| transaction.execute_raw(&statement, *row));
            runtime.block_on(futures_util::future::try_join_all(sent))?;
        }
        Ok(())
    }

    fn first(&mut self, query: &str, given: &[SqlValue]) -> Result<Option<Vec<SqlValue>>, Problem> {
        let Self {
            runtime,
            transaction,
            prepared,
        } = self;
        let statement = prepare(prepared, query, || {
            runtime.block_on(transaction.prepare(query))
        })?;
        let given: Vec<&(dyn ToSql + Sync)> = given.iter().map(|x| x as _).collect();
        let found = runtime.block_on(transaction.query_opt(&statement, &given))?;
        let Some(row) = found else {
            return Ok(None);
        };
        let values = (0..row.len()).map(|at| row.try_get(at));
        Ok(Some(values.collect::<Result<_, _>>()?))
    }

    fn commit(self: Box<Self>) -> Result<(), Problem> {
        Ok(self.runtime.block_on(self.transaction.commit())?)
    }
}
