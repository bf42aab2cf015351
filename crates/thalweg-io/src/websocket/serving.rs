//! Accepting clients and reading their messages.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::accept_hdr_async_with_config;
use tokio_tungstenite::tungstenite::handshake::server::{
    Callback, ErrorResponse, Request, Response,
};
use tokio_tungstenite::tungstenite::http::StatusCode;

use super::origins::Origins;
use super::socket::{Duplex, Ended, Keeping, Socket};
use super::source::Room;
use super::{WebSocketError, WebSocketServer};
use crate::listening::Listener;

/// Pause after the system could not accept a client.
const PAUSE: Duration = Duration::from_millis(50);

/// Timeout of the handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// State needed to accept clients.
#[derive(Clone)]
pub(super) struct Accepting {
    pub(super) keeping: Keeping,
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) room: Arc<Semaphore>,
    origins: Arc<Origins>,
    /// The host that it listens on.
    place: Arc<str>,
}

impl Accepting {
    pub(super) fn new(server: &WebSocketServer, tls: Option<TlsAcceptor>) -> Self {
        Self {
            keeping: server.keeping,
            tls,
            room: Arc::new(Semaphore::new(server.max_connections)),
            origins: Arc::new(server.origins.clone()),
            place: server.place.host.as_str().into(),
        }
    }

    /// Accepts the next client, once a connection slot is free. Cancel-safe: no client is lost when the future is
    /// dropped.
    pub(super) async fn next(
        &self,
        listener: &tokio::net::TcpListener,
    ) -> (TcpStream, String, OwnedSemaphorePermit) {
        loop {
            // The semaphore is never closed.
            let Ok(permit) = self.room.clone().acquire_owned().await else {
                return std::future::pending().await;
            };
            match listener.accept().await {
                Ok((stream, peer)) => return (stream, peer.to_string(), permit),
                // The client has left already, or too many files are open.
                Err(_) => sleep(PAUSE).await,
            }
        }
    }

    /// Performs the handshake; none if the client sends something else or nothing, or its page may not connect.
    pub(super) async fn agree(&self, stream: TcpStream) -> Option<Socket> {
        let agreed = timeout(HANDSHAKE, async {
            stream.set_nodelay(true).ok()?;
            let stream: Box<dyn Duplex> = match &self.tls {
                None => Box::new(stream),
                Some(tls) => Box::new(tls.accept(stream).await.ok()?),
            };
            let config = Some(self.keeping.config());
            let admit = Admitting {
                origins: &self.origins,
                place: &self.place,
            };
            accept_hdr_async_with_config(stream, admit, config)
                .await
                .ok()
        });
        let stream = agreed.await.ok()??;
        Some(Socket::new(stream, self.keeping))
    }
}

/// Checks a client's request.
struct Admitting<'a> {
    origins: &'a Origins,
    place: &'a str,
}

impl Callback for Admitting<'_> {
    fn on_request(self, request: &Request, response: Response) -> Result<Response, ErrorResponse> {
        match self.origins.admit(request.headers(), self.place) {
            Ok(()) => Ok(response),
            Err(reason) => {
                let mut refused = ErrorResponse::new(Some(reason));
                *refused.status_mut() = StatusCode::FORBIDDEN;
                Err(refused)
            }
        }
    }
}

/// Serves until it is dropped: then all connections are closed.
pub(super) async fn serve(
    server: WebSocketServer,
    tls: Option<TlsAcceptor>,
    listeners: Vec<Listener>,
    out: Room,
) {
    let accepting = Accepting::new(&server, tls);
    let out = Arc::new(out);
    let mut tasks = JoinSet::new();
    for listener in listeners {
        let Ok((listener, mut latch)) = listener.open() else {
            continue;
        };
        let (accepting, out) = (accepting.clone(), out.clone());
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                tokio::select! {
                    (stream, peer, permit) = accepting.next(&listener) => {
                        let (accepting, out) = (accepting.clone(), out.clone());
                        connections.spawn(async move {
                            if let Some(socket) = accepting.agree(stream).await {
                                read(socket, peer, &out).await;
                            }
                            drop(permit);
                        });
                    }
                    Some(_) = connections.join_next(), if !connections.is_empty() => {}
                    () = latch.closing() => break,
                }
            }
            drop(listener);
            drop(latch);
            while connections.join_next().await.is_some() {}
            // Ends only by being dropped.
            std::future::pending::<()>().await;
        });
    }
    while tasks.join_next().await.is_some() {}
}

async fn read(mut socket: Socket, peer: String, out: &Room) {
    loop {
        match socket.next().await {
            Ok(message) => {
                if !out.send(message).await {
                    return;
                }
            }
            Err(Ended::Closed) => return,
            Err(Ended::Broken(problem)) => {
                out.report(WebSocketError::Client { peer, problem }).await;
                return;
            }
        }
    }
}
