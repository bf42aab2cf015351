//! Writing the documents of a batch, and the result of each.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use ::mongodb::bson::{RawArrayBuf, RawDocumentBuf, cstr, deserialize_from_document};
use ::mongodb::error::{Error as ServerError, ErrorKind, IndexedWriteError};
use ::mongodb::{Client, Collection};
use futures_util::StreamExt as _;
use serde::Deserialize;
use thalweg::BoxError;
use tokio::time::{sleep, timeout};

use super::client::{ANSWER_TIMEOUT, collection, database, open};
use super::error::Problem;
use super::{Bson, Document, ID, MongoDb, MongoDbError, ObjectId, doc};

/// Error code of a duplicate key.
const DUPLICATE_KEY: i32 = 11_000;

/// Maximum documents per command, so that slow servers answer in time.
const MAX_INSERTED: usize = 1000;
/// Each replacement takes one of the 100 connections that FerretDB 1 has to its store.
const MAX_REPLACED: usize = 64;

/// Maximum bytes of replacements per command: servers accept 48 MB.
const MAX_BYTES: usize = 24 << 20;

/// A document to write, of an element.
#[derive(Debug)]
pub(super) struct Entry {
    document: Document,
    /// Filter for the document to replace; empty without a key.
    filter: Document,
    /// Whether its `_id` was generated here.
    has_own_id: bool,
}

/// State of an element.
enum State {
    Waiting(Arc<Entry>),
    Written,
    /// Why the server refuses it.
    Refused(String),
}

/// Writer, with the elements of the current batch by their ordinals: when they are retried in smaller batches, they
/// keep their documents, and those already written are not sent again.
#[derive(Default)]
pub(super) struct Writing {
    client: Option<Client>,
    states: BTreeMap<u64, State>,
    /// Whether documents may have been written without an answer.
    is_in_doubt: bool,
}

impl Writing {
    /// Adds the elements that are new, or retried after a refusal; forgets those of a finished batch.
    pub(super) fn begin(&mut self, entries: impl Iterator<Item = (u64, Arc<Entry>)>) {
        let mut entries = entries.peekable();
        let first = entries.peek().map_or(0, |(ordinal, _)| *ordinal);
        if self.states.keys().all(|known| *known < first) {
            self.states.clear();
            self.is_in_doubt = false;
        }
        for (ordinal, entry) in entries {
            let state = self.states.entry(ordinal);
            state.or_insert(State::Waiting(entry));
        }
    }

    /// Writes the documents of these elements that are not yet written.
    ///
    /// # Errors
    /// One of them was refused; or the server cannot be reached, or refuses all.
    pub(super) async fn write(
        &mut self,
        mongo: &MongoDb,
        ordinals: &[u64],
    ) -> Result<(), MongoDbError> {
        let (mut pause, mut attempts) = (mongo.retries.first_pause, 0);
        let mut outage = mongo.retries.outage();
        let problem = loop {
            let before = self.count_waiting();
            match self.try_to_write(mongo, ordinals).await {
                Ok(()) => return self.outcome(mongo, ordinals),
                Err(Problem::Lost(problem)) => {
                    // What has been written stays so: the retries are those of what follows.
                    if self.count_waiting() < before {
                        (pause, attempts) = (mongo.retries.first_pause, 0);
                    }
                    attempts += 1;
                    if attempts > mongo.retries.count {
                        return Err(MongoDbError::NotWritten {
                            address: mongo.address(),
                            collection: mongo.full_name(),
                            problem,
                            attempts,
                        });
                    }
                    outage.report(
                        true,
                        format_args!("MongoDB at {}", mongo.address()),
                        &problem,
                    );
                    sleep(pause).await;
                    pause = mongo.retries.next_pause(pause);
                }
                Err(problem) => break problem,
            }
        };
        Err(problem.into_error(mongo))
    }

    fn count_waiting(&self) -> usize {
        let states = self.states.values();
        states
            .filter(|state| matches!(state, State::Waiting(_)))
            .count()
    }

    /// Whether all are written. The refusal of a single element is reported once; a later attempt sends it again.
    fn outcome(&mut self, mongo: &MongoDb, ordinals: &[u64]) -> Result<(), MongoDbError> {
        let refused = ordinals
            .iter()
            .find_map(|ordinal| match self.states.get(ordinal) {
                Some(State::Refused(problem)) => Some((*ordinal, problem.clone())),
                _ => None,
            });
        let Some((ordinal, problem)) = refused else {
            return Ok(());
        };
        if ordinals.len() == 1 {
            self.states.remove(&ordinal);
        }
        Err(MongoDbError::document(mongo, problem))
    }

    /// The elements to send: in ordered mode, those before the first refused one.
    fn waiting(&self, mongo: &MongoDb, ordinals: &[u64]) -> Vec<u64> {
        let mut waiting = Vec::with_capacity(ordinals.len());
        for ordinal in ordinals {
            match self.states.get(ordinal) {
                Some(State::Waiting(_)) => waiting.push(*ordinal),
                Some(State::Refused(_)) if !mongo.is_unordered => break,
                _ => {}
            }
        }
        waiting
    }

    async fn try_to_write(&mut self, mongo: &MongoDb, ordinals: &[u64]) -> Result<(), Problem> {
        loop {
            let mut waiting = self.waiting(mongo, ordinals);
            if waiting.is_empty() {
                return Ok(());
            }
            let client = match &self.client {
                Some(client) => client.clone(),
                None => self.client.insert(open(mongo).await?).clone(),
            };
            let collection = collection(mongo, &client);
            let has_key = !mongo.key.is_empty();
            // Replacing a document by itself is harmless.
            let is_in_doubt = self.is_in_doubt && !has_key;
            if is_in_doubt {
                let written = self.find_written(&collection, &waiting).await?;
                waiting.retain(|ordinal| !written.contains(ordinal));
                self.mark_written(written);
            }
            waiting.truncate(if has_key { MAX_REPLACED } else { MAX_INSERTED });
            // Until there is an answer: the waiting future may be dropped.
            self.is_in_doubt = true;
            let sent = match has_key {
                true => self.replace(mongo, &client, &waiting).await,
                false => self.insert(mongo, &collection, &waiting).await,
            };
            self.is_in_doubt = is_in_doubt || matches!(sent, Err(Problem::Lost(_)));
            let mut sent = sent?;
            waiting.truncate(sent.count);
            if is_in_doubt {
                let doubles = sent.refused.iter();
                let doubles = doubles.filter(|(_, (code, _))| *code == DUPLICATE_KEY);
                let doubles: Vec<u64> = doubles.map(|(at, _)| waiting[*at]).collect();
                let written = self.find_written(&collection, &doubles).await?;
                sent.refused
                    .retain(|at, _| !written.contains(&waiting[*at]));
                self.mark_written(written);
            }
            let first = sent.refused.keys().min().copied();
            let end = first.filter(|_| !mongo.is_unordered);
            for (at, ordinal) in waiting.iter().enumerate() {
                if let Some((_, problem)) = sent.refused.remove(&at) {
                    self.states.insert(*ordinal, State::Refused(problem));
                } else if end.is_none_or(|end| at < end) {
                    self.states.insert(*ordinal, State::Written);
                }
            }
        }
    }

    fn mark_written(&mut self, ordinals: HashSet<u64>) {
        let written = ordinals
            .into_iter()
            .map(|ordinal| (ordinal, State::Written));
        self.states.extend(written);
    }

    fn entries(&self, ordinals: &[u64]) -> Vec<&Arc<Entry>> {
        let entries = ordinals
            .iter()
            .filter_map(|ordinal| match self.states.get(ordinal) {
                Some(State::Waiting(entry)) => Some(entry),
                _ => None,
            });
        entries.collect()
    }

    /// Inserts documents.
    async fn insert(
        &self,
        mongo: &MongoDb,
        collection: &Collection<Document>,
        ordinals: &[u64],
    ) -> Result<Sent, Problem> {
        let count = ordinals.len();
        let documents = self.entries(ordinals);
        let documents = documents.iter().map(|entry| &entry.document);
        let inserting = collection
            .insert_many(documents)
            .ordered(!mongo.is_unordered);
        let refused = match in_time(inserting.into_future()).await? {
            Ok(_) => Refusals::new(),
            Err(error) => match &*error.kind {
                ErrorKind::InsertMany(failed) => {
                    let refused = failed.write_errors.iter().flatten();
                    let refused: Refusals = refused.map(refusal).collect();
                    if let (Some(unsure), true) = (&failed.write_concern_error, refused.is_empty())
                    {
                        return Err(Problem::Lost(unsure.message.clone()));
                    }
                    refused
                }
                _ => return Err(error.into()),
            },
        };
        Ok(Sent { count, refused })
    }

    /// Replaces documents with the same key: as many as fit into a command.
    async fn replace(
        &self,
        mongo: &MongoDb,
        client: &Client,
        ordinals: &[u64],
    ) -> Result<Sent, Problem> {
        let (mut updates, mut bytes) = (RawArrayBuf::new(), 0);
        let mut count = 0;
        let none = |error: BoxError| Problem::Document(error.to_string());
        for entry in self.entries(ordinals) {
            let update = doc! { "q": &entry.filter, "u": &entry.document, "upsert": true };
            let update = RawDocumentBuf::try_from(&update).map_err(|error| none(error.into()))?;
            bytes += update.as_bytes().len();
            if bytes > MAX_BYTES && count > 0 {
                break;
            }
            updates.push(update);
            count += 1;
        }
        let mut command = RawDocumentBuf::new();
        command.append(cstr!("update"), mongo.collection.as_str());
        command.append(cstr!("updates"), updates);
        command.append(cstr!("ordered"), !mongo.is_unordered);
        let database = database(mongo, client);
        let running = database.run_raw_command(command);
        let answered = in_time(running.into_future()).await??;
        let answer: Answer =
            deserialize_from_document(answered).map_err(|error| none(error.into()))?;
        let refused: Refusals = answer.refused.iter().map(refusal).collect();
        match (answer.unsure, refused.is_empty()) {
            (Some(unsure), true) => Err(Problem::Lost(unsure.to_string())),
            _ => Ok(Sent { count, refused }),
        }
    }

    /// The elements whose documents are in the collection: they were written, and the answer was lost.
    async fn find_written(
        &self,
        collection: &Collection<Document>,
        ordinals: &[u64],
    ) -> Result<HashSet<u64>, Problem> {
        let mut written = HashSet::new();
        for ordinals in ordinals.chunks(MAX_INSERTED) {
            let entries = self.entries(ordinals);
            let ids: Vec<&Bson> = entries
                .iter()
                .filter_map(|entry| entry.document.get(ID))
                .collect();
            let finding = collection.find(doc! { ID: { "$in": ids } });
            let reading = async {
                let found: Vec<Result<Document, ServerError>> = finding.await?.collect().await;
                found
                    .into_iter()
                    .collect::<Result<Vec<Document>, ServerError>>()
            };
            let found = in_time(reading).await??;
            let found: HashMap<String, Document> = found
                .into_iter()
                .map(|document| (id_of(&document), document))
                .collect();
            for (ordinal, entry) in ordinals.iter().zip(entries) {
                let found = found.get(&id_of(&entry.document));
                if found.is_some_and(|found| entry.has_own_id || *found == entry.document) {
                    written.insert(*ordinal);
                }
            }
        }
        Ok(written)
    }
}

/// Result of a command.
struct Sent {
    /// Number of documents sent.
    count: usize,
    refused: Refusals,
}

/// Codes and messages, by the documents' indices.
type Refusals = HashMap<usize, (i32, String)>;

fn refusal(error: &IndexedWriteError) -> (usize, (i32, String)) {
    let problem = format!("{} (code {})", error.message, error.code);
    (error.index, (error.code, problem))
}

/// The fields that identify a document in its collection.
fn id_of(document: &Document) -> String {
    document.get(ID).map(Bson::to_string).unwrap_or_default()
}

/// A server's answer to replacements.
#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "writeErrors", default)]
    refused: Vec<IndexedWriteError>,
    #[serde(rename = "writeConcernError")]
    unsure: Option<Document>,
}

/// The answer, if there is one.
pub(super) async fn in_time<R>(asking: impl Future<Output = R>) -> Result<R, Problem> {
    let answered = timeout(ANSWER_TIMEOUT, asking).await;
    answered.map_err(|_| {
        let seconds = ANSWER_TIMEOUT.as_secs();
        Problem::Lost(format!("there was no answer within {seconds} s"))
    })
}

impl Entry {
    pub(super) fn new(mongo: &MongoDb, mut document: Document) -> Result<Self, String> {
        if !mongo.key.is_empty() {
            let mut filter = Document::new();
            for field in &mongo.key {
                let value = document.get(field).cloned();
                let value =
                    value.ok_or(format!("the document has no field `{field}`, of the key"))?;
                filter.insert(field, value);
            }
            return Ok(Self {
                document,
                filter,
                has_own_id: false,
            });
        }
        let has_own_id = !document.contains_key(ID);
        if has_own_id {
            let mut with_id = doc! { ID: ObjectId::new() };
            with_id.extend(document);
            document = with_id;
        }
        Ok(Self {
            document,
            filter: Document::new(),
            has_own_id,
        })
    }
}
