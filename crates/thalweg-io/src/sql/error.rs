use rusqlite::ErrorCode;

/// Why a database did not do what it was to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SqlError {
    /// The URL is none of a database that is known here.
    #[error(
        "{shown} is no database that is known here: give `sqlite:` and the name of a file, or `sqlite::memory:`"
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
        source: Box<rusqlite::Error>,
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
        /// What the database says.
        source: Box<rusqlite::Error>,
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

    pub(super) fn statement(
        database: &str,
        what: impl Into<String>,
        source: rusqlite::Error,
    ) -> Self {
        let text = source.to_string();
        let (remedy, blames_row) = match source.sqlite_error_code() {
            _ if text.contains("no such table") => {
                ("; have it made with `create`, or make it first", false)
            }
            _ if text.contains("has no column named") => {
                ("; add the column, or leave it out", true)
            }
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
        Self::Statement {
            database: database.to_string(),
            what: what.into(),
            remedy,
            blames_row,
            source: Box::new(source),
        }
    }
}
