//! Documents of a collection, or their changes, as the source of a pipeline.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use thalweg::{BuildError, Emitter, Source, Stop, Stream};

use super::reading::{BATCH, Documents, Read, to_cursor, watch};
use super::{MongoDb, MongoDbChange, MongoDbError};
use crate::Position;
use crate::background::{Inbox, spawn};
use crate::reply::reply;

/// Maximum changes buffered for the pipeline.
const CAPACITY: usize = 1024;

/// A collection as a source: [`Stream::from_mongodb`](FromMongoDb::from_mongodb).
pub struct MongoDbSource {
    mongo: MongoDb,
    /// Where it continues when it is started again.
    behind: Option<String>,
    inbox: Option<Inbox<Read, MongoDbError>>,
    documents: Option<Documents>,
    taken: VecDeque<Read>,
}

impl fmt::Debug for MongoDbSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MongoDbSource")
            .field("mongo", &self.mongo)
            .finish_non_exhaustive()
    }
}

impl From<MongoDb> for MongoDbSource {
    fn from(mongo: MongoDb) -> Self {
        Self {
            behind: mongo.position.as_ref().and_then(Position::value),
            mongo,
            inbox: None,
            documents: None,
            taken: VecDeque::new(),
        }
    }
}

impl MongoDbSource {
    async fn emit(&mut self, out: &Emitter<MongoDbChange>) -> Result<(), Stop> {
        let Some(position) = self.mongo.position.clone() else {
            let taken = &mut self.taken;
            let changes = std::iter::from_fn(|| taken.pop_front().map(|read| read.change));
            return out.emit_buffered(changes).await;
        };
        while !self.taken.is_empty() {
            out.or_stop(position.room()).await??;
            let Some(read) = self.taken.pop_front() else {
                break;
            };
            let ack = position.ack(read.position, out.now());
            out.emit_with(read.change, ack).await?;
        }
        Ok(())
    }

    /// Emits changes as they happen.
    async fn run_changes(&mut self, out: &Emitter<MongoDbChange>) -> Result<(), Stop> {
        loop {
            self.emit(out).await?;
            let inbox = match self.inbox.take() {
                Some(inbox) => inbox,
                None => {
                    let (mongo, behind) = (self.mongo.clone(), self.behind.clone());
                    let inbox = Inbox::fill(CAPACITY, |outbox| watch(mongo, behind, outbox));
                    inbox.map_err(MongoDbError::Start)?
                }
            };
            match out.or_stop(self.inbox.insert(inbox).next_batch()).await? {
                Ok(Some(batch)) => {
                    if let Some(last) = batch.last() {
                        self.behind = Some(last.position.clone());
                    }
                    self.taken.extend(batch);
                }
                Ok(None) => return Ok(()),
                Err(error) if error.is_temporary() => {
                    out.report(error);
                    out.yield_now().await?;
                }
                Err(error) => {
                    self.inbox = None;
                    return Err(error.into());
                }
            }
        }
    }

    /// Emits existing documents in the order of the cursor, and then new ones.
    async fn run_documents(&mut self, out: &Emitter<MongoDbChange>) -> Result<(), Stop> {
        let poll = self.mongo.poll.clone().transpose()?;
        let (mut pause, mut is_reported) = (self.mongo.retries.first_pause, false);
        loop {
            self.emit(out).await?;
            let wait = match out.or_stop(self.read()).await? {
                Ok(0) => match poll {
                    Some(interval) => interval,
                    None => return Ok(()),
                },
                Ok(count) => {
                    (pause, is_reported) = (self.mongo.retries.first_pause, false);
                    // Fewer than requested, so there are no more.
                    if count < BATCH && poll.is_some() {
                        self.emit(out).await?;
                        poll.unwrap_or_default()
                    } else {
                        Duration::ZERO
                    }
                }
                Err(error) if error.is_temporary() => {
                    if !std::mem::replace(&mut is_reported, true) {
                        out.report(error);
                    }
                    let wait = pause;
                    pause = self.mongo.retries.next_pause(pause);
                    wait
                }
                Err(error) => return Err(error.into()),
            };
            if !wait.is_zero() {
                out.sleep(wait).await?;
            }
        }
    }

    /// Reads the next documents; returns their number.
    async fn read(&mut self) -> Result<usize, MongoDbError> {
        let mut documents = match self.documents.take() {
            Some(documents) => documents,
            None => self.first_documents()?,
        };
        // If this future is dropped, the next call starts after the same document.
        self.documents = Some(Documents {
            mongo: documents.mongo.clone(),
            client: documents.client.clone(),
            after: documents.after.clone(),
        });
        let (replier, read) = reply();
        let _reading = spawn(async move {
            let read = documents.next().await;
            replier.put((documents, read));
        })
        .map_err(MongoDbError::Start)?;
        let (documents, read) = read.await.ok_or_else(MongoDbError::ended)?;
        self.documents = Some(documents);
        let read = read?;
        let count = read.len();
        self.taken.extend(read);
        Ok(count)
    }

    fn first_documents(&self) -> Result<Documents, MongoDbError> {
        let kept = self.behind.as_deref().map(to_cursor).transpose();
        let kept = kept.map_err(|_| {
            let problem = format!("the position {:?} is not that of a cursor", self.behind);
            self.mongo.invalid(&problem)
        })?;
        Ok(Documents {
            mongo: self.mongo.clone(),
            client: None,
            after: kept.or_else(|| self.mongo.after.clone()),
        })
    }
}

impl Source for MongoDbSource {
    type Item = MongoDbChange;
    const KIND: &'static str = "from_mongodb";

    fn label(&self) -> Option<String> {
        Some(self.mongo.label())
    }

    async fn run(&mut self, out: &Emitter<MongoDbChange>) -> Result<(), Stop> {
        if let Some(position) = &self.mongo.position {
            position.show(out);
        }
        match self.mongo.cursor {
            Some(_) => self.run_documents(out).await,
            None => self.run_changes(out).await,
        }
    }
}

/// Collections of MongoDB as sources: [`Stream::from_mongodb`](FromMongoDb::from_mongodb).
pub trait FromMongoDb {
    /// Emits the changes of a collection as they happen, from the start of the source on; or, with a
    /// [cursor](MongoDb::cursor), existing documents in the order of a field, and with [`MongoDb::poll`] those added
    /// later.
    ///
    /// Changes need a server with change streams, which replica sets of MongoDB have. On other servers the source ends
    /// with an error that says so. Stopped and started again, the source continues after the last element emitted; in a
    /// new process, after its [position](MongoDb::position): the server keeps changes for as long as its history goes
    /// back. With a cursor, documents that get a smaller value than the last one read are missed.
    ///
    /// A lost connection is a failure of the node, reported once; the source reconnects with growing pauses of up to 30
    /// s. A refused login ends the source.
    ///
    /// Invalid arguments are a build error, see [`Stream::check`].
    fn from_mongodb(mongo: MongoDb) -> Stream<MongoDbChange>;
}

impl FromMongoDb for Stream<MongoDbChange> {
    fn from_mongodb(mongo: MongoDb) -> Self {
        let checked = mongo.check();
        let stream = Stream::from_source(MongoDbSource::from(mongo));
        if let Err(error) = checked {
            stream.build_error(BuildError::new("from_mongodb", error));
        }
        stream
    }
}
