//! Accepting connections.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::sleep;

use super::service::Shared;
use crate::background::spawn;
use crate::listening::{Gate, Latch, Taken};

/// How long to wait before another connection is accepted when the system gives none.
const PAUSE: Duration = Duration::from_millis(50);

/// How long requests are still answered when the source has stopped.
const LAST_ANSWERS: Duration = Duration::from_secs(60);

/// A server at work. It takes no more connections when this is dropped, and its port is free; those there are end when
/// their requests have been answered.
pub(super) struct Serving {
    gate: Option<Arc<Gate>>,
    shared: Arc<Shared>,
    close: Option<watch::Sender<()>>,
}

impl Serving {
    /// # Errors
    /// The system has no thread or descriptor left.
    pub(super) fn start(shared: Arc<Shared>, listeners: Option<Taken>) -> io::Result<Self> {
        let close = watch::Sender::new(());
        let (listeners, gate) = listeners.unzip();
        let room = Arc::new(Semaphore::new(shared.settings.max_connections));
        for listener in listeners.unwrap_or_default() {
            let accepting = Accepting {
                shared: shared.clone(),
                room: room.clone(),
                closing: close.subscribe(),
            };
            spawn(async move {
                if let Ok((listener, mut latch)) = listener.open() {
                    accepting.accept_until(&mut latch, listener).await;
                }
            })?
            .detach();
        }
        Ok(Self {
            gate,
            shared,
            close: Some(close),
        })
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        if let Some(gate) = self.gate.take() {
            gate.close();
        }
        let (live, close) = (self.shared.live.clone(), self.close.take());
        let finish = spawn(async move {
            let _ = tokio::time::timeout(LAST_ANSWERS, live.all_answered()).await;
            drop(close);
        });
        if let Ok(finish) = finish {
            finish.detach();
        }
    }
}

/// What a listener needs to serve those it accepts.
struct Accepting {
    shared: Arc<Shared>,
    room: Arc<Semaphore>,
    closing: watch::Receiver<()>,
}

impl Accepting {
    async fn accept_until(self, latch: &mut Latch, listener: tokio::net::TcpListener) {
        tokio::select! {
            () = latch.closing() => {}
            () = self.accept(&listener) => {}
        }
        // Those who have connected by then are told that they come too late.
        let Ok(listener) = listener.into_std() else {
            return;
        };
        while let Ok(permit) = self.room.clone().try_acquire_owned()
            && let Ok((stream, _)) = listener.accept()
        {
            if stream.set_nonblocking(true).is_ok()
                && let Ok(stream) = TcpStream::from_std(stream)
            {
                self.serve(stream, permit);
            }
        }
    }

    async fn accept(&self, listener: &tokio::net::TcpListener) {
        while let Ok(permit) = self.room.clone().acquire_owned().await {
            match listener.accept().await {
                Ok((stream, _)) => self.serve(stream, permit),
                // A client that left at once, or too many open files.
                Err(_) => sleep(PAUSE).await,
            }
        }
    }

    fn serve(&self, stream: TcpStream, permit: OwnedSemaphorePermit) {
        let connection = serve(stream, self.shared.clone(), permit, self.closing.clone());
        tokio::spawn(connection);
    }
}

async fn serve(
    stream: TcpStream,
    shared: Arc<Shared>,
    _permit: OwnedSemaphorePermit,
    mut closing: watch::Receiver<()>,
) {
    // It costs time only where answers come in pieces.
    let _ = stream.set_nodelay(true);
    let settings = &shared.settings;
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(settings.read_timeout)
        .max_buf_size(settings.max_head.max(8192));
    let service = service_fn(|request: Request<Incoming>| {
        let shared = shared.clone();
        async move { Ok::<_, std::convert::Infallible>(shared.answer::<Incoming>(request).await) }
    });
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        // What fails here is the client's to know.
        _ = connection.as_mut() => return,
        _ = closing.changed() => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}
