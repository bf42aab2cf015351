//! Server-sent events as the source of a pipeline.

use std::collections::VecDeque;
use std::fmt;
use std::iter;

use thalweg::{Emitter, Source, Stop, Stream};

use super::connection::read;
use super::{Sse, SseError, SseEvent};
use crate::Position;
use crate::background::Inbox;

/// Maximum number of events buffered for the pipeline.
const CAPACITY: usize = 1024;

/// Server-sent events as a source: [`Stream::from_sse`].
pub struct SseSource {
    sse: Sse,
    inbox: Option<Inbox<SseEvent, SseError>>,
    taken: VecDeque<SseEvent>,
}

impl fmt::Debug for SseSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SseSource")
            .field("sse", &self.sse)
            .finish_non_exhaustive()
    }
}

impl From<Sse> for SseSource {
    fn from(mut sse: Sse) -> Self {
        let kept = sse.position.as_ref().and_then(Position::value);
        if let Some(id) = kept {
            sse.last_event_id = id;
        }
        Self {
            sse,
            inbox: None,
            taken: VecDeque::new(),
        }
    }
}

impl Source for SseSource {
    type Item = SseEvent;
    const KIND: &'static str = "from_sse";

    fn label(&self) -> Option<String> {
        Some(self.sse.request.shown())
    }

    async fn run(&mut self, out: &Emitter<SseEvent>) -> Result<(), Stop> {
        if let Some(position) = &self.sse.position {
            position.show(out);
        }
        let inbox = match self.inbox.take() {
            Some(inbox) => inbox,
            None => {
                let sse = self.sse.clone();
                Inbox::fill(CAPACITY, |outbox| read(sse, outbox)).map_err(SseError::Start)?
            }
        };
        let inbox = self.inbox.insert(inbox);
        loop {
            if let Some(position) = &self.sse.position {
                while !self.taken.is_empty() {
                    out.or_stop(position.room()).await??;
                    if let Some(event) = self.taken.pop_front() {
                        let ack = position.ack(event.id.clone(), out.now());
                        out.emit_with(event, ack).await?;
                    }
                }
            }
            let taken = &mut self.taken;
            out.emit_buffered(iter::from_fn(|| taken.pop_front()))
                .await?;
            match out.or_stop(inbox.next_batch()).await? {
                Ok(Some(batch)) => {
                    // If the feed ends, a restarted source requests the events after these.
                    if let Some(last) = batch.last() {
                        self.sse.last_event_id.clone_from(&last.id);
                    }
                    self.taken.extend(batch);
                }
                Ok(None) => break,
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
        self.inbox = None;
        Ok(())
    }
}

/// Server-sent events as sources: [`Stream::from_sse`](FromSse::from_sse).
pub trait FromSse {
    /// Emits the events of a feed, given by its URL or as a configured [`Sse`].
    ///
    /// Buffered events go through the pipeline as a batch. A lost connection is a failure of the source's node, which
    /// then reconnects. After a restart, the source continues with the event after the last one emitted.
    ///
    /// ```
    /// # use std::io::{Read, Write};
    /// use thalweg::Stream;
    /// use thalweg_io::prelude::*;
    ///
    /// # let server = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let url = format!("http://{}/", server.local_addr()?);
    /// # let server = std::thread::spawn(move || {
    /// #     let feed = "200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\nretry: 1\ndata: 20.5\n\n";
    /// #     for answer in [feed, "204 No Content\r\nConnection: close\r\n\r\n"] {
    /// #         let mut client = server.accept().unwrap().0;
    /// #         client.read(&mut [0; 1024]).unwrap();
    /// #         write!(client, "HTTP/1.1 {answer}").unwrap();
    /// #     }
    /// # });
    /// let events = Stream::from_sse(url);
    /// let list = events.map(|event| event.data.clone()).sink_to_list();
    /// events.run("10s").wait()?;
    /// assert_eq!(list.to_vec(), ["20.5"]);
    /// # server.join().unwrap();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn from_sse(feed: impl Into<Sse>) -> Stream<SseEvent>;
}

impl FromSse for Stream<SseEvent> {
    fn from_sse(feed: impl Into<Sse>) -> Self {
        Stream::from_source(SseSource::from(feed.into()))
    }
}
