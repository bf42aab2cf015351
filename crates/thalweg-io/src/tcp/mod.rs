//! Elements over TCP: lines, or messages behind their lengths.
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

/// The most connections at a time.
const MAX_CONNECTIONS: usize = 10_000;

/// Where a server listens, how what it receives is cut into elements, and its limits.
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
    /// Listens at this port of this machine, which others cannot reach, for lines of text; port 0 is any that is free.
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
    /// The host name or address to listen at, for others to reach it: `0.0.0.0` is all that there are.
    #[must_use]
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.place.host = host.into();
        self
    }

    /// Other lines: of bytes, with another delimiter, or longer ones.
    #[must_use]
    pub fn lines<U>(self, lines: Lines<U>) -> TcpServer<U> {
        self.framed(Framing::Lines(lines))
    }

    /// Messages of at most 16 MiB, each behind its length in bytes, a number of this width with the highest byte first.
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

    /// The longest message, in bytes, 16 MiB by default. A longer one is a failure of the source's node, and those
    /// behind it are read.
    #[must_use]
    pub fn max_len(mut self, bytes: usize) -> Self {
        self.framing.set_max_len(bytes);
        self
    }

    /// The most connections at a time, 10,000 by default; others wait to be accepted.
    #[must_use]
    pub fn max_connections(mut self, count: usize) -> Self {
        self.max_connections = count;
        self
    }

    /// Closes connections on which nothing has come for so long, in real time. Without, one may be silent for ever.
    #[must_use]
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = Some(timeout);
        self
    }

    /// Speaks TLS, and nothing else, with the certificate and the key in these files.
    #[must_use]
    pub fn tls(mut self, files: TlsFiles) -> Self {
        self.tls = Some(files);
        self
    }

    /// Begins to listen, which the source would do when it runs; returns the address. What connects waits for the
    /// source.
    ///
    /// # Errors
    /// [`TcpError::Bind`].
    pub fn listen(&self) -> Result<SocketAddr, TcpError> {
        self.place.listen().map_err(|error| self.bind_error(error))
    }

    /// Gives the address back that [`listen`](Self::listen) took; returns whether no source has run since. One that
    /// runs goes on with the connections that there are, and nobody else can connect.
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

    /// Checks the files of TLS and the delimiter, before anything is served.
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
