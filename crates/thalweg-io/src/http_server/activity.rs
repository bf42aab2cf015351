//! Activity of a connection, to recognize an idle one.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, sleep};

/// Maximum size in bytes of an HTTP/2 frame that only keeps a connection alive, a ping.
const PING: usize = 17;

/// Activity of a connection.
#[derive(Debug, Default)]
pub(super) struct Activity {
    /// Number of requests being answered.
    answering: AtomicUsize,
    /// Number of events so far.
    events: AtomicUsize,
    /// Whether it is HTTP/1, which has its own time limits.
    is_http1: AtomicBool,
}

/// A request being answered.
pub(super) struct Answering(Arc<Activity>);

impl Activity {
    /// A request has arrived.
    pub(super) fn begin(self: &Arc<Self>, version: http::Version) -> Answering {
        let is_http1 = version < http::Version::HTTP_2;
        self.is_http1.store(is_http1, Ordering::Relaxed);
        self.answering.fetch_add(1, Ordering::Relaxed);
        self.count();
        Answering(self.clone())
    }

    fn count(&self) {
        self.events.fetch_add(1, Ordering::Relaxed);
    }

    /// Waits until nothing has happened for this time, or up to a quarter longer. With HTTP/1, it waits for ever.
    pub(super) async fn idle_for(&self, limit: Duration) {
        let (mut seen, mut since) = (self.events.load(Ordering::Relaxed), Instant::now());
        loop {
            sleep(limit / 4).await;
            if self.is_http1.load(Ordering::Relaxed) {
                return std::future::pending().await;
            }
            let now = self.events.load(Ordering::Relaxed);
            if now != seen || self.answering.load(Ordering::Relaxed) > 0 {
                (seen, since) = (now, Instant::now());
            } else if since.elapsed() >= limit {
                return;
            }
        }
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.count();
        self.0.answering.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection whose outgoing bytes count as activity. A client that only sends does not keep it alive.
pub(super) struct Counted<S> {
    pub(super) stream: S,
    pub(super) activity: Arc<Activity>,
}

impl<S> Counted<S> {
    fn wrote(&self, written: io::Result<usize>) -> io::Result<usize> {
        if written.as_ref().is_ok_and(|len| *len > PING) {
            self.activity.count();
        }
        written
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes));
        Poll::Ready(self.wrote(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, slices));
        Poll::Ready(self.wrote(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
