//! Serving a connection, by TLS or in the clear, with HTTP/1.1 or HTTP/2.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::activity::{Activity, Counted};
use super::service::Shared;

/// Timeout of the TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Maximum concurrent requests of an HTTP/2 connection.
const STREAMS: u32 = 100;

/// Maximum number of HTTP/2 requests that a client may reset before they were accepted, and that it may have refused.
/// With more, its connection is closed: each costs the server, and the client next to nothing.
const RESETS: usize = 20;
const REFUSALS: usize = 100;

/// Interval of pings to an HTTP/2 client, and the timeout of an answer.
const PING_INTERVAL: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// Time for an HTTP/2 client to leave, when it has been told to and has all its answers.
const LEAVING: Duration = Duration::from_secs(5);

/// State needed to serve connections.
pub(super) struct Protocols {
    shared: Arc<Shared>,
    tls: Option<TlsAcceptor>,
    builder: Builder<TokioExecutor>,
}

impl Protocols {
    pub(super) fn new(shared: Arc<Shared>, tls: Option<TlsAcceptor>) -> Self {
        let settings = &shared.settings;
        let max_head = settings.max_head.max(8192);
        let mut builder = Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(settings.read_timeout)
            .max_buf_size(max_head);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_header_list_size(u32::try_from(max_head).unwrap_or(u32::MAX))
            .max_concurrent_streams(STREAMS)
            .max_pending_accept_reset_streams(RESETS)
            .max_local_error_reset_streams(REFUSALS)
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT);
        Self {
            shared,
            tls,
            builder,
        }
    }

    /// Serves a connection until its client leaves, it is idle, or the server closes.
    pub(super) async fn serve(&self, stream: TcpStream, mut closing: watch::Receiver<()>) {
        // Needed only if answers are sent in pieces.
        let _ = stream.set_nodelay(true);
        let Some(tls) = &self.tls else {
            return self.serve_on(stream, closing).await;
        };
        let agreed = tokio::select! {
            agreed = timeout(HANDSHAKE, tls.accept(stream)) => agreed,
            _ = closing.changed() => return,
        };
        // Clients without TLS or without a trusted certificate get an alert from the handshake.
        if let Ok(Ok(stream)) = agreed {
            self.serve_on(stream, closing).await;
        }
    }

    async fn serve_on<S>(&self, stream: S, mut closing: watch::Receiver<()>)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let activity = Arc::new(Activity::default());
        let service = service_fn(|request: Request<Incoming>| {
            let (shared, answering) = (self.shared.clone(), activity.begin(request.version()));
            async move {
                let answer = shared.answer(request).await;
                drop(answering);
                Ok::<_, Infallible>(answer)
            }
        });
        let stream = TokioIo::new(Counted {
            stream,
            activity: activity.clone(),
        });
        let mut connection = pin!(self.builder.serve_connection(stream, service));
        tokio::select! {
            // Errors here concern the client only.
            _ = connection.as_mut() => return,
            () = activity.idle_for(self.shared.settings.read_timeout) => {}
            _ = closing.changed() => {}
        }
        connection.as_mut().graceful_shutdown();
        tokio::select! {
            _ = connection => {}
            () = activity.idle_for(LEAVING) => {}
        }
    }
}
