//! Accepting connections.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
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
use crate::background::{Running, spawn};

/// How long to wait before another connection is accepted when the system gives none.
const PAUSE: Duration = Duration::from_millis(50);

/// How long requests are still answered when the source has stopped.
const LAST_ANSWERS: Duration = Duration::from_secs(60);

/// Listens on all addresses of a host: `localhost` has two.
///
/// # Errors
/// None of them can be listened on.
pub(super) fn bind(host: &str, port: u16) -> io::Result<Vec<TcpListener>> {
    let mut listeners: Vec<TcpListener> = Vec::new();
    let mut refused = None;
    let mut addresses: Vec<SocketAddr> = (host, port).to_socket_addrs()?.collect();
    // Any port is to be the same for all.
    addresses.sort_by_key(|address| !address.is_ipv4());
    for mut address in addresses {
        if let Some(first) = listeners.first()
            && port == 0
        {
            address.set_port(first.local_addr()?.port());
        }
        let bound = TcpListener::bind(address).and_then(|listener| {
            listener.set_nonblocking(true)?;
            Ok(listener)
        });
        match bound {
            Ok(listener) => listeners.push(listener),
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    match (listeners.is_empty(), refused) {
        // Another program that has the port would get a part of the requests.
        (_, Some(error)) if port != 0 && error.kind() == io::ErrorKind::AddrInUse => Err(error),
        (true, Some(error)) => Err(error),
        (true, None) => Err(io::Error::new(
            io::ErrorKind::NotFound,
            "the host has no address",
        )),
        (false, _) => Ok(listeners),
    }
}

/// A server at work. It takes no more connections when this is dropped; those there are end when their requests have
/// been answered.
pub(super) struct Serving {
    accepting: Vec<Running>,
    shared: Arc<Shared>,
    close: Option<watch::Sender<()>>,
}

impl Serving {
    /// # Errors
    /// The system gives no thread, or no descriptor.
    pub(super) fn start(shared: Arc<Shared>, listeners: Vec<TcpListener>) -> io::Result<Self> {
        let close = watch::Sender::new(());
        let room = Arc::new(Semaphore::new(shared.settings.max_connections));
        let mut accepting = Vec::new();
        for listener in listeners {
            let (shared, room, closing) = (shared.clone(), room.clone(), close.subscribe());
            accepting.push(spawn(async move {
                // The listener belongs to the runtime.
                if let Ok(listener) = tokio::net::TcpListener::from_std(listener) {
                    accept(listener, shared, room, closing).await;
                }
            })?);
        }
        Ok(Self {
            accepting,
            shared,
            close: Some(close),
        })
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.accepting.clear();
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

async fn accept(
    listener: tokio::net::TcpListener,
    shared: Arc<Shared>,
    room: Arc<Semaphore>,
    closing: watch::Receiver<()>,
) {
    while let Ok(permit) = room.clone().acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                let connection = serve(stream, shared.clone(), permit, closing.clone());
                tokio::spawn(connection);
            }
            // A client that left at once, or too many open files.
            Err(_) => sleep(PAUSE).await,
        }
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
