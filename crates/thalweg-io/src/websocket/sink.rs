//! Sending messages to a server, or to the clients of one.

use std::fmt;
use std::io;

use thalweg::ops::{Batch, BatchSink, SinkBatches};
use thalweg::{BoxError, BuildError, Element, Sink, Stream};
use tokio::sync::{broadcast, mpsc, watch};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::showing::show;
use super::socket::{Ended, Socket};
use super::{WebSocketClient, WebSocketError, WebSocketMessage, WebSocketServer};
use crate::background::{Running, spawn};
use crate::reply::{Replier, reply};

/// Destination of messages.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum WebSocketTarget {
    /// A server.
    Client(Box<WebSocketClient>),
    /// All connected clients.
    Server(WebSocketServer),
}

impl WebSocketTarget {
    /// Checks the settings, before anything is sent.
    ///
    /// # Errors
    /// See [`WebSocketClient::check`] and [`WebSocketServer::check`].
    pub fn check(&self) -> Result<(), WebSocketError> {
        match self {
            Self::Client(client) => client.check(),
            Self::Server(server) => server.check(),
        }
    }

    fn shown(&self) -> String {
        match self {
            Self::Client(client) => client.shown(),
            Self::Server(server) => server.name(),
        }
    }
}

impl From<WebSocketClient> for WebSocketTarget {
    fn from(client: WebSocketClient) -> Self {
        Self::Client(Box::new(client))
    }
}

impl From<WebSocketServer> for WebSocketTarget {
    fn from(server: WebSocketServer) -> Self {
        Self::Server(server)
    }
}

/// Messages for a server, and the reply when they have been sent.
type Order = (Vec<WebSocketMessage>, Replier<Result<(), WebSocketError>>);

/// The running tasks.
enum Work {
    /// Dropping it closes the connection.
    Client(mpsc::Sender<Order>),
    Server {
        messages: broadcast::Sender<WebSocketMessage>,
        _end: watch::Sender<()>,
        task: Running,
    },
}

/// Sink that sends messages over a WebSocket, created by [`ToWebSocket::to_websocket`].
pub struct WebSocketSink<T> {
    target: WebSocketTarget,
    to_message: ToMessage<T>,
    work: Option<Work>,
}

impl<T> fmt::Debug for WebSocketSink<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketSink").finish_non_exhaustive()
    }
}

type ToMessage<T> = Box<dyn FnMut(&T) -> Result<WebSocketMessage, BoxError> + Send>;

impl<T> WebSocketSink<T> {
    /// Creates a sink for elements that `to_message` converts to messages.
    pub fn new(
        target: impl Into<WebSocketTarget>,
        to_message: impl FnMut(&T) -> Result<WebSocketMessage, BoxError> + Send + 'static,
    ) -> Self {
        Self {
            target: target.into(),
            to_message: Box::new(to_message),
            work: None,
        }
    }

    /// Starts to serve, if it is a server, so that clients that connect from now on miss nothing.
    ///
    /// # Errors
    /// The address cannot be listened on, or no thread can be started.
    pub fn start(&mut self) -> Result<(), WebSocketError> {
        if self.work.is_some() {
            return Ok(());
        }
        self.work = Some(match &self.target {
            WebSocketTarget::Client(client) => {
                // One command after the other.
                let (orders, taken) = mpsc::channel(1);
                let task = spawn(link(*client.clone(), taken)).map_err(WebSocketError::Start)?;
                // Ends with its commands, after the closing handshake.
                task.detach();
                Work::Client(orders)
            }
            WebSocketTarget::Server(server) => {
                let (tls, listeners) = server.open()?;
                let (messages, _) = broadcast::channel(server.max_behind);
                let (end, ending) = watch::channel(());
                let shown = show(server.clone(), tls, listeners, messages.clone(), ending);
                let task = spawn(shown).map_err(WebSocketError::Start)?;
                Work::Server {
                    messages,
                    _end: end,
                    task,
                }
            }
        });
        Ok(())
    }
}

impl<T: Element + Sync> BatchSink<T> for WebSocketSink<T> {
    type Error = WebSocketError;
    const KIND: &'static str = "to_websocket";

    async fn write(&mut self, batch: Batch<T>) -> Result<(), WebSocketError> {
        let mut messages = Vec::with_capacity(batch.len());
        for element in &*batch {
            let made = (self.to_message)(element);
            messages.push(made.map_err(|problem| WebSocketError::Element {
                url: self.target.shown(),
                problem,
            })?);
        }
        drop(batch);
        self.start()?;
        match &self.work {
            Some(Work::Client(orders)) => {
                let orders = orders.clone();
                let (replier, sent) = reply();
                // Has room: the command before has been answered.
                let ordered = orders.try_send((messages, replier));
                let ended = || WebSocketError::Start(io::Error::other("its threads have ended"));
                ordered.map_err(|_| ended())?;
                sent.await.unwrap_or_else(|| Err(ended()))
            }
            Some(Work::Server { messages: all, .. }) => {
                for message in messages {
                    // No clients is not an error.
                    let _ = all.send(message);
                }
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn blames_element(&self, error: &WebSocketError) -> bool {
        matches!(error, WebSocketError::Element { .. })
    }

    fn label(&self) -> Option<String> {
        Some(self.target.shown())
    }

    fn close(&mut self) -> Result<(), BoxError> {
        if let Some(Work::Server { task, .. }) = self.work.take() {
            task.detach();
        }
        Ok(())
    }
}

/// Keeps a connection to a server: executes commands, and answers pings meanwhile.
async fn link(client: WebSocketClient, mut orders: mpsc::Receiver<Order>) {
    let mut open: Option<Socket> = None;
    loop {
        let order = match &mut open {
            None => orders.recv().await,
            Some(socket) => tokio::select! {
                biased;
                order = orders.recv() => order,
                come = socket.next() => {
                    // Messages from the server are ignored.
                    if come.is_err() {
                        open = None;
                    }
                    continue;
                }
            },
        };
        let Some((messages, replier)) = order else {
            break;
        };
        replier.put(send(&client, &mut open, &messages).await);
    }
    if let Some(mut socket) = open {
        socket.close(CloseCode::Normal).await;
    }
}

/// Sends messages over the existing connection or a new one.
async fn send(
    client: &WebSocketClient,
    open: &mut Option<Socket>,
    messages: &[WebSocketMessage],
) -> Result<(), WebSocketError> {
    let (mut attempts, mut outage) = (0, client.retries.outage());
    loop {
        let is_new = open.is_none();
        let refused = match open {
            Some(_) => None,
            None => match client.connect().await {
                Ok(socket) => {
                    *open = Some(socket);
                    None
                }
                Err(refused) => Some(refused),
            },
        };
        let (source, is_for_good) = match (refused, open.as_mut()) {
            (Some(refused), _) => (refused.source, refused.is_for_good),
            (None, None) => continue,
            (None, Some(socket)) => match socket.send_all(messages, client.confirms).await {
                Ok(()) => return Ok(()),
                Err(ended) => {
                    *open = None;
                    let problem = match ended {
                        Ended::Closed => "the server has closed the connection".to_string(),
                        Ended::Broken(problem) => problem,
                    };
                    (problem.into(), false)
                }
            },
        };
        attempts += 1;
        if is_for_good || attempts > client.retries.count {
            return Err(WebSocketError::Connect {
                url: client.shown(),
                attempts,
                source,
            });
        }
        outage.report(is_new, client.shown(), &source);
        // The end of a long-lived connection may not be the server's fault.
        if is_new {
            client.pause(attempts).await;
        }
    }
}

/// WebSockets as sinks: [`Stream::to_websocket`](ToWebSocket::to_websocket).
pub trait ToWebSocket {
    /// Sends messages to a server, given as a [`WebSocketClient`], or to all clients of a [`WebSocketServer`].
    ///
    /// To a server, messages that arrive meanwhile are sent together, and acknowledged when the server has answered a
    /// ping sent after them: it has read them then. If the connection breaks, unacknowledged messages are sent again
    /// over a new one, and may arrive twice. If the server stays unreachable after the retries, that is a failure of
    /// the node, see [`Stream::sink_to`].
    ///
    /// A client of the server gets the messages from its connect on. A client that is too slow is disconnected, so that
    /// nobody waits for it.
    ///
    /// ```
    /// use thalweg::Stream;
    /// use thalweg_io::{WebSocketClient, WebSocketMessage, WebSocketServer, prelude::*};
    ///
    /// let server = WebSocketServer::new(0);
    /// let url = format!("ws://{}/", server.listen()?);
    /// let shown = Stream::new();
    /// shown.to_websocket(server);
    ///
    /// let messages = Stream::from_websocket(WebSocketClient::new(url).reconnect(false));
    /// let (sends, received) = std::sync::mpsc::channel();
    /// messages.sink(move |message: WebSocketMessage| drop(sends.send(message)));
    /// messages.start()?;
    /// // It gets messages sent after it has connected.
    /// # let moment = std::time::Duration::from_millis(10);
    /// while received.recv_timeout(moment).is_err() {
    ///     shown.emit(WebSocketMessage::from("news")).wait()?;
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn to_websocket(&self, target: impl Into<WebSocketTarget>) -> Sink;
}

impl<T: Element + Sync + Into<WebSocketMessage>> ToWebSocket for Stream<T> {
    fn to_websocket(&self, target: impl Into<WebSocketTarget>) -> Sink {
        let mut sink = WebSocketSink::new(target, |x: &T| Ok(x.clone().into()));
        let is_wrong = match &sink.target {
            WebSocketTarget::Client(client) => client.check().err(),
            WebSocketTarget::Server(_) => sink.start().err(),
        };
        let sink = self.apply(SinkBatches::new(sink));
        if let Some(error) = is_wrong {
            sink.build_error(BuildError::new("to_websocket", error));
        }
        Sink::from(sink)
    }
}
