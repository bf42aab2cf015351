//! Messages as the source of a pipeline: from the clients of a server, or from a server.

use std::collections::VecDeque;
use std::iter;
use std::sync::Arc;

use thalweg::{Emitter, Source, Stop, Stream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::following::follow;
use super::serving::serve;
use super::{WebSocketClient, WebSocketError, WebSocketMessage, WebSocketServer};
use crate::background::{Inbox, Outbox};

/// Maximum messages buffered for the pipeline.
const CAPACITY: usize = 1024;

/// Maximum bytes of them; a single message may be longer.
const MAX_BYTES: usize = 32 << 20;

/// A message, and its permit for buffered bytes.
pub(super) type Held = (WebSocketMessage, OwnedSemaphorePermit);

/// The sending half of the inbox. Connections wait for room.
pub(super) struct Room {
    out: Outbox<Held, WebSocketError>,
    bytes: Arc<Semaphore>,
}

impl Room {
    fn new(out: Outbox<Held, WebSocketError>) -> Self {
        Self {
            out,
            bytes: Arc::new(Semaphore::new(MAX_BYTES)),
        }
    }

    /// Returns whether the source still takes messages.
    pub(super) async fn send(&self, message: WebSocketMessage) -> bool {
        let len = message.as_ref().len().clamp(1, MAX_BYTES);
        let permits = u32::try_from(len).unwrap_or(u32::MAX);
        match self.bytes.clone().acquire_many_owned(permits).await {
            Ok(permit) => self.out.send((message, permit)).await,
            Err(_) => false,
        }
    }

    pub(super) async fn report(&self, error: WebSocketError) -> bool {
        self.out.report(error).await
    }
}

/// The task that fills the inbox.
#[derive(Clone, Debug)]
enum Origin {
    Server(WebSocketServer),
    Client(Box<WebSocketClient>),
}

/// Messages as a source: [`Stream::from_websocket`](FromWebSocket::from_websocket).
#[derive(Debug)]
pub struct WebSocketSource {
    origin: Origin,
    taken: VecDeque<WebSocketMessage>,
}

impl WebSocketSource {
    /// The next message, received and not emitted before the source was stopped.
    pub fn take_rest(&mut self) -> Option<WebSocketMessage> {
        self.taken.pop_front()
    }
}

impl From<WebSocketServer> for WebSocketSource {
    fn from(server: WebSocketServer) -> Self {
        Self {
            origin: Origin::Server(server),
            taken: VecDeque::new(),
        }
    }
}

impl From<WebSocketClient> for WebSocketSource {
    fn from(client: WebSocketClient) -> Self {
        Self {
            origin: Origin::Client(Box::new(client)),
            taken: VecDeque::new(),
        }
    }
}

impl Source for WebSocketSource {
    type Item = WebSocketMessage;
    const KIND: &'static str = "from_websocket";

    fn label(&self) -> Option<String> {
        Some(match &self.origin {
            Origin::Server(server) => server.name(),
            Origin::Client(client) => client.shown(),
        })
    }

    async fn run(&mut self, out: &Emitter<WebSocketMessage>) -> Result<(), Stop> {
        let filled = match self.origin.clone() {
            Origin::Server(server) => {
                let (tls, listeners) = server.open()?;
                Inbox::fill(CAPACITY, |out| {
                    serve(server, tls, listeners, Room::new(out))
                })
            }
            Origin::Client(client) => {
                client.check()?;
                Inbox::fill(CAPACITY, |out| follow(*client, Room::new(out)))
            }
        };
        let mut inbox = filled.map_err(WebSocketError::Start)?;
        let ended = self.emit(&mut inbox, out).await;
        // The sender counts as delivered what has been read.
        for message in inbox.take_rest() {
            match message {
                Ok((message, _)) => self.taken.push_back(message),
                Err(error) => out.report(error),
            }
        }
        ended
    }
}

impl WebSocketSource {
    async fn emit(
        &mut self,
        inbox: &mut Inbox<Held, WebSocketError>,
        out: &Emitter<WebSocketMessage>,
    ) -> Result<(), Stop> {
        // Frees the bytes of taken messages.
        let mut permits = Vec::new();
        loop {
            let taken = &mut self.taken;
            out.emit_buffered(iter::from_fn(|| taken.pop_front()))
                .await?;
            permits.clear();
            match out.or_stop(inbox.next_batch()).await? {
                Ok(Some(batch)) => {
                    for (message, permit) in batch {
                        self.taken.push_back(message);
                        permits.push(permit);
                    }
                }
                Ok(None) => return Ok(()),
                Err(error @ (WebSocketError::Client { .. } | WebSocketError::Lost { .. })) => {
                    out.report(error);
                    out.yield_now().await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// WebSockets as sources: [`Stream::from_websocket`](FromWebSocket::from_websocket).
pub trait FromWebSocket<T> {
    /// Emits the messages from clients of a [`WebSocketServer`], or from a server, given by its URL or as a
    /// [`WebSocketClient`].
    ///
    /// Messages of one connection stay in order. The connection of a client that sends an invalid message, or one that
    /// is too long, is closed with a reason, which is a failure of this node; the other connections continue. Back
    /// pressure reaches the other end. A client reconnects with growing pauses when its connection is lost, which is a
    /// failure of this node as well; messages sent meanwhile are missed. A server that refuses it ends the source.
    ///
    /// ```
    /// use thalweg::Stream;
    /// use thalweg_io::{WebSocketClient, WebSocketMessage, WebSocketServer, prelude::*};
    ///
    /// let server = WebSocketServer::new(0);
    /// let url = format!("ws://{}/", server.listen()?);
    /// let messages = Stream::from_websocket(server);
    /// let (sends, received) = std::sync::mpsc::channel();
    /// messages.sink(move |message: WebSocketMessage| drop(sends.send(message)));
    /// messages.start()?;
    ///
    /// let words = Stream::new();
    /// words.to_websocket(WebSocketClient::new(url));
    /// words.emit_many(["river", "bed"].map(WebSocketMessage::from)).wait()?;
    /// words.drain("10s").wait()?;
    /// assert_eq!([received.recv()?, received.recv()?], ["river".into(), "bed".into()]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn from_websocket(source: impl Into<WebSocketSource>) -> Stream<T>;
}

impl FromWebSocket<WebSocketMessage> for Stream<WebSocketMessage> {
    fn from_websocket(source: impl Into<WebSocketSource>) -> Self {
        Stream::from_source(source.into())
    }
}
