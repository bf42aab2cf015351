//! Writing elements to a collection.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use thalweg::ops::{Batch, BatchSink, SinkBatches};
use thalweg::{BoxError, BuildError, Element, Sink, Stream};
use tokio::sync::Mutex;

use super::writing::{Entry, Writing};
use super::{Document, MongoDb, MongoDbError, serialize_to_document};
use crate::background::spawn;
use crate::reply::reply;

/// Sink that writes elements to a collection, created by [`ToMongoDb`].
pub struct MongoDbSink {
    mongo: MongoDb,
    writing: Arc<Mutex<Writing>>,
}

impl fmt::Debug for MongoDbSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MongoDbSink")
            .field("mongo", &self.mongo)
            .finish_non_exhaustive()
    }
}

/// The document of an element.
#[derive(Clone, Debug)]
pub struct ElementDocument(Arc<Entry>);

impl MongoDbSink {
    /// Creates a node for elements that `to_document` converts to documents, when they arrive, while others are being
    /// written.
    ///
    /// # Errors
    /// [`MongoDbError::Invalid`].
    pub fn batches<T: Element + Sync>(
        mongo: MongoDb,
        mut to_document: impl FnMut(&T) -> Result<Document, BoxError> + Send + 'static,
    ) -> Result<SinkBatches<T, Self, ElementDocument>, MongoDbError> {
        mongo.check()?;
        let sink = Self {
            mongo: mongo.clone(),
            writing: Arc::default(),
        };
        Ok(SinkBatches::preparing(sink, move |x| {
            let document = to_document(x).map_err(|problem| problem.to_string());
            let entry = document.and_then(|document| Entry::new(&mongo, document));
            let entry = entry.map_err(|problem| MongoDbError::document(&mongo, problem))?;
            Ok::<_, MongoDbError>(ElementDocument(Arc::new(entry)))
        }))
    }
}

impl<T: Element + Sync> BatchSink<T, ElementDocument> for MongoDbSink {
    type Error = MongoDbError;
    const KIND: &'static str = "to_mongodb";

    async fn write(&mut self, batch: Batch<T, ElementDocument>) -> Result<(), MongoDbError> {
        let ordinals = batch.ordinals().to_vec();
        let entries = batch.prepared().clone();
        drop(batch);
        // A cancelled task may hold the lock for a moment.
        let mut writing = self.writing.clone().lock_owned().await;
        let entries = entries.iter().map(|document| document.0.clone());
        writing.begin(ordinals.iter().copied().zip(entries));
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
        let sink = MongoDbSink::batches(mongo, |x: &T| {
            serialize_to_document(x).map_err(BoxError::from)
        });
        match sink {
            Ok(sink) => self.apply(sink).into(),
            Err(error) => {
                self.build_error(BuildError::new("to_mongodb", error));
                self.sink(drop)
            }
        }
    }
}
