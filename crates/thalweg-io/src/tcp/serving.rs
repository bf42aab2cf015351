//! Accepting and reading connections.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;

use super::framing::Framing;
use super::{TcpError, TcpServer};
use crate::background::Outbox;
use crate::listening::Listener;

/// Pause after the system could not accept a connection.
const PAUSE: Duration = Duration::from_millis(50);

/// Timeout of the TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Maximum bytes read at once.
const CHUNK: usize = 64 * 1024;

/// Elements of one read.
pub(super) type Together<T> = Outbox<Vec<T>, TcpError>;

/// State shared by the connections.
struct Shared<T> {
    framing: Framing<T>,
    idle_timeout: Option<Duration>,
    tls: Option<TlsAcceptor>,
    room: Arc<Semaphore>,
    out: Together<T>,
}

/// Serves until it is dropped: then all connections are closed.
pub(super) async fn serve<T: Send + 'static>(
    server: TcpServer<T>,
    tls: Option<TlsAcceptor>,
    listeners: Vec<Listener>,
    out: Together<T>,
) {
    let shared = Arc::new(Shared {
        framing: server.framing,
        idle_timeout: server.idle_timeout,
        tls,
        room: Arc::new(Semaphore::new(server.max_connections)),
        out,
    });
    let mut accepting = JoinSet::new();
    for listener in listeners {
        accepting.spawn(accept(shared.clone(), listener));
    }
    while accepting.join_next().await.is_some() {}
}

/// Accepts and reads in one task, so that messages keep the order in which they were sent, across connections.
async fn accept<T: Send + 'static>(shared: Arc<Shared<T>>, listener: Listener) {
    let Ok((listener, mut latch)) = listener.open() else {
        return;
    };
    let mut connections = FuturesUnordered::new();
    let mut resume = None;
    loop {
        let accepting = async {
            // The pause belongs to accepting alone: only connections that are read to their end free descriptors.
            if let Some(resume) = resume {
                sleep_until(resume).await;
            }
            let permit = shared.room.clone().acquire_owned().await;
            (permit, listener.accept().await)
        };
        tokio::select! {
            biased;
            (permit, accepted) = accepting => match accepted {
                Ok((stream, peer)) => {
                    resume = None;
                    let shared = shared.clone();
                    connections.push(async move {
                        shared.read(stream, peer.to_string()).await;
                        drop(permit);
                    });
                }
                // The client has left already, or too many files are open.
                Err(_) => resume = Some(Instant::now() + PAUSE),
            },
            // Polled again after the existing connections.
            () = latch.closing() => break,
            Some(()) = connections.next(), if !connections.is_empty() => {}
        }
    }
    drop(listener);
    drop(latch);
    while connections.next().await.is_some() {}
    // Ends only by being dropped.
    std::future::pending().await
}

impl<T: Send + 'static> Shared<T> {
    async fn read(&self, stream: TcpStream, peer: String) {
        match &self.tls {
            None => self.read_from(stream, peer).await,
            Some(acceptor) => {
                // Clients without TLS or without a trusted certificate get an alert from the handshake.
                if let Ok(Ok(stream)) = timeout(HANDSHAKE, acceptor.accept(stream)).await {
                    self.read_from(stream, peer).await;
                }
            }
        }
    }

    async fn read_from(&self, mut stream: impl AsyncRead + Unpin + Send, peer: String) {
        let Ok(mut cutter) = self.framing.cutter() else {
            return;
        };
        let mut chunk = vec![0; CHUNK];
        loop {
            let read = match self.idle_timeout {
                None => stream.read(&mut chunk).await,
                Some(limit) => timeout(limit, stream.read(&mut chunk))
                    .await
                    .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())),
            };
            // However the connection ends, the rest is an incomplete message.
            let Some(read) = read.ok().filter(|read| *read > 0) else {
                break;
            };
            cutter.push(&chunk[..read]);
            let mut together = Vec::new();
            while let Some(message) = cutter.next() {
                match message {
                    Ok(message) => together.push(message),
                    Err(source) => {
                        let before = std::mem::take(&mut together);
                        let error = TcpError::Frame {
                            peer: peer.clone(),
                            source,
                        };
                        if !self.send(before).await || !self.out.report(error).await {
                            return;
                        }
                    }
                }
            }
            if !self.send(together).await {
                return;
            }
        }
        let len = cutter.rest();
        if len > 0 {
            self.out.report(TcpError::Incomplete { peer, len }).await;
        }
    }

    async fn send(&self, together: Vec<T>) -> bool {
        together.is_empty() || self.out.send(together).await
    }
}
