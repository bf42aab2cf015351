//! Writing elements to a collection.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use thalweg::ops::{Batch, BatchSink, SinkBatches};
use thalweg::{BoxError, BuildError, Element, Sink, Stream};
use tokio::sync::Mutex;

use super::writing::Writing;
use super::{Document, MongoDb, MongoDbError, serialize_to_document};
use crate::background::spawn;
use crate::reply::reply;

/// Sink that writes elements to a collection, created by [`ToMongoDb`].
pub struct MongoDbSink<T> {
    mongo: MongoDb,
    to_document: ToDocument<T>,
    writing: Arc<Mutex<Writing>>,
}

impl<T> fmt::Debug for MongoDbSink<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MongoDbSink")
            .field("mongo", &self.mongo)
            .finish_non_exhaustive()
    }
}

/// Converts an element to a document.
type ToDocument<T> = Box<dyn FnMut(&T) -> Result<Document, BoxError> + Send>;

impl<T> MongoDbSink<T> {
    /// Creates a sink for elements that `to_document` converts to documents.
    ///
    /// # Errors
    /// [`MongoDbError::Invalid`].
    pub fn new(
        mongo: MongoDb,
        to_document: impl FnMut(&T) -> Result<Document, BoxError> + Send + 'static,
    ) -> Result<Self, MongoDbError> {
        mongo.check()?;
        Ok(Self {
            mongo,
            to_document: Box::new(to_document),
            writing: Arc::default(),
        })
    }
}

impl<T: Element + Sync> BatchSink<T> for MongoDbSink<T> {
    type Error = MongoDbError;
    const KIND: &'static str = "to_mongodb";

    async fn write(&mut self, batch: Batch<T>) -> Result<(), MongoDbError> {
        let ordinals = batch.ordinals().to_vec();
        // A cancelled task may hold the lock for a moment.
        let mut writing = self.writing.clone().lock_owned().await;
        writing.begin(ordinals.first().copied().unwrap_or_default());
        let elements = ordinals.iter().copied().zip(batch.iter());
        writing.prepare(&self.mongo, elements, &mut self.to_document);
        drop(batch);
        let mongo = self.mongo.clone();
        let (replier, written) = reply();
        let _writing = spawn(async move {
            let result = writing.write(&mongo, &ordinals).await;
            drop(writing);
            replier.put(result);
        })
        .map_err(MongoDbError::Start)?;
        written.await.unwrap_or_else(|| Err(MongoDbError::ended()))
    }

    fn blames_element(&self, error: &MongoDbError) -> bool {
        matches!(error, MongoDbError::Document { .. })
    }

    fn label(&self) -> Option<String> {
        Some(self.mongo.label())
    }
}

/// Collections of MongoDB as sinks.
pub trait ToMongoDb {
    /// Writes elements ([`Document`]s or types that serde converts to them) to a collection, grouping those that arrive
    /// meanwhile.
    ///
    /// A document without an `_id` gets one before it is sent. An element is acknowledged when the server has confirmed
    /// the write, with the write concern of the URI. If the connection is lost before that, the document is sent again,
    /// and stored once. With a [key](MongoDb::key) it replaces the document with the same key.
    ///
    /// If the server refuses a document, for example because of a duplicate `_id`, the others of its batch are written,
    /// and its element fails. If the server stays unreachable after the [retries](MongoDb::retries), that is a failure
    /// of the node, see [`Stream::sink_to`].
    ///
    /// Invalid arguments are a build error, see [`Stream::check`].
    fn to_mongodb(&self, mongo: MongoDb) -> Sink;
}

impl<T: Element + Sync + Serialize> ToMongoDb for Stream<T> {
    fn to_mongodb(&self, mongo: MongoDb) -> Sink {
        let sink = MongoDbSink::new(mongo, |x: &T| {
            serialize_to_document(x).map_err(BoxError::from)
        });
        match sink {
            Ok(sink) => self.apply(SinkBatches::new(sink)).into(),
            Err(error) => {
                self.build_error(BuildError::new("to_mongodb", error));
                self.sink(drop)
            }
        }
    }
}
