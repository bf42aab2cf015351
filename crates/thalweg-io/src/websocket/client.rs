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
use crate::tls::ClientFiles;

/// The longest pause before a server is tried again, unless it is to be longer.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// A server, by its URL, and how to speak to it.
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
    pub(super) retries: u32,
    pub(super) wait: Duration,
    pub(super) keeping: Keeping,
    pub(super) first: Vec<WebSocketMessage>,
    pub(super) reconnects: bool,
    pub(super) confirms: bool,
}

impl WebSocketClient {
    /// The server of a URL, `ws://…` or `wss://…` for TLS.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            headers: Vec::new(),
            authorities: None,
            connect_timeout: Duration::from_secs(10),
            retries: 10,
            wait: Duration::from_millis(100),
            keeping: Keeping::default(),
            first: Vec::new(),
            reconnects: true,
            confirms: true,
        }
    }

    /// A header of the request, which is shown nowhere.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Trusts servers with a certificate that one of these vouches for, in a file in PEM, instead of those that the
    /// system trusts.
    #[must_use]
    pub fn authorities(mut self, path: impl Into<PathBuf>) -> Self {
        self.authorities = Some(path.into());
        self
    }

    /// How long to wait for a connection, 10 seconds by default, in real time.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How often a server that cannot be reached is tried again by a sink, 10 times by default. A source does not give
    /// up.
    #[must_use]
    pub fn retries(mut self, count: u32) -> Self {
        self.retries = count;
        self
    }

    /// The first pause before that, 100 ms by default; each is twice the one before, and 30 seconds at most.
    #[must_use]
    pub fn wait(mut self, pause: Duration) -> Self {
        self.wait = pause;
        self
    }

    /// The longest message that is taken, in bytes, 16 MiB by default.
    #[must_use]
    pub fn max_len(mut self, bytes: usize) -> Self {
        self.keeping.max_len = bytes;
        self
    }

    /// When nothing has come for `interval`, the server is asked whether it is there, and given up if nothing comes for
    /// `timeout` then; 20 seconds each by default, in real time. `timeout` is also how long a sink waits for the server
    /// to read.
    #[must_use]
    pub fn ping(mut self, interval: Duration, timeout: Duration) -> Self {
        self.keeping.ping_interval = interval;
        self.keeping.ping_timeout = timeout;
        self
    }

    /// Sends a message whenever a connection has been made, to subscribe to something say.
    #[must_use]
    pub fn subscribe(mut self, message: impl Into<WebSocketMessage>) -> Self {
        self.first.push(message.into());
        self
    }

    /// Whether a source connects again when the server has closed the connection, as it does by default; otherwise it
    /// ends.
    #[must_use]
    pub fn reconnect(mut self, reconnect: bool) -> Self {
        self.reconnects = reconnect;
        self
    }

    /// Whether a sink waits for the server to have read what it has sent, as it does by default: it asks with a ping,
    /// which every server answers.
    #[must_use]
    pub fn confirm(mut self, confirm: bool) -> Self {
        self.confirms = confirm;
        self
    }

    /// Whether everything is right, before anybody is asked.
    ///
    /// # Errors
    /// [`WebSocketError::Invalid`], [`WebSocketError::Tls`].
    pub fn check(&self) -> Result<(), WebSocketError> {
        let request = self.request()?;
        self.tls(request.uri()).map(drop)
    }

    /// The URL, without what may be secret.
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
            let wrong = || self.invalid(format!("{name:?} is no header, or its value is none"));
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

    /// Makes a connection, and sends what is to be sent first.
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
        // What goes together is written together.
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

    /// Waits before the next attempt, when so many have failed in a row.
    pub(super) async fn pause(&self, failures: u32) {
        let grown = self
            .wait
            .saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1).min(31)));
        sleep(grown.min(MAX_WAIT.max(self.wait))).await;
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
