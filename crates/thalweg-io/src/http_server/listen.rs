//! Accepting connections.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;

use super::connection::Protocols;
use super::service::Shared;
use crate::background::spawn;
use crate::listening::{Gate, Latch, Taken};

/// Pause after the system could not accept a connection.
const PAUSE: Duration = Duration::from_millis(50);

/// How long requests are still answered after the source has stopped.
const LAST_ANSWERS: Duration = Duration::from_secs(60);

/// A running server. When this is dropped, it accepts no more connections, and its port is free; existing ones end when
/// their requests have been answered.
pub(super) struct Serving {
    gate: Option<Arc<Gate>>,
    shared: Arc<Shared>,
    close: Option<watch::Sender<()>>,
}

impl Serving {
    /// # Errors
    /// The system has no thread or descriptor left.
    pub(super) fn start(
        shared: Arc<Shared>,
        tls: Option<TlsAcceptor>,
        listeners: Option<Taken>,
    ) -> io::Result<Self> {
        let close = watch::Sender::new(());
        let (listeners, gate) = listeners.unzip();
        let room = Arc::new(Semaphore::new(shared.settings.max_connections));
        let protocols = Arc::new(Protocols::new(shared.clone(), tls));
        for listener in listeners.unwrap_or_default() {
            let accepting = Accepting {
                protocols: protocols.clone(),
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

/// State needed to serve accepted connections.
struct Accepting {
    protocols: Arc<Protocols>,
    room: Arc<Semaphore>,
    closing: watch::Receiver<()>,
}

impl Accepting {
    async fn accept_until(self, latch: &mut Latch, listener: tokio::net::TcpListener) {
        tokio::select! {
            () = latch.closing() => {}
            () = self.accept(&listener) => {}
        }
        // Clients connected by then are told that they are too late.
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
                // The client has left already, or too many files are open.
                Err(_) => sleep(PAUSE).await,
            }
        }
    }

    fn serve(&self, stream: TcpStream, permit: OwnedSemaphorePermit) {
        let (protocols, closing) = (self.protocols.clone(), self.closing.clone());
        tokio::spawn(async move {
            protocols.serve(stream, closing).await;
            drop(permit);
        });
    }
}
