//! Errors of the server.

use std::error::Error;
use std::io;
use std::time::Duration;

use tokio_postgres::error::SqlState;

use crate::sql::connection::Problem;

/// The server's message, without the prefix of tokio-postgres.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
struct Said {
    text: String,
    source: tokio_postgres::Error,
}

impl Problem {
    /// The server does not answer a login.
    pub(super) fn silent(limit: Duration) -> Self {
        let text = format!("the server did not answer within {} s", limit.as_secs_f32());
        Self {
            source: io::Error::new(io::ErrorKind::TimedOut, text).into(),
            remedy: "; check that PostgreSQL listens there",
            blames_row: false,
            is_lost: true,
        }
    }
}

impl From<tokio_postgres::Error> for Problem {
    fn from(source: tokio_postgres::Error) -> Self {
        let state = source.code().cloned();
        let class = state.as_ref().map_or("", |state| &state.code()[..2]);
        let remedy = match &state {
            Some(state) if *state == SqlState::UNDEFINED_TABLE => {
                "; have it made with `create`, or make it first"
            }
            Some(state) if *state == SqlState::UNDEFINED_COLUMN => {
                "; add the column, or leave it out"
            }
            Some(state) if *state == SqlState::INVALID_COLUMN_REFERENCE => {
                "; the columns of `key` need a primary key or a unique index"
            }
            Some(state) if *state == SqlState::INSUFFICIENT_PRIVILEGE => {
                "; have it granted to this user"
            }
            Some(state) if *state == SqlState::DISK_FULL => "; make room, and start again",
            Some(state) if *state == SqlState::INVALID_CATALOG_NAME => {
                "; make the database first, with `createdb`, or give another name"
            }
            Some(_) if class == "28" => "; check user and password",
            _ => "",
        };
        // Invalid data and violated constraints.
        let blames_row =
            matches!(class, "22" | "23") || state.as_ref() == Some(&SqlState::UNDEFINED_COLUMN);
        let is_lost = source.is_closed() || matches!(class, "08" | "57") || is_broken(&source);
        let text = match source.as_db_error() {
            Some(error) => error.detail().map_or_else(
                || error.message().to_string(),
                |detail| format!("{}: {detail}", error.message()),
            ),
            None => match source.source() {
                Some(below) => format!("{source}: {below}"),
                None => source.to_string(),
            },
        };
        Self {
            source: Box::new(Said { text, source }),
            remedy,
            blames_row,
            is_lost,
        }
    }
}

/// Whether the connection itself failed.
fn is_broken(error: &(dyn Error + 'static)) -> bool {
    let mut below = error.source();
    while let Some(error) = below {
        if error.is::<io::Error>() {
            return true;
        }
        below = error.source();
    }
    false
}
