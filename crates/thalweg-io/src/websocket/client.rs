//! Connections to servers.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::client_async_with_config;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue, Uri};

use super::error::Refused;
use super::socket::{Duplex, Keeping, Socket};
use super::{WebSocketError, WebSocketMessage};
use crate::retries::Retries;
use crate::tls::ClientFiles;

/// URL of a server, and the options of the connection.
///
/// ```
/// use std::time::Duration;
/// use thalweg_io::WebSocketClient;
///
/// let client = WebSocketClient::new("ws://localhost:9000/feed?token=secret").header("X-Key", "secret");
/// assert!(client.check().is_ok());
/// assert!(!format!("{client:?}").contains("secret"));
/// let error = WebSocketClient::new("http://localhost").check().unwrap_err();
/// assert_eq!(error.to_string(), "http://localhost/: a WebSocket's URL begins with `ws://` or `wss://`");
/// ```
#[derive(Clone)]
pub struct WebSocketClient {
    url: String,
    headers: Vec<(String, String)>,
    authorities: Option<PathBuf>,
    connect_timeout: Duration,
    pub(super) retries: Retries,
    pub(super) keeping: Keeping,
    pub(super) first: Vec<WebSocketMessage>,
    pub(super) reconnects: bool,
    pub(super) confirms: bool,
}

impl WebSocketClient {
    /// Creates a client for a URL, `ws://…`, or `wss://…` for TLS.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            headers: Vec::new(),
            authorities: None,
            connect_timeout: Duration::from_secs(10),
            retries: Retries::default(),
            keeping: Keeping::default(),
            first: Vec::new(),
            reconnects: true,
            confirms: true,
        }
    }

    /// Adds a header to the request; its value is never shown.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Verifies the server's certificate against a PEM file instead of the system's certificates.
    #[must_use]
    pub fn authorities(mut self, path: impl Into<PathBuf>) -> Self {
        self.authorities = Some(path.into());
        self
    }

    /// Timeout of connecting, in real time: 10 seconds by default.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Number of a sink's retries when the server cannot be reached: 10 by default. A source retries for ever.
    #[must_use]
    pub fn retries(mut self, count: u32) -> Self {
        self.retries.count = count;
        self
    }

    /// Pause before the first retry: 100 ms by default. It doubles each time, up to 30 seconds.
    #[must_use]
    pub fn wait(mut self, pause: Duration) -> Self {
        self.retries.first_pause = pause;
        self
    }

    /// Maximum length of a received message, in bytes: 16 MiB by default.
    #[must_use]
    pub fn max_len(mut self, bytes: usize) -> Self {
        self.keeping.max_len = bytes;
        self
    }

    /// Sends a ping when nothing was received for `interval`, and gives the connection up if nothing is received for
    /// `timeout` after that; 20 seconds each by default, in real time. `timeout` is also how long a sink waits for the
    /// server to read.
    #[must_use]
    pub fn ping(mut self, interval: Duration, timeout: Duration) -> Self {
        self.keeping.ping_interval = interval;
        self.keeping.ping_timeout = timeout;
        self
    }

    /// Sends a message after every connect, for example to subscribe.
    #[must_use]
    pub fn subscribe(mut self, message: impl Into<WebSocketMessage>) -> Self {
        self.first.push(message.into());
        self
    }

    /// Whether a source reconnects when the server has closed the connection: true by default; otherwise the source
    /// ends.
    #[must_use]
    pub fn reconnect(mut self, reconnect: bool) -> Self {
        self.reconnects = reconnect;
        self
    }

    /// Whether a sink waits until the server has read its messages: true by default. It sends a ping after them, which
    /// every server answers.
    #[must_use]
    pub fn confirm(mut self, confirm: bool) -> Self {
        self.confirms = confirm;
        self
    }

    /// Checks the settings, without connecting.
    ///
    /// # Errors
    /// [`WebSocketError::Invalid`], [`WebSocketError::Tls`].
    pub fn check(&self) -> Result<(), WebSocketError> {
        let request = self.request()?;
        self.tls(request.uri()).map(drop)
    }

    /// The URL without secrets.
    pub fn shown(&self) -> String {
        match self.url.parse::<Uri>() {
            Ok(uri) => {
                let host = uri.host().unwrap_or_default();
                let port = uri.port_u16().map(|port| format!(":{port}"));
                let scheme = uri.scheme_str().unwrap_or("ws");
                format!(
                    "{scheme}://{host}{}{}",
                    port.unwrap_or_default(),
                    uri.path()
                )
            }
            Err(_) => "this URL".to_string(),
        }
    }

    fn request(&self) -> Result<Request, WebSocketError> {
        let uri: Uri = self
            .url
            .parse()
            .map_err(|error| self.invalid(format!("{error}")))?;
        if !matches!(uri.scheme_str(), Some("ws" | "wss")) {
            return Err(self.invalid("a WebSocket's URL begins with `ws://` or `wss://`"));
        }
        if uri
            .authority()
            .is_some_and(|authority| authority.as_str().contains('@'))
        {
            return Err(
                self.invalid("give user and password in a header `Authorization`, not in the URL")
            );
        }
        if uri.host().is_none_or(str::is_empty) {
            return Err(self.invalid("the URL names no host"));
        }
        let request = uri.into_client_request();
        let mut request = request.map_err(|error| self.invalid(error.to_string()))?;
        for (name, value) in &self.headers {
            let wrong = || {
                self.invalid(format!(
                    "{name:?} is not a valid header, or its value is not"
                ))
            };
            let key: HeaderName = name.parse().map_err(|_| wrong())?;
            let value: HeaderValue = value.parse().map_err(|_| wrong())?;
            request.headers_mut().insert(key, value);
        }
        Ok(request)
    }

    fn invalid(&self, problem: impl Into<String>) -> WebSocketError {
        WebSocketError::Invalid {
            url: self.shown(),
            problem: problem.into(),
        }
    }

    fn tls(&self, uri: &Uri) -> Result<Option<TlsConnector>, WebSocketError> {
        if uri.scheme_str() != Some("wss") {
            return Ok(None);
        }
        let files = ClientFiles {
            authorities: self.authorities.clone(),
            identity: None,
        };
        Ok(Some(files.connector()?))
    }

    /// Connects, and sends the initial messages.
    pub(super) async fn connect(&self) -> Result<Socket, Refused> {
        let late = || io::Error::from(io::ErrorKind::TimedOut);
        let connected = timeout(self.connect_timeout, self.open()).await;
        let mut socket = connected.unwrap_or_else(|_| Err(late().into()))?;
        if !self.first.is_empty() {
            let sent = socket.send_all(&self.first, false).await;
            sent.map_err(|ended| Refused::from(io::Error::other(format!("{ended:?}"))))?;
        }
        Ok(socket)
    }

    async fn open(&self) -> Result<Socket, Refused> {
        let wrong = |error: WebSocketError| Refused {
            source: error.into(),
            is_for_good: true,
        };
        let request = self.request().map_err(wrong)?;
        let tls = self.tls(request.uri()).map_err(wrong)?;
        let host = request.uri().host().unwrap_or_default();
        let host = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_string();
        let standard = if tls.is_some() { 443 } else { 80 };
        let port = request.uri().port_u16().unwrap_or(standard);
        let stream = TcpStream::connect((&*host, port)).await?;
        // Combined into one write.
        stream.set_nodelay(true)?;
        let stream: Box<dyn Duplex> = match tls {
            None => Box::new(stream),
            Some(tls) => {
                let name = ServerName::try_from(host);
                let name = name.map_err(|error| wrong(self.invalid(error.to_string())))?;
                Box::new(tls.connect(name, stream).await?)
            }
        };
        let config = Some(self.keeping.config());
        let (stream, _) = client_async_with_config(request, stream, config).await?;
        Ok(Socket::new(stream, self.keeping))
    }

    /// Waits before the next attempt, after this many failures in a row.
    pub(super) async fn pause(&self, failures: u32) {
        sleep(self.retries.pause(failures.saturating_sub(1))).await;
    }
}

impl fmt::Debug for WebSocketClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketClient")
            .field("url", &self.shown())
            .field("keeping", &self.keeping)
            .finish_non_exhaustive()
    }
}

impl<U: Into<String>> From<U> for WebSocketClient {
    fn from(url: U) -> Self {
        Self::new(url)
    }
}
