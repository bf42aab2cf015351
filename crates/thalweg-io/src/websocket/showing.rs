//! Broadcasting messages to all clients of a server.

use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{Receiver, Sender};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::serving::Accepting;
use super::socket::Socket;
use super::{WebSocketMessage, WebSocketServer};
use crate::listening::Listener;

/// Timeout of delivering the last messages to clients.
const FAREWELL: Duration = Duration::from_secs(5);

/// Accepts clients until the sender of `end` is dropped; then clients get their remaining messages.
pub(super) async fn show(
    server: WebSocketServer,
    tls: Option<TlsAcceptor>,
    listeners: Vec<Listener>,
    messages: Sender<WebSocketMessage>,
    end: watch::Receiver<()>,
) {
    let accepting = Accepting::new(&server, tls);
    let mut tasks = JoinSet::new();
    for listener in listeners {
        let Ok((listener, latch)) = listener.open() else {
            continue;
        };
        let mut open = Some((listener, latch));
        let (accepting, messages) = (accepting.clone(), messages.downgrade());
        let mut end = end.clone();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let accepted = async {
                    let Some((listener, latch)) = &mut open else {
                        return std::future::pending().await;
                    };
                    tokio::select! {
                        accepted = accepting.next(listener) => Some(accepted),
                        () = latch.closing() => None,
                    }
                };
                tokio::select! {
                    accepted = accepted => {
                        let Some((stream, _, permit)) = accepted else {
                            open = None;
                            continue;
                        };
                        let Some(messages) = messages.upgrade() else {
                            break;
                        };
                        let (accepting, messages) = (accepting.clone(), messages.subscribe());
                        connections.spawn(async move {
                            if let Some(socket) = accepting.agree(stream).await {
                                write(socket, messages).await;
                            }
                            drop(permit);
                        });
                    }
                    Some(_) = connections.join_next(), if !connections.is_empty() => {}
                    _ = end.changed() => break,
                }
            }
            let all = async { while connections.join_next().await.is_some() {} };
            // Slower clients are disconnected.
            let _ = timeout(FAREWELL, all).await;
        });
    }
    drop(messages);
    while tasks.join_next().await.is_some() {}
}

/// Sends messages to one client until there are no more, or it is too slow.
async fn write(mut socket: Socket, mut messages: Receiver<WebSocketMessage>) {
    let code = loop {
        tokio::select! {
            message = messages.recv() => match message {
                Ok(message) => {
                    if socket.send_all(&[message], false).await.is_err() {
                        return;
                    }
                }
                Err(RecvError::Lagged(_)) => break CloseCode::Again,
                Err(RecvError::Closed) => break CloseCode::Away,
            },
            // Received messages are ignored; reading answers pings and notices the end.
            come = socket.next() => if come.is_err() {
                return;
            },
        }
    };
    socket.close(code).await;
}
