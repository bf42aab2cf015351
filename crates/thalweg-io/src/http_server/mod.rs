//! An HTTP server whose requests are the elements of a pipeline.
//!
//! ```no_run
//! use thalweg::Stream;
//! use thalweg_io::prelude::*;
//!
//! // Each body an element: the sender is told when the pipeline has taken it.
//! Stream::from_http_server(8080).sink(|body| println!("{} bytes", body.len()));
//!
//! // Each request an element, each result its response.
//! let requests = Stream::from_http_requests(8081);
//! requests.map(|request| format!("hello, {}", request.text())).respond();
//! requests.start()?;
//! # Ok::<(), thalweg::Error>(())
//! ```
//!
//! A server speaks HTTP/1.1 and HTTP/2, in the clear and by [TLS](HttpServer::tls). In the clear a client of HTTP/2 has to
//! begin with it, without asking.
//!
//! Threads of this crate serve the network. Elements reach the pipeline in batches: one at once when there is little to
//! do, many when there is much. All limits are in real time, whatever the pipeline's clock.

mod activity;
mod call;
mod connection;
mod listen;
mod live;
#[cfg(test)]
mod protocol_tests;
mod reply;
mod respond;
mod service;
mod settings;
mod source;
#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::TlsAcceptor;

pub use self::call::HttpCall;
pub use self::live::HttpExchange;
use self::live::Live;
pub use self::reply::Reply;
pub use self::respond::{NoRequest, Respond};
pub use self::service::HttpService;
use self::service::Shared;
use self::settings::{Kind, Path, Settings};
pub use self::source::{FromHttpRequests, FromHttpServer, HttpExchanges};
use crate::listening::{Place, Taken};
use crate::tls::TlsError;
pub use crate::tls::TlsFiles;

/// Address and limits of a server.
///
/// [`Stream::from_http_server`](FromHttpServer::from_http_server) and
/// [`Stream::from_http_requests`](FromHttpRequests::from_http_requests) make streams of it. Clones are the same server.
///
/// ```
/// use std::time::Duration;
/// use thalweg_io::HttpServer;
///
/// let server = HttpServer::new(0).path("/readings").max_len(1024).time_limit(Duration::from_secs(5));
/// let address = server.listen()?;
/// assert!(address.ip().is_loopback());
/// # Ok::<(), thalweg_io::HttpServerError>(())
/// ```
#[derive(Clone, Debug)]
pub struct HttpServer {
    /// `None` for a part of another server.
    place: Option<Place>,
    pattern: String,
    settings: Settings,
    tls: Option<TlsFiles>,
    live: Arc<Live>,
}

/// Errors of a server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpServerError {
    /// It cannot listen there.
    #[error("cannot listen at {host}:{port}: {source}")]
    Bind {
        /// The host.
        host: String,
        /// The port.
        port: u16,
        /// The cause.
        source: io::Error,
    },
    /// The path is no valid regular expression.
    #[error("{pattern:?} is not a valid regular expression for paths: {reason}")]
    Path {
        /// The path.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The certificate or the key cannot be used.
    #[error("TLS: {path}: {problem}; give a certificate and its key in PEM", path = path.display())]
    Tls {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The system has no thread or descriptor left for the server.
    #[error("cannot start to serve over HTTP: {0}")]
    Start(io::Error),
}

impl HttpServer {
    /// Listens on a port of the loopback address, which other machines cannot reach; port 0 takes any free one.
    pub fn new(port: u16) -> Self {
        Self::at(Some(Place::here(port)))
    }

    /// Does not listen: its [`service`](Self::service) is part of another server.
    pub fn mounted() -> Self {
        Self::at(None)
    }

    fn at(place: Option<Place>) -> Self {
        Self {
            place,
            pattern: "/.*".to_owned(),
            settings: Settings::new(),
            tls: None,
            live: Live::new(),
        }
    }

    /// Host name or address to listen on, for other machines to connect; `0.0.0.0` stands for all addresses.
    #[must_use]
    pub fn host(mut self, host: impl Into<String>) -> Self {
        if let Some(place) = &mut self.place {
            place.host = host.into();
        }
        self
    }

    /// Speaks TLS, and nothing else, with the certificate and the key in these files, which are read when the source
    /// starts. Clients choose between HTTP/2 and HTTP/1.1. For [a part of another server](Self::mounted) it has no effect.
    ///
    /// ```no_run
    /// use thalweg_io::{HttpServer, http_server::TlsFiles};
    ///
    /// let server = HttpServer::new(8443).tls(TlsFiles::new("certificate.pem", "key.pem"));
    /// server.listen()?;
    /// # Ok::<(), thalweg_io::HttpServerError>(())
    /// ```
    #[must_use]
    pub fn tls(mut self, files: TlsFiles) -> Self {
        self.tls = Some(files);
        self
    }

    /// Regular expression that a path has to match as a whole; other paths are answered with 404. By default all paths
    /// match.
    #[must_use]
    pub fn path(mut self, pattern: impl Into<String>) -> Self {
        self.pattern = pattern.into();
        self
    }

    /// Limit of a body, in bytes: 16 MiB by default. A longer one is answered with 413.
    #[must_use]
    pub fn max_len(mut self, bytes: usize) -> Self {
        self.settings.max_len = bytes;
        self
    }

    /// Limit of a request's head, in bytes: 64 KiB by default, at least 8 KiB. A longer one is answered with 431. With
    /// HTTP/2 it is counted as sent in plain text, with 32 bytes more for each header.
    #[must_use]
    pub fn max_head(mut self, bytes: usize) -> Self {
        self.settings.max_head = bytes;
        self
    }

    /// Time limits of the head of a request, after the previous one, and of its body: 30 s each by default. Then the
    /// connection is closed, or the request answered with 408. A connection of HTTP/2 is closed when it has had no
    /// request for so long, or up to a quarter more, and an answer that nobody reads for so long is given up.
    #[must_use]
    pub fn read_timeout(mut self, limit: Duration) -> Self {
        self.settings.read_timeout = limit;
        self
    }

    /// Time limit of the pipeline for a request, which is then answered with 504: 60 s by default for requests, none
    /// for bodies.
    #[must_use]
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.settings.time_limit = Some(limit);
        self
    }

    /// Limit of open connections: 10,000 by default. Others wait to be accepted. One of HTTP/2 may have 100 requests at
    /// a time.
    #[must_use]
    pub fn max_connections(mut self, count: usize) -> Self {
        self.settings.max_connections = count.clamp(1, tokio::sync::Semaphore::MAX_PERMITS);
        self
    }

    /// Limit of requests in the pipeline: 1024 by default. Further ones are answered with 503 and `Retry-After`.
    #[must_use]
    pub fn max_in_flight(mut self, count: usize) -> Self {
        self.settings.max_in_flight = count;
        self
    }

    /// Sends the text of the pipeline's error as the body of a response with status 500. It may contain secrets.
    #[must_use]
    pub fn show_errors(mut self) -> Self {
        self.settings.shows_errors = true;
        self
    }

    /// Begins to listen before the source runs; returns the address. Clients that connect wait for the source.
    ///
    /// # Errors
    /// [`HttpServerError::Bind`], [`HttpServerError::Path`], [`HttpServerError::Tls`].
    ///
    /// # Panics
    /// The server is [a part of another one](Self::mounted).
    pub fn listen(&self) -> Result<SocketAddr, HttpServerError> {
        self.check()?;
        let place = self.place.as_ref();
        let place = place.expect("the server has a place of its own");
        let address = place.listen().map_err(|source| bind_error(place, source))?;
        self.live.set_address(address);
        Ok(address)
    }

    /// Closes the listeners, also those of a running source; returns whether no source has run since
    /// [`listen`](Self::listen). A running source finishes the open connections. [A part of another
    /// server](Self::mounted) refuses requests from now on.
    ///
    /// ```
    /// use thalweg_io::HttpServer;
    ///
    /// let server = HttpServer::new(0).host("127.0.0.1");
    /// let address = server.listen()?;
    /// assert!(std::net::TcpListener::bind(address).is_err());
    /// assert!(server.release());
    /// assert!(std::net::TcpListener::bind(address).is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn release(&self) -> bool {
        match &self.place {
            Some(place) => place.release(),
            None => {
                self.live.close();
                false
            }
        }
    }

    /// Accepts requests before the source runs: those that arrive through [`service`](Self::service) wait for the
    /// source, instead of being answered with 503. If the source is not going to run, [`release`](Self::release)
    /// refuses them.
    pub fn open(&self) {
        self.live.open();
    }

    /// Address it listens on; `None` before it listens.
    pub fn address(&self) -> Option<SocketAddr> {
        self.live.address()
    }

    /// Checks the path and the files of TLS before anything is served.
    ///
    /// ```
    /// use thalweg_io::HttpServer;
    ///
    /// assert!(HttpServer::new(0).path("/[0-9]+").check().is_ok());
    /// let error = HttpServer::new(0).path("(").check().unwrap_err();
    /// assert!(error.to_string().starts_with("\"(\" is not a valid regular expression for paths"));
    /// ```
    ///
    /// # Errors
    /// [`HttpServerError::Path`], [`HttpServerError::Tls`].
    pub fn check(&self) -> Result<(), HttpServerError> {
        self.to_settings()?;
        self.acceptor().map(drop)
    }

    fn acceptor(&self) -> Result<Option<TlsAcceptor>, HttpServerError> {
        let files = self.tls.as_ref();
        let made = files.map(|files| files.acceptor(&[b"h2", b"http/1.1"]));
        made.transpose().map_err(|error| match error {
            TlsError::File { path, problem } => HttpServerError::Tls { path, problem },
            TlsError::System(error) => HttpServerError::Start(io::Error::other(error)),
        })
    }

    /// The requests as a [tower](https://docs.rs/tower-service) service, as part of another server. For a pipeline that
    /// begins with [`from_http_requests`](FromHttpRequests::from_http_requests).
    ///
    /// ```
    /// use axum::Router;
    /// use thalweg::Stream;
    /// use thalweg_io::{HttpServer, prelude::*};
    ///
    /// let server = HttpServer::mounted();
    /// let app: Router = Router::new().route_service("/hello", server.service()?);
    /// let requests = Stream::from_http_requests(server);
    /// requests.map(|request| format!("hello, {}", request.text())).respond();
    /// # drop(app);
    /// # Ok::<(), thalweg_io::HttpServerError>(())
    /// ```
    ///
    /// # Errors
    /// [`HttpServerError::Path`].
    pub fn service(&self) -> Result<HttpService, HttpServerError> {
        Ok(HttpService(self.shared(Kind::Requests)?))
    }

    /// The same for a pipeline that begins with [`from_http_server`](FromHttpServer::from_http_server), which takes
    /// posted bodies only.
    ///
    /// ```
    /// use thalweg::Stream;
    /// use thalweg_io::{HttpServer, prelude::*};
    ///
    /// let server = HttpServer::mounted();
    /// let app: axum::Router = axum::Router::new().route_service("/readings", server.body_service()?);
    /// Stream::from_http_server(server).sink(|body| println!("{} bytes", body.len()));
    /// # drop(app);
    /// # Ok::<(), thalweg_io::HttpServerError>(())
    /// ```
    ///
    /// # Errors
    /// [`HttpServerError::Path`].
    pub fn body_service(&self) -> Result<HttpService, HttpServerError> {
        Ok(HttpService(self.shared(Kind::Bodies)?))
    }

    fn shared(&self, kind: Kind) -> Result<Arc<Shared>, HttpServerError> {
        Ok(Arc::new(Shared {
            settings: self.to_settings()?,
            live: self.live.clone(),
            kind,
        }))
    }

    fn to_settings(&self) -> Result<Settings, HttpServerError> {
        let path = Path::new(&self.pattern).map_err(|reason| HttpServerError::Path {
            pattern: self.pattern.clone(),
            reason,
        })?;
        Ok(Settings {
            path,
            ..self.settings.clone()
        })
    }

    fn name(&self) -> String {
        match &self.place {
            Some(place) => place.name(),
            None => "mounted".to_owned(),
        }
    }

    /// Listeners for the source; none for a part of another server.
    fn take_listeners(&self) -> Result<Option<Taken>, HttpServerError> {
        let Some(place) = &self.place else {
            return Ok(None);
        };
        self.listen()?;
        let taken = place.take().map_err(|source| bind_error(place, source))?;
        Ok(Some(taken))
    }
}

fn bind_error(place: &Place, source: io::Error) -> HttpServerError {
    HttpServerError::Bind {
        host: place.host.clone(),
        port: place.port,
        source,
    }
}

impl From<u16> for HttpServer {
    fn from(port: u16) -> Self {
        Self::new(port)
    }
}
