use std::io;

use ::mongodb::error::{Error as ServerError, ErrorKind, RETRYABLE_WRITE_ERROR, WriteFailure};

use super::MongoDb;

/// Errors of reading and writing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MongoDbError {
    /// An argument is invalid.
    #[error("MongoDB at {address}: {problem}")]
    Invalid {
        /// The server's address.
        address: String,
        /// What is wrong.
        problem: String,
    },
    /// The server cannot be reached, or the connection was lost. The source retries.
    #[error(
        "MongoDB at {address}, collection `{collection}`: {problem}; tried again, with pauses of up to 30 s: check that the server runs"
    )]
    Unreachable {
        /// The server's address.
        address: String,
        /// The database and the collection.
        collection: String,
        /// The cause.
        problem: String,
    },
    /// A permanent refusal by the server.
    #[error("MongoDB at {address}, collection `{collection}`: {problem}; {remedy}")]
    Refused {
        /// The server's address.
        address: String,
        /// The database and the collection.
        collection: String,
        /// Its message.
        problem: String,
        /// The remedy.
        remedy: &'static str,
    },
    /// Documents were not written.
    #[error(
        "MongoDB at {address}: not written to collection `{collection}`: {problem}; tried {attempts} times: check that the server runs"
    )]
    NotWritten {
        /// The server's address.
        address: String,
        /// The database and the collection.
        collection: String,
        /// The cause.
        problem: String,
        /// Number of attempts.
        attempts: u32,
    },
    /// The element cannot be converted to a document, or the server refuses the document.
    #[error("MongoDB at {address}, collection `{collection}`: {problem}")]
    Document {
        /// The server's address.
        address: String,
        /// The database and the collection.
        collection: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The system has no thread or descriptor left.
    #[error("cannot start to work with MongoDB: {0}")]
    Start(io::Error),
}

impl MongoDbError {
    /// Whether the source continues.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }

    pub(super) fn document(mongo: &MongoDb, problem: String) -> Self {
        Self::Document {
            address: mongo.address(),
            collection: mongo.full_name(),
            problem,
        }
    }

    /// The error when no thread can be started.
    pub(super) fn ended() -> Self {
        Self::Start(io::Error::other("its threads have ended"))
    }
}

/// Classification of a driver's error.
#[derive(Debug)]
pub(super) enum Problem {
    /// The server could not be reached, or timed out; the request may have succeeded.
    Lost(String),
    /// A retry does not help.
    Refused(String, &'static str),
    /// Other documents might be accepted.
    Document(String),
}

/// Codes of servers without change streams, or without a command that they need.
const NO_CHANGE_STREAMS: [i32; 5] = [59, 115, 238, 40_324, 40_573];

/// Codes of servers whose history does not reach back to a position.
const HISTORY_LOST: [i32; 3] = [260, 280, 286];

/// Codes of refused logins and missing permissions, including that of Atlas.
const LOGIN: [i32; 4] = [13, 18, 31, 8_000];

/// Codes of servers that stop, start or elect another primary: the driver labels them only for writes that it would
/// retry.
const TEMPORARY: [i32; 12] = [
    6, 7, 89, 91, 134, 189, 262, 9_001, 10_107, 11_600, 11_602, 13_435,
];

const CHECK_LOGIN: &str = "check user, password, `authSource` and permissions";

impl From<ServerError> for Problem {
    fn from(error: ServerError) -> Self {
        let is_temporary = error.contains_label(RETRYABLE_WRITE_ERROR);
        match &*error.kind {
            ErrorKind::Io(problem) => Self::Lost(problem.to_string()),
            ErrorKind::ConnectionPoolCleared { message, .. }
            | ErrorKind::ServerSelection { message, .. }
            | ErrorKind::DnsResolve { message, .. } => Self::Lost(message.clone()),
            ErrorKind::Authentication { message, .. } => {
                Self::Refused(message.clone(), CHECK_LOGIN)
            }
            ErrorKind::InvalidTlsConfig { message, .. } => {
                Self::Refused(message.clone(), "check the options for TLS in the URI")
            }
            ErrorKind::Command(refused) => {
                let problem = format!("{} (code {})", refused.message, refused.code);
                match refused.code {
                    code if LOGIN.contains(&code) => Self::Refused(problem, CHECK_LOGIN),
                    73 => Self::Refused(problem, "check the names of database and collection"),
                    code if is_temporary || TEMPORARY.contains(&code) => Self::Lost(problem),
                    _ => Self::Document(problem),
                }
            }
            ErrorKind::Write(WriteFailure::WriteConcernError(refused)) => {
                Self::Lost(format!("{} (code {})", refused.message, refused.code))
            }
            _ if is_temporary => Self::Lost(error.to_string()),
            _ => Self::Document(error.to_string()),
        }
    }
}

impl Problem {
    /// Converts it to an error of a reader: permanent, unless the connection was lost.
    pub(super) fn of_reading(error: ServerError, is_watching: bool) -> Self {
        let code = match &*error.kind {
            ErrorKind::Command(refused) => refused.code,
            _ => 0,
        };
        let problem = Self::from(error);
        let remedy = if is_watching && NO_CHANGE_STREAMS.contains(&code) {
            "this server has no change streams, which replica sets of MongoDB have: read in the order of a field, with \
             `cursor` and `poll`"
        } else if is_watching && HISTORY_LOST.contains(&code) {
            "the server has no changes from so long ago: begin anew, with a position of another name"
        } else {
            "check the names, the position, and what the server says of it"
        };
        match problem {
            Self::Document(problem) => Self::Refused(problem, remedy),
            other => other,
        }
    }

    /// Converts it to an error of a source or a sink.
    pub(super) fn into_error(self, mongo: &MongoDb) -> MongoDbError {
        let (address, collection) = (mongo.address(), mongo.full_name());
        match self {
            Self::Lost(problem) => MongoDbError::Unreachable {
                address,
                collection,
                problem,
            },
            Self::Refused(problem, remedy) => MongoDbError::Refused {
                address,
                collection,
                problem,
                remedy,
            },
            Self::Document(problem) => MongoDbError::Document {
                address,
                collection,
                problem,
            },
        }
    }
}
