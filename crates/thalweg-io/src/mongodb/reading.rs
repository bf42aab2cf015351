//! Reading documents and changes from the server.

use ::mongodb::change_stream::ChangeStream;
use ::mongodb::change_stream::event::{ChangeStreamEvent, OperationType, ResumeToken};
use ::mongodb::error::Error as ServerError;
use ::mongodb::options::FullDocumentType;
use ::mongodb::{Client, Collection};
use futures_util::StreamExt as _;
use tokio::time::sleep;

use super::client::{collection, open};
use super::error::Problem;
use super::writing::in_time;
use super::{Bson, Document, ID, MongoDb, MongoDbChange, MongoDbError, MongoDbOperation, doc};
use crate::background::Outbox;

/// Maximum documents read at once.
pub(super) const BATCH: usize = 1024;

/// An element that was read, and the position after it.
pub(super) struct Read {
    pub(super) change: MongoDbChange,
    pub(super) position: String,
}

/// Parses a cursor stored as a position.
///
/// # Errors
/// It is invalid.
pub(super) fn to_cursor(position: &str) -> Result<Bson, serde_json::Error> {
    serde_json::from_str(position)
}

/// Documents after a cursor.
pub(super) struct Documents {
    pub(super) mongo: MongoDb,
    pub(super) client: Option<Client>,
    /// The cursor of the last document.
    pub(super) after: Option<Bson>,
}

impl Documents {
    /// Reads the next documents in the order of the cursor.
    pub(super) async fn next(&mut self) -> Result<Vec<Read>, MongoDbError> {
        let read = self.read().await;
        read.map_err(|problem| problem.into_error(&self.mongo))
    }

    async fn read(&mut self) -> Result<Vec<Read>, Problem> {
        let refused = |error| Problem::of_reading(error, false);
        let client = match &self.client {
            Some(client) => client.clone(),
            None => {
                let client = open(&self.mongo).await.map_err(refused)?;
                self.client.insert(client).clone()
            }
        };
        let field = self.mongo.cursor.as_deref().unwrap_or(ID);
        let behind = match &self.after {
            Some(value) => doc! { field: { "$gt": value } },
            None => doc! { field: { "$ne": null } },
        };
        let collection = collection(&self.mongo, &client);
        let finding = collection
            .find(behind)
            .sort(doc! { field: 1 })
            .limit(BATCH as i64);
        let reading = async {
            let mut found = finding.await?;
            let mut documents = Vec::new();
            while let Some(document) = found.next().await {
                documents.push(document?);
            }
            Ok(documents)
        };
        let documents: Result<Vec<Document>, ServerError> = in_time(reading).await?;
        let mut all = Vec::new();
        for document in documents.map_err(refused)? {
            let cursor = document.get(field).cloned().unwrap_or(Bson::Null);
            let position = serde_json::to_string(&cursor)
                .map_err(|error| Problem::Document(error.to_string()))?;
            self.after = Some(cursor);
            all.push(Read {
                change: MongoDbChange::read(document),
                position,
            });
        }
        Ok(all)
    }
}

/// Reads changes, reconnecting as necessary, until the source no longer takes them or the server refuses.
pub(super) async fn watch(mongo: MongoDb, behind: Option<String>, out: Outbox<Read, MongoDbError>) {
    let mut behind = match behind.as_deref().map(serde_json::from_str).transpose() {
        Ok(token) => token,
        Err(_) => {
            let problem = format!("the position {behind:?} is not that of a change stream");
            out.report(mongo.invalid(&problem)).await;
            return;
        }
    };
    let (mut pause, mut is_reported) = (mongo.retries.first_pause, false);
    loop {
        let problem = match watch_once(&mongo, &mut behind, &out, &mut is_reported).await {
            Ok(true) => {
                (pause, is_reported) = (mongo.retries.first_pause, false);
                None
            }
            Ok(false) => return,
            Err(problem) => Some(problem),
        };
        if let Some(problem) = problem {
            let error = problem.into_error(&mongo);
            let is_for_good = !error.is_temporary();
            let is_new = is_for_good || !std::mem::replace(&mut is_reported, true);
            if is_new && !out.report(error).await || is_for_good {
                return;
            }
        }
        sleep(pause).await;
        pause = mongo.retries.next_pause(pause);
    }
}

/// Reads changes until the connection is lost, the collection is dropped (`true`), or the source no longer takes them
/// (`false`).
async fn watch_once(
    mongo: &MongoDb,
    behind: &mut Option<ResumeToken>,
    out: &Outbox<Read, MongoDbError>,
    is_reported: &mut bool,
) -> Result<bool, Problem> {
    let refused = |error| Problem::of_reading(error, true);
    let client = open(mongo).await.map_err(refused)?;
    let collection: Collection<Document> = collection(mongo, &client);
    let mut watching = collection
        .watch()
        .full_document(FullDocumentType::UpdateLookup);
    if let Some(token) = behind {
        watching = watching.start_after(token.clone());
    }
    let mut changes: ChangeStream<_> = in_time(watching.into_future()).await?.map_err(refused)?;
    *is_reported = false;
    // The position is known before the first change, so that a connection lost before it misses nothing.
    *behind = changes.resume_token().or(behind.take());
    while let Some(event) = changes.next().await {
        let event = event.map_err(refused)?;
        *behind = Some(event.id.clone());
        let position = serde_json::to_string(&event.id)
            .map_err(|error| Problem::Document(error.to_string()))?;
        if let Some(change) = to_change(event)
            && !out.send(Read { change, position }).await
        {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The change of a document, if the event is one.
pub(super) fn to_change(event: ChangeStreamEvent<Document>) -> Option<MongoDbChange> {
    let operation = match event.operation_type {
        OperationType::Insert => MongoDbOperation::Insert,
        OperationType::Update => MongoDbOperation::Update,
        OperationType::Replace => MongoDbOperation::Replace,
        OperationType::Delete => MongoDbOperation::Delete,
        _ => return None,
    };
    let id = event.document_key.and_then(|mut key| key.remove(ID));
    Some(MongoDbChange {
        operation,
        id: id.unwrap_or(Bson::Null),
        document: event.full_document,
    })
}
