//! [MongoDB](https://www.mongodb.com) and compatible servers: documents as a source and as a sink.
//!
//! ```no_run
//! use thalweg::Stream;
//! use thalweg_io::mongodb::{MongoDb, doc};
//! use thalweg_io::prelude::*;
//!
//! let uri = "mongodb://localhost";
//! let edits = Stream::new();
//! edits.map(|title: &str| doc! { "title": title }).to_mongodb(MongoDb::new(uri, "feed", "edits"));
//!
//! let changes = Stream::from_mongodb(MongoDb::new(uri, "feed", "edits"));
//! changes.sink(|change| println!("{:?} {}", change.operation, change.id));
//! changes.start()?;
//! # Ok::<(), thalweg::Error>(())
//! ```
//!
//! Documents are written in groups while the server is busy. Each gets its `_id` before it is sent, so that one sent
//! again after a lost connection is stored once.

mod client;
mod error;
mod reading;
mod sink;
mod source;
#[cfg(test)]
mod tests;
mod writing;

use std::fmt;
use std::time::Duration;

use ::mongodb::options::ConnectionString;
use thalweg::interval::{IntervalError, IntoInterval, wait};

pub use ::mongodb::bson::oid::ObjectId;
pub use ::mongodb::bson::spec::BinarySubtype;
pub use ::mongodb::bson::{
    Binary, Bson, DateTime, Decimal128, Document, doc, serialize_to_document,
};

pub use self::error::MongoDbError;
pub use self::sink::{ElementDocument, MongoDbSink, ToMongoDb};
pub use self::source::{FromMongoDb, MongoDbSource};
use crate::Position;
use crate::retries::Retries;

/// Kind of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MongoDbOperation {
    /// None: the document was read in the order of a field.
    Read,
    /// The document was inserted.
    Insert,
    /// Some of its fields were updated.
    Update,
    /// The document was replaced.
    Replace,
    /// The document was deleted.
    Delete,
}

/// A document of a collection, or a change of one.
///
/// ```
/// use thalweg_io::mongodb::{Bson, MongoDbChange, MongoDbOperation, doc};
///
/// let change = MongoDbChange::read(doc! { "_id": 7, "title": "Elbe" });
/// assert_eq!((change.operation, change.id), (MongoDbOperation::Read, Bson::Int32(7)));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct MongoDbChange {
    /// Kind of the change.
    pub operation: MongoDbOperation,
    /// The document's `_id`.
    pub id: Bson,
    /// The document as it is when the change is read; none if it was deleted.
    pub document: Option<Document>,
}

impl MongoDbChange {
    /// Creates a change for a document that was read.
    pub fn read(document: Document) -> Self {
        Self {
            operation: MongoDbOperation::Read,
            id: document.get(ID).cloned().unwrap_or(Bson::Null),
            document: Some(document),
        }
    }
}

/// Converts a value to [JSON](https://www.mongodb.com/docs/manual/reference/mongodb-extended-json/), in which types
/// that JSON does not have are objects.
///
/// ```
/// use thalweg_io::mongodb::{Bson, DateTime, to_json};
///
/// assert_eq!(to_json(&Bson::Int32(7)), "7");
/// let time = Bson::DateTime(DateTime::from_millis(0));
/// assert_eq!(to_json(&time), r#"{"$date":{"$numberLong":"0"}}"#);
/// ```
pub fn to_json(value: &Bson) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| value.to_string())
}

/// The field that identifies documents of a collection.
const ID: &str = "_id";

/// A collection of a server, to read or to write.
///
/// ```
/// use thalweg_io::MongoDb;
///
/// let edits = MongoDb::new("mongodb://me:secret@localhost:27017", "feed", "edits").key(["title"]);
/// assert!(edits.check().is_ok());
/// assert!(!format!("{edits:?}").contains("secret"));
///
/// let error = MongoDb::new("http://me:secret@localhost", "feed", "edits").check().unwrap_err();
/// assert!(error.to_string().starts_with("MongoDB at localhost: "), "{error}");
/// ```
#[derive(Clone)]
pub struct MongoDb {
    uri: String,
    database: String,
    collection: String,
    key: Vec<String>,
    is_unordered: bool,
    cursor: Option<String>,
    after: Option<Bson>,
    poll: Option<Result<Duration, IntervalError>>,
    position: Option<Position>,
    retries: Retries,
}

impl MongoDb {
    /// A collection of a database, and the URI of the server: `mongodb://user:password@host:port/`, with the
    /// [options](https://www.mongodb.com/docs/manual/reference/connection-string-options/) of all drivers after a
    /// question mark, such as `?tls=true&tlsCAFile=ca.pem`. Nothing is sent before the pipeline starts.
    pub fn new(
        uri: impl Into<String>,
        database: impl Into<String>,
        collection: impl Into<String>,
    ) -> Self {
        Self {
            uri: uri.into(),
            database: database.into(),
            collection: collection.into(),
            key: Vec::new(),
            is_unordered: false,
            cursor: None,
            after: None,
            poll: None,
            position: None,
            retries: Retries::default(),
        }
    }

    /// Replaces the document with the same values of these fields, or inserts one. The collection should have a unique
    /// index of them.
    #[must_use]
    pub fn key<const N: usize>(self, fields: [&str; N]) -> Self {
        self.key_of(fields.map(String::from).into())
    }

    /// The same with fields that are known at run time.
    #[must_use]
    pub fn key_of(mut self, fields: Vec<String>) -> Self {
        self.key = fields;
        self
    }

    /// Lets the server write the documents of a batch in any order. Otherwise they are written in order, and those
    /// after a refused one once its failure has been reported.
    #[must_use]
    pub fn unordered(mut self) -> Self {
        self.is_unordered = true;
        self
    }

    /// Reads existing documents in the order of a unique, growing field such as `_id`. Without it, changes are read as
    /// they happen, by a [change stream](https://www.mongodb.com/docs/manual/changeStreams/).
    #[must_use]
    pub fn cursor(mut self, field: impl Into<String>) -> Self {
        self.cursor = Some(field.into());
        self
    }

    /// Starts with the documents whose [cursor](Self::cursor) is greater than this.
    #[must_use]
    pub fn after(mut self, value: impl Into<Bson>) -> Self {
        self.after = Some(value.into());
        self
    }

    /// Repeats the query for documents with a greater [cursor](Self::cursor) at this interval: a duration, a number of
    /// seconds or a text such as `"1s"`. Otherwise the source ends with the last document.
    #[must_use]
    pub fn poll(mut self, interval: impl IntoInterval) -> Self {
        self.poll = Some(wait(interval));
        self
    }

    /// Continues after a position, if that has a value, and advances it: the resume token of a change, or the cursor of
    /// a document.
    #[must_use]
    pub fn position(mut self, position: &Position) -> Self {
        self.position = Some(position.clone());
        self
    }

    /// Number of a sink's retries when the server cannot be reached: 10 by default. A source retries for ever.
    #[must_use]
    pub fn retries(mut self, count: u32) -> Self {
        self.retries.count = count;
        self
    }

    /// Pause before the first retry: 100 ms by default. It doubles each time, up to 30 s.
    #[must_use]
    pub fn wait(mut self, pause: Duration) -> Self {
        self.retries.first_pause = pause;
        self
    }

    /// Checks the arguments before anything is sent.
    ///
    /// # Errors
    /// [`MongoDbError::Invalid`].
    pub fn check(&self) -> Result<(), MongoDbError> {
        if self.database.is_empty() || self.collection.is_empty() {
            return Err(self.invalid("the database and the collection need names"));
        }
        if self.key.iter().any(String::is_empty) || self.cursor.as_deref() == Some("") {
            return Err(self.invalid("fields of the key, and the cursor, need names"));
        }
        if self.cursor.is_none() && (self.poll.is_some() || self.after.is_some()) {
            let problem = "`poll` and `after` are about the documents in the order of a `cursor`: say which field that is";
            return Err(self.invalid(problem));
        }
        if let Some(Err(error)) = &self.poll {
            return Err(self.invalid(&error.to_string()));
        }
        if self.uri.starts_with("mongodb+srv://") {
            let problem = "addresses `mongodb+srv://` are not looked up here: give `mongodb://` and the names of the servers, \
                           as the shell shows them";
            return Err(self.invalid(problem));
        }
        match ConnectionString::parse(&self.uri) {
            Ok(_) => Ok(()),
            // The driver's error may quote a password.
            Err(_) => Err(self.invalid(
                "the URI is not a MongoDB URI: give `mongodb://user:password@host:port/`, with `%40` for an `@` in the password",
            )),
        }
    }

    fn invalid(&self, problem: &str) -> MongoDbError {
        MongoDbError::Invalid {
            address: self.address(),
            problem: problem.to_string(),
        }
    }

    /// The hosts of the URI.
    fn address(&self) -> String {
        let rest = self.uri.split_once("://").map_or("", |(_, rest)| rest);
        let hosts = rest.rsplit('@').next().unwrap_or_default();
        let hosts = hosts.split(['/', '?', '#']).next();
        hosts.unwrap_or_default().to_string()
    }

    /// The database and the collection.
    fn full_name(&self) -> String {
        format!("{}.{}", self.database, self.collection)
    }

    fn label(&self) -> String {
        format!("{} {}", self.address(), self.full_name())
    }
}

impl fmt::Debug for MongoDb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MongoDb")
            .field("address", &self.address())
            .field("collection", &self.full_name())
            .field("key", &self.key)
            .field("cursor", &self.cursor)
            .finish_non_exhaustive()
    }
}
