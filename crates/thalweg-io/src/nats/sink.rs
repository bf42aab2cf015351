//! Writing elements to a subject.

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::io;

use async_nats::HeaderMap;
use async_nats::jetstream::context::{PublishError, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use bytes::Bytes;
use thalweg::ops::{Batch, BatchSink, SinkBatches};
use thalweg::{BoxError, BuildError, Element, Sink, Stream};
use tokio::time::{Duration, sleep, timeout};

use super::connection::{Link, Lost, chain};
use super::{Nats, NatsError, NatsRecord};
use crate::background::spawn;
use crate::reply::reply;

/// Timeout of passing messages of core NATS to the system.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);

/// Header by which a stream recognizes duplicates.
const ID: &str = "Nats-Msg-Id";

/// Header that names the only stream that may keep the message.
const EXPECTED_STREAM: &str = "Nats-Expected-Stream";

/// Sink that writes elements to a subject, created by [`ToNats::to_nats`].
pub struct NatsSink<T> {
    nats: Nats,
    to_record: ToRecord<T>,
    link: Option<Link>,
    /// Prefix of generated message ids.
    prefix: String,
    written: u64,
}

impl<T> fmt::Debug for NatsSink<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsSink")
            .field("nats", &self.nats)
            .finish_non_exhaustive()
    }
}

/// Converts an element to a message.
type ToRecord<T> = Box<dyn FnMut(&T) -> Result<NatsRecord, BoxError> + Send>;

/// A message ready to be sent.
struct Ready {
    subject: String,
    payload: Bytes,
    headers: HeaderMap,
    len: usize,
}

impl<T> NatsSink<T> {
    /// Creates a sink for elements that `to_record` converts to messages.
    ///
    /// # Errors
    /// [`NatsError::Invalid`].
    pub fn new(
        nats: Nats,
        to_record: impl FnMut(&T) -> Result<NatsRecord, BoxError> + Send + 'static,
    ) -> Result<Self, NatsError> {
        nats.check_writing()?;
        Ok(Self {
            nats,
            to_record: Box::new(to_record),
            link: None,
            prefix: format!("{:016x}", RandomState::new().hash_one(0)),
            written: 0,
        })
    }

    fn ready(&mut self, element: &T) -> Result<Ready, NatsError> {
        let ready = (self.to_record)(element).and_then(|record| {
            let subject = record.subject.as_ref().unwrap_or(&self.nats.subject);
            let is_bad = |c: char| c.is_whitespace() || "*>".contains(c);
            if subject.is_empty() || subject.contains(is_bad) {
                return Err(format!("{subject:?} is not a subject to write to").into());
            }
            let mut headers = HeaderMap::new();
            let mut len = record.payload.len();
            let mut add = |name: &str, value: &str| {
                let is_good = |text: &str| !text.contains(['\r', '\n']);
                let is_name = !name.is_empty() && name.is_ascii() && !name.contains([':', ' ']);
                if !(is_name && is_good(name) && is_good(value)) {
                    return Err(format!("{name:?}: {value:?} is not a valid header"));
                }
                len += name.len() + value.len() + 4;
                headers.append(name, value);
                Ok(())
            };
            for (name, value) in &record.headers {
                add(name, value)?;
            }
            if let Some(stream) = &self.nats.stream {
                add(EXPECTED_STREAM, stream)?;
                match &record.id {
                    Some(id) => add(ID, id)?,
                    None => add(ID, &format!("{}-{}", self.prefix, self.written))?,
                }
            } else if let Some(id) = &record.id {
                add(ID, id)?;
            }
            Ok(Ready {
                subject: subject.clone(),
                payload: record.payload,
                headers,
                len,
            })
        });
        self.written += 1;
        ready.map_err(|problem| NatsError::Element {
            address: self.nats.address(),
            place: self.nats.place(),
            problem,
        })
    }
}

/// Writes messages; unconfirmed ones are written again.
async fn send(nats: &Nats, link: Option<Link>, ready: Vec<Ready>) -> Result<Link, NatsError> {
    let (mut open, mut done, mut attempts) = (link, vec![false; ready.len()], 0);
    let mut outage = nats.retries.outage();
    loop {
        let is_new = open.is_none();
        let before = done.iter().filter(|done| **done).count();
        let tried = async {
            let link = match open.take() {
                Some(link) => link,
                None => {
                    let link = Link::open(nats).await?;
                    link.make_stream(nats).await?;
                    link
                }
            };
            let link = open.insert(link);
            let max_len = link.client.max_payload();
            if let Some(long) = ready.iter().find(|ready| ready.len > max_len) {
                return Ok(Some((long.len, max_len)));
            }
            match nats.stream {
                Some(_) => confirm(link, &ready, &mut done).await?,
                None => hand_over(link, &ready, &mut done).await?,
            }
            Ok::<_, Lost>(None)
        };
        let lost = match (tried.await, open.take()) {
            (Ok(None), Some(link)) => return Ok(link),
            (Ok(Some((len, max_len))), _) => {
                return Err(NatsError::TooLong {
                    address: nats.address(),
                    place: nats.place(),
                    len,
                    max_len,
                });
            }
            (Ok(None), None) => continue,
            // The next attempt has its own client: this one would keep what it has not been answered.
            (Err(lost), _) => lost,
        };
        // The earlier messages count as written: this is the one that failed.
        let now = done.iter().filter(|done| **done).count();
        attempts = if now > before { 1 } else { attempts + 1 };
        if lost.remedy.is_some() || attempts > nats.retries.count {
            let remedy = lost.remedy.map(|remedy| format!("; {remedy}"));
            return Err(NatsError::NotWritten {
                address: nats.address(),
                place: nats.place(),
                problem: lost.problem + &remedy.unwrap_or_default(),
                attempts,
            });
        }
        outage.report(
            is_new,
            format_args!("NATS at {}", nats.address()),
            &lost.problem,
        );
        sleep(nats.retries.pause(attempts - 1)).await;
    }
}

/// Sends the messages that a stream has not confirmed, and waits for confirmation.
async fn confirm(link: &Link, ready: &[Ready], done: &mut [bool]) -> Result<(), Lost> {
    link.connected().await?;
    let Some(error) = link.unless_lost(publish(link, ready, done)).await? else {
        return Ok(());
    };
    let text = chain(&error);
    Err(Lost {
        remedy: match error.kind() {
            PublishErrorKind::StreamNotFound => Some(
                "no stream keeps this subject, or the server has no JetStream: have the stream made, `create`, or write without one",
            ),
            PublishErrorKind::Other if text.contains("expected stream") => {
                Some("another stream keeps this subject: check the stream's name")
            }
            _ => None,
        },
        problem: text,
    })
}

/// Returns why not all have been confirmed.
async fn publish(link: &Link, ready: &[Ready], done: &mut [bool]) -> Option<PublishError> {
    let mut sent = Vec::with_capacity(ready.len());
    let mut problem = None;
    for (at, ready) in ready.iter().enumerate().filter(|(at, _)| !done[*at]) {
        let message = PublishMessage::build()
            .payload(ready.payload.clone())
            .headers(ready.headers.clone());
        let sending = link.jetstream.send_publish(ready.subject.clone(), message);
        match sending.await {
            Ok(confirmed) => sent.push((at, confirmed)),
            Err(error) => {
                problem = Some(error);
                break;
            }
        }
    }
    for (at, confirmed) in sent {
        match confirmed.await {
            Ok(_) => done[at] = true,
            // The others have waited as long.
            Err(error) if error.kind() == PublishErrorKind::TimedOut => return Some(error),
            Err(error) => problem = problem.or(Some(error)),
        }
    }
    problem
}

/// Passes messages to the system, each once.
async fn hand_over(link: &Link, ready: &[Ready], done: &mut [bool]) -> Result<(), Lost> {
    for (at, ready) in ready.iter().enumerate() {
        if std::mem::replace(&mut done[at], true) {
            continue;
        }
        let (subject, payload) = (ready.subject.clone(), ready.payload.clone());
        let sent = match ready.headers.is_empty() {
            true => link.client.publish(subject, payload).await,
            false => {
                let headers = ready.headers.clone();
                let sending = link.client.publish_with_headers(subject, headers, payload);
                sending.await
            }
        };
        sent.map_err(|error| Lost {
            problem: chain(&error),
            remedy: None,
        })?;
    }
    let flushed = timeout(FLUSH_TIMEOUT, link.client.flush()).await;
    match flushed {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(Lost {
            problem: chain(&error),
            remedy: None,
        }),
        Err(_) => Err(Lost::connection()),
    }
}

impl<T: Element + Sync> BatchSink<T> for NatsSink<T> {
    type Error = NatsError;
    const KIND: &'static str = "to_nats";

    async fn write(&mut self, batch: Batch<T>) -> Result<(), NatsError> {
        let ready = batch.iter().map(|element| self.ready(element));
        let ready = ready.collect::<Result<Vec<_>, _>>()?;
        drop(batch);
        let (nats, link) = (self.nats.clone(), self.link.take());
        let (replier, sent) = reply();
        let _sending = spawn(async move { replier.put(send(&nats, link, ready).await) })
            .map_err(NatsError::Start)?;
        let sent = sent
            .await
            .unwrap_or_else(|| Err(NatsError::Start(io::Error::other("its threads have ended"))));
        self.link = Some(sent?);
        Ok(())
    }

    fn blames_element(&self, error: &NatsError) -> bool {
        matches!(error, NatsError::TooLong { .. } | NatsError::Element { .. })
    }

    fn label(&self) -> Option<String> {
        Some(self.nats.label())
    }
}

/// Subjects of NATS as sinks: [`Stream::to_nats`](ToNats::to_nats).
pub trait ToNats {
    /// Sends elements (text, bytes or [`NatsRecord`]s) to a subject, grouping those that arrive meanwhile.
    ///
    /// With a [stream](Nats::stream) of JetStream, an element is acknowledged when the stream has confirmed it.
    /// Unconfirmed messages are sent again with the same id, so that the stream keeps them once; if the server stays
    /// unreachable after the [retries](Nats::retries), that is a failure of the node, see [`Stream::sink_to`]. Elements
    /// sent again after a crash are also kept once if each has its own [id](NatsRecord::id).
    ///
    /// Without a stream, an element is acknowledged when the system has taken it: it arrives at most once.
    ///
    /// Invalid arguments are a build error, see [`Stream::check`].
    fn to_nats(&self, nats: Nats) -> Sink;
}

impl<T: Element + Sync + Into<NatsRecord>> ToNats for Stream<T> {
    fn to_nats(&self, nats: Nats) -> Sink {
        match NatsSink::new(nats, |x: &T| Ok(x.clone().into())) {
            Ok(sink) => self.apply(SinkBatches::new(sink)).into(),
            Err(error) => {
                self.build_error(BuildError::new("to_nats", error));
                self.sink(drop)
            }
        }
    }
}
