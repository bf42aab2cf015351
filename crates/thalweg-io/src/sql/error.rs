use thalweg::BoxError;

use super::connection::Problem;

/// Errors of databases.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SqlError {
    /// The URL's scheme is not supported.
    #[error(
        "{shown} is no database that is known here: give `sqlite:` and the name of a file, `sqlite::memory:`, or \
         `postgres://user:password@host:port/database`"
    )]
    Url {
        /// Its scheme: the rest may contain a password.
        shown: String,
    },
    /// No thread can be started for the database.
    #[error("{database}: no thread could be started for it")]
    Thread {
        /// The database.
        database: String,
        /// The cause.
        source: std::io::Error,
    },
    /// The database cannot be opened or used.
    #[error("{database}: {source}; {remedy}")]
    Database {
        /// The database.
        database: String,
        /// The remedy.
        remedy: &'static str,
        /// The database's message.
        source: BoxError,
    },
    /// Rows cannot be written to a table, or read.
    #[error("{database}, {what}: {source}{remedy}")]
    Statement {
        /// The database.
        database: String,
        /// The table or the query.
        what: String,
        /// The remedy.
        remedy: &'static str,
        /// Whether another row might have been accepted.
        blames_row: bool,
        /// Whether the connection was lost, and could not be restored.
        is_lost: bool,
        /// The database's message.
        source: BoxError,
    },
    /// An element cannot be converted to a row, or a row to an element.
    #[error("{database}, {what}: {problem}")]
    Row {
        /// The database.
        database: String,
        /// The table or the query.
        what: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The database's thread has ended.
    #[error(
        "{database}: opened in another process, which this one was forked from; open it again here"
    )]
    Gone {
        /// The database.
        database: String,
    },
    /// A stored position cannot be parsed: another program or version has written it.
    #[error(
        "{database}: the position `{name}` in the table thalweg_positions cannot be read: {text:?}"
    )]
    Position {
        /// The database.
        database: String,
        /// The position's name.
        name: String,
        /// The stored text.
        text: String,
    },
}

impl SqlError {
    /// Whether the database would accept other rows.
    pub(crate) fn blames_row(&self) -> bool {
        match self {
            Self::Statement { blames_row, .. } => *blames_row,
            Self::Row { .. } => true,
            _ => false,
        }
    }

    pub(super) fn is_lost(&self) -> bool {
        matches!(self, Self::Statement { is_lost: true, .. })
    }

    pub(super) fn statement(database: &str, what: impl Into<String>, problem: Problem) -> Self {
        Self::Statement {
            database: database.to_string(),
            what: what.into(),
            remedy: problem.remedy,
            blames_row: problem.blames_row,
            is_lost: problem.is_lost,
            source: problem.source,
        }
    }
}
