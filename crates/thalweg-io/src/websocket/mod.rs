//! Messages over WebSockets, as a server or as a client.
//!
//! ```no_run
//! use thalweg::Stream;
//! use thalweg_io::{WebSocketClient, WebSocketServer, prelude::*};
//!
//! // What a feed sends, shown to all who connect to a port.
//! let feed = WebSocketClient::new("wss://example.com/feed").subscribe(r#"{"op": "subscribe"}"#);
//! let messages = Stream::from_websocket(feed);
//! messages.to_websocket(WebSocketServer::new(9000));
//! messages.start()?;
//! # Ok::<(), thalweg::Error>(())
//! ```

mod client;
mod error;
mod following;
mod message;
mod origins;
mod serving;
mod showing;
mod sink;
mod socket;
mod source;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::time::Duration;

use tokio_rustls::TlsAcceptor;

pub use self::client::WebSocketClient;
pub use self::error::WebSocketError;
pub use self::message::WebSocketMessage;
use self::origins::Origins;
pub use self::sink::{ToWebSocket, WebSocketSink, WebSocketTarget};
use self::socket::Keeping;
pub use self::source::{FromWebSocket, WebSocketSource};
use crate::capacity::capacity;
use crate::listening::{Listener, Place};
use crate::tcp::TlsFiles;

/// Address of a server, and its limits.
///
/// ```
/// use thalweg_io::WebSocketServer;
///
/// let server = WebSocketServer::new(0).max_connections(100);
/// assert!(server.listen()?.ip().is_loopback());
/// # Ok::<(), thalweg_io::WebSocketError>(())
/// ```
#[derive(Clone, Debug)]
pub struct WebSocketServer {
    place: Place,
    keeping: Keeping,
    max_connections: usize,
    max_behind: usize,
    tls: Option<TlsFiles>,
    origins: Origins,
}

impl WebSocketServer {
    /// Listens on this port of the loopback address; port 0 takes any free port.
    pub fn new(port: u16) -> Self {
        Self {
            place: Place::here(port),
            keeping: Keeping::default(),
            max_connections: 10_000,
            max_behind: 1024,
            tls: None,
            origins: Origins::default(),
        }
    }

    /// Host name or address to listen on, for access from other machines: `0.0.0.0` is all addresses.
    #[must_use]
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.place.host = host.into();
        self
    }

    /// Maximum length of a received message, in bytes: 16 MiB by default. The connection of a client that sends a
    /// longer one is closed with a reason.
    #[must_use]
    pub fn max_len(mut self, bytes: usize) -> Self {
        self.keeping.max_len = bytes;
        self
    }

    /// Maximum number of connections: 10,000 by default; others wait to be accepted.
    #[must_use]
    pub fn max_connections(mut self, count: usize) -> Self {
        self.max_connections = count.max(1);
        self
    }

    /// Maximum number of a sink's messages that a client may be behind: 1024 by default. A slower client misses
    /// messages, and its connection is closed. At most 1,048,576.
    #[must_use]
    pub fn max_behind(mut self, messages: usize) -> Self {
        self.max_behind = capacity(messages);
        self
    }

    /// Allows pages of this origin to connect by their visitors' browsers: `https://example.com`, for example; `*` is
    /// any page, `null` a page without an origin. Others are refused with 403, except pages of the server's own host.
    /// Clients that are not browsers send no origin, and may always connect.
    ///
    /// ```
    /// use thalweg_io::WebSocketServer;
    ///
    /// let server = WebSocketServer::new(0).origin("https://example.com").origin("http://localhost:3000");
    /// assert!(server.check().is_ok());
    /// let error = WebSocketServer::new(0).origin("example.com/page").check().unwrap_err();
    /// assert!(error.to_string().starts_with("origin \"example.com/page\": it is a scheme and a host"));
    /// ```
    #[must_use]
    pub fn origin(mut self, origin: impl Into<String>) -> Self {
        self.origins.add(origin.into());
        self
    }

    /// Sends a ping to a client from which nothing was received for `interval`, and gives the connection up if nothing
    /// is received for `timeout` after that; 20 seconds each by default, in real time.
    #[must_use]
    pub fn ping(mut self, interval: Duration, timeout: Duration) -> Self {
        self.keeping.ping_interval = interval;
        self.keeping.ping_timeout = timeout;
        self
    }

    /// Accepts TLS only, with the certificate and the key in these files.
    #[must_use]
    pub fn tls(mut self, files: TlsFiles) -> Self {
        self.tls = Some(files);
        self
    }

    /// Starts to listen before the pipeline runs, and returns the address. Connections wait for the pipeline.
    ///
    /// # Errors
    /// [`WebSocketError::Bind`].
    pub fn listen(&self) -> Result<SocketAddr, WebSocketError> {
        self.place
            .listen()
            .map_err(|source| self.bind_error(source))
    }

    /// Releases the address taken by [`listen`](Self::listen); returns whether no pipeline has run since. A running one
    /// keeps its connections, and accepts no others.
    pub fn release(&self) -> bool {
        self.place.release()
    }

    /// Checks the origins and the TLS files, before anything is served.
    ///
    /// # Errors
    /// [`WebSocketError::Invalid`], [`WebSocketError::Tls`].
    pub fn check(&self) -> Result<(), WebSocketError> {
        self.origins.check()?;
        self.acceptor().map(drop)
    }

    fn name(&self) -> String {
        self.place.name()
    }

    fn acceptor(&self) -> Result<Option<TlsAcceptor>, WebSocketError> {
        let files = self.tls.as_ref();
        let made = files.map(|files| files.acceptor(&[])).transpose();
        Ok(made?)
    }

    /// State needed to serve.
    fn open(&self) -> Result<(Option<TlsAcceptor>, Vec<Listener>), WebSocketError> {
        self.origins.check()?;
        let tls = self.acceptor()?;
        let (listeners, _) = self
            .place
            .take()
            .map_err(|source| self.bind_error(source))?;
        Ok((tls, listeners))
    }

    fn bind_error(&self, source: std::io::Error) -> WebSocketError {
        WebSocketError::Bind {
            host: self.place.host.clone(),
            port: self.place.port,
            source,
        }
    }
}

impl From<u16> for WebSocketServer {
    fn from(port: u16) -> Self {
        Self::new(port)
    }
}
