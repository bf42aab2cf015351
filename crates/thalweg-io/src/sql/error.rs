use thalweg::BoxError;

use super::connection::Problem;

/// Why a database did not do what it was to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SqlError {
    /// The URL is none of a database that is known here.
    #[error(
        "{shown} is no database that is known here: give `sqlite:` and the name of a file, `sqlite::memory:`, or \
         `postgres://user:password@host:port/database`"
    )]
    Url {
        /// Its scheme: the rest may contain a password.
        shown: String,
    },
    /// The system gives no thread for the database.
    #[error("{database}: no thread could be started for it")]
    Thread {
        /// The database.
        database: String,
        /// Why.
        source: std::io::Error,
    },
    /// The database cannot be opened or used at all.
    #[error("{database}: {source}; {remedy}")]
    Database {
        /// The database.
        database: String,
        /// What to do about it.
        remedy: &'static str,
        /// What the database says.
        source: BoxError,
    },
    /// Rows cannot be written to a table, or not read.
    #[error("{database}, {what}: {source}{remedy}")]
    Statement {
        /// The database.
        database: String,
        /// The table, or the query.
        what: String,
        /// What to do about it.
        remedy: &'static str,
        /// Whether another row might have been taken.
        blames_row: bool,
        /// Whether the connection is gone, and the database could not be reached again.
        is_lost: bool,
        /// What the database says.
        source: BoxError,
    },
    /// A row cannot be made of an element, or the other way round.
    #[error("{database}, {what}: {problem}")]
    Row {
        /// The database.
        database: String,
        /// The table, or the query.
        what: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The thread that worked for the database is not there.
    #[error(
        "{database}: opened in another process, which this one was forked from; open it again here"
    )]
    Gone {
        /// The database.
        database: String,
    },
    /// Another program, or another version, has written a position that cannot be read.
    #[error(
        "{database}: the position `{name}` in the table thalweg_positions cannot be read: {text:?}"
    )]
    Position {
        /// The database.
        database: String,
        /// The position's name.
        name: String,
        /// What is there.
        text: String,
    },
}

impl SqlError {
    /// Whether the database would take other rows.
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
