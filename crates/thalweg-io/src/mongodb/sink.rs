//! Elements on their way to a collection.

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

/// Writes elements to a collection: what [`ToMongoDb`] puts at the end of a stream.
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

/// Makes the document of an element.
type ToDocument<T> = Box<dyn FnMut(&T) -> Result<Document, BoxError> + Send>;

impl<T> MongoDbSink<T> {
    /// Documents that `to_document` makes of elements.
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
        // A task that was given up may hold it for a moment.
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
    /// Writes elements, [`Document`]s or what serde makes such of, to a collection; those that have come meanwhile
    /// together.
    ///
    /// A document without an `_id` gets one before it is sent. An element is acknowledged when the server has said that
    /// it has written it, as the write concern of the URI has it. If the connection is lost before that, it is sent
    /// again, and is there once. With a [key](MongoDb::key) a document takes the place of the one with the same key.
    ///
    /// If the server refuses a document, a double `_id` say, the others of its batch are written, and the failure is
    /// that of its element. A server that cannot be reached is tried [again](MongoDb::retries); then it is the failure
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
