use std::error::Error;
use std::io;
use std::sync::Arc;

use ::redis::ErrorKind;
use thalweg::BoxError;

use crate::tls::{REMEDY, TlsError, is_refusal};

/// Errors of reading and writing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RedisError {
    /// An argument is invalid.
    #[error("Redis at {address}: {problem}")]
    Invalid {
        /// The server's address.
        address: String,
        /// What is wrong.
        problem: String,
    },
    /// The server cannot be reached, or the connection was lost. The source retries.
    #[error(
        "Redis at {address}, key `{key}`: {problem}; tried again, with pauses of up to 30 s: check that the server runs"
    )]
    Unreachable {
        /// The server's address.
        address: String,
        /// The key.
        key: String,
        /// The cause.
        problem: String,
    },
    /// A permanent refusal by the server.
    #[error("Redis at {address}, key `{key}`: {problem}; {remedy}")]
    Refused {
        /// The server's address.
        address: String,
        /// The key.
        key: String,
        /// Its message.
        problem: String,
        /// The remedy.
        remedy: &'static str,
    },
    /// Elements were not written.
    #[error("Redis at {address}: not written to key `{key}`: {problem}; tried {attempts} times")]
    NotWritten {
        /// The server's address.
        address: String,
        /// The key.
        key: String,
        /// The cause.
        problem: String,
        /// Number of attempts.
        attempts: u32,
    },
    /// An element cannot be written.
    #[error("Redis at {address}, key `{key}`: {problem}")]
    Element {
        /// The server's address.
        address: String,
        /// The key.
        key: String,
        /// What is wrong with it.
        problem: BoxError,
    },
    /// The system has no thread or descriptor left.
    #[error("cannot start to work with Redis: {0}")]
    Start(io::Error),
}

impl RedisError {
    /// Whether the source continues.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }
}

const LOGIN: &str = "check user, password and permissions";

/// The remedy for a server's error, if a retry would not help.
pub(super) fn remedy(error: &::redis::RedisError) -> Option<&'static str> {
    if let Some(error) = as_io_error(error) {
        if is_refusal(error) {
            return Some(REMEDY);
        }
        let inner = error.get_ref();
        return inner
            .is_some_and(|inner| inner.is::<TlsError>())
            .then_some("give files in PEM, or none for the certificates of the system");
    }
    // That of a refused login has no code.
    if error.kind() == ErrorKind::AuthenticationFailed {
        return Some(LOGIN);
    }
    let code = match error.code() {
        Some(code) => code.to_string(),
        // Of several commands sent together.
        None => error.clone().into_server_errors()?.first()?.1.code().into(),
    };
    Some(match code.as_str() {
        "NOAUTH" | "WRONGPASS" | "NOPERM" => LOGIN,
        "WRONGTYPE" => "the key holds something else: take another, or the source or sink for that",
        "ERR" | "SYNTAX" => "check that the server is Redis 6.2 or later",
        "READONLY" => "write to the server that this one is a copy of",
        _ => return None,
    })
}

fn as_io_error(error: &::redis::RedisError) -> Option<&io::Error> {
    // The crate's cause is only a pointer to the error itself.
    let shared = error
        .source()?
        .downcast_ref::<Arc<dyn Error + Send + Sync>>()?;
    shared.downcast_ref()
}
