//! Elements over TCP: lines or length-prefixed messages.
//!
//! ```no_run
//! use thalweg::Stream;
//! use thalweg_io::{TcpClient, TcpServer, prelude::*};
//!
//! // What others send to a port, line by line, and passed on to another one.
//! let lines = Stream::from_tcp(TcpServer::new(9000));
//! lines.map(|line| line.to_uppercase()).to_tcp(TcpClient::new("localhost", 9001));
//! lines.start()?;
//! # Ok::<(), thalweg::Error>(())
//! ```

mod client;
mod error;
mod framing;
mod serving;
mod source;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::time::Duration;

pub use self::client::{TcpClient, TcpSink, ToTcp};
pub use self::error::TcpError;
use self::framing::Framing;
pub use self::source::{FromTcp, TcpSource};
use crate::Lines;
pub use crate::framing::PrefixWidth;
use crate::lines::DEFAULT_MAX_LEN;
use crate::listening::Place;
pub use crate::tls::TlsFiles;

/// Default for the maximum number of connections.
const MAX_CONNECTIONS: usize = 10_000;

/// Address of a server, its message format, and its limits.
///
/// ```
/// use thalweg_io::TcpServer;
///
/// let server = TcpServer::new(0).max_connections(100);
/// assert!(server.listen()?.ip().is_loopback());
/// # Ok::<(), thalweg_io::TcpError>(())
/// ```
#[derive(Clone, Debug)]
pub struct TcpServer<T = String> {
    place: Place,
    framing: Framing<T>,
    max_connections: usize,
    idle_timeout: Option<Duration>,
    tls: Option<TlsFiles>,
}

impl TcpServer<String> {
    /// Listens on this port of the loopback address, for lines of text; port 0 takes any free port.
    pub fn new(port: u16) -> Self {
        Self {
            place: Place::here(port),
            framing: Framing::Lines(Lines::text()),
            max_connections: MAX_CONNECTIONS,
            idle_timeout: None,
            tls: None,
        }
    }
}

impl<T> TcpServer<T> {
    /// Host name or address to listen on, for access from other machines: `0.0.0.0` is all addresses.
    #[must_use]
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.place.host = host.into();
        self
    }

    /// Other lines: bytes, another delimiter, or a larger limit.
    #[must_use]
    pub fn lines<U>(self, lines: Lines<U>) -> TcpServer<U> {
        self.framed(Framing::Lines(lines))
    }

    /// Length-prefixed messages of at most 16 MiB; the prefix is a big-endian number of this width.
    #[must_use]
    pub fn length_prefixed(self, width: PrefixWidth) -> TcpServer<Vec<u8>> {
        self.framed(Framing::Prefixed {
            width,
            max_len: DEFAULT_MAX_LEN,
            make: <[u8]>::to_vec,
        })
    }

    fn framed<U>(self, framing: Framing<U>) -> TcpServer<U> {
        TcpServer {
            place: self.place,
            framing,
            max_connections: self.max_connections,
            idle_timeout: self.idle_timeout,
            tls: self.tls,
        }
    }

    /// Maximum length of a message, in bytes: 16 MiB by default. A longer message is a failure of the source's node,
    /// and the next ones are read.
    #[must_use]
    pub fn max_len(mut self, bytes: usize) -> Self {
        self.framing.set_max_len(bytes);
        self
    }

    /// Maximum number of connections: 10,000 by default; others wait to be accepted.
    #[must_use]
    pub fn max_connections(mut self, count: usize) -> Self {
        self.max_connections = count;
        self
    }

    /// Closes connections without data for this time, in real time. By default idle connections stay open.
    #[must_use]
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = Some(timeout);
        self
    }

    /// Accepts TLS only, with the certificate and the key in these files.
    #[must_use]
    pub fn tls(mut self, files: TlsFiles) -> Self {
        self.tls = Some(files);
        self
    }

    /// Starts to listen before the source runs, and returns the address. Connections wait for the source.
    ///
    /// # Errors
    /// [`TcpError::Bind`].
    pub fn listen(&self) -> Result<SocketAddr, TcpError> {
        self.place.listen().map_err(|error| self.bind_error(error))
    }

    /// Releases the address taken by [`listen`](Self::listen); returns whether no source has run since. A running
    /// source keeps its connections, and accepts no others.
    ///
    /// ```
    /// use thalweg_io::TcpServer;
    ///
    /// let server = TcpServer::new(0);
    /// server.listen()?;
    /// assert!(server.release());
    /// assert!(!server.release());
    /// # Ok::<(), thalweg_io::TcpError>(())
    /// ```
    pub fn release(&self) -> bool {
        self.place.release()
    }

    /// Checks the TLS files and the delimiter, before anything is served.
    ///
    /// # Errors
    /// [`TcpError::Tls`], [`TcpError::Framing`].
    pub fn check(&self) -> Result<(), TcpError> {
        self.framing.cutter().map_err(TcpError::Framing)?;
        match &self.tls {
            Some(files) => Ok(files.acceptor(&[]).map(drop)?),
            None => Ok(()),
        }
    }

    fn bind_error(&self, source: std::io::Error) -> TcpError {
        TcpError::Bind {
            host: self.place.host.clone(),
            port: self.place.port,
            source,
        }
    }
}

impl From<u16> for TcpServer {
    fn from(port: u16) -> Self {
        Self::new(port)
    }
}
