//! Sending elements over a connection.

use std::fmt;
use std::io;
use std::time::Duration;

use thalweg::ops::{Batch, BatchSink, SinkBatches};
use thalweg::{BoxError, BuildError, Element, Sink, Stream};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::{PrefixWidth, TcpError};
use crate::background::spawn;
use crate::reply::reply;
use crate::retries::Retries;

/// Destination of a connection, and how elements are delimited on it.
///
/// ```
/// use std::time::Duration;
/// use thalweg_io::{TcpClient, tcp::PrefixWidth};
///
/// let client = TcpClient::new("localhost", 9000).length_prefixed(PrefixWidth::Four).retries(5);
/// # drop(client.wait(Duration::from_millis(100)));
/// ```
#[derive(Clone, Debug)]
pub struct TcpClient {
    host: String,
    port: u16,
    ending: Ending,
    connect_timeout: Duration,
    retries: Retries,
}

#[derive(Clone, Debug)]
enum Ending {
    Delimiter(Vec<u8>),
    Prefix(PrefixWidth),
}

impl TcpClient {
    /// Creates a client that sends each element as a line.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self {
            host: host.into(),
            port,
            ending: Ending::Delimiter(b"\n".to_vec()),
            connect_timeout: Duration::from_secs(10),
            retries: Retries::default(),
        }
    }

    /// Ends each element with this delimiter instead of `\n`. An element that contains it will be read as two.
    #[must_use]
    pub fn delimiter(mut self, delimiter: impl AsRef<[u8]>) -> Self {
        self.ending = Ending::Delimiter(delimiter.as_ref().to_vec());
        self
    }

    /// Prefixes each element with its length in bytes, a big-endian number of this width.
    #[must_use]
    pub fn length_prefixed(mut self, width: PrefixWidth) -> Self {
        self.ending = Ending::Prefix(width);
        self
    }

    /// Timeout of connecting, in real time: 10 seconds by default.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Number of retries when the server cannot be reached: 10 by default.
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

    fn encode(&self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), TcpError> {
        match &self.ending {
            Ending::Delimiter(delimiter) => {
                out.extend_from_slice(bytes);
                out.extend_from_slice(delimiter);
            }
            Ending::Prefix(width) => {
                let prefix = width.prefix(bytes.len());
                let prefix = prefix.ok_or_else(|| TcpError::TooLong {
                    host: self.host.clone(),
                    port: self.port,
                    len: bytes.len(),
                    width: width.bytes(),
                })?;
                out.extend_from_slice(&prefix);
                out.extend_from_slice(bytes);
            }
        }
        Ok(())
    }

    /// Passes bytes to the system, over the existing connection or a new one.
    async fn send(&self, open: Option<TcpStream>, bytes: &[u8]) -> Result<TcpStream, TcpError> {
        let mut open = open.filter(is_open);
        let mut pause = self.retries.first_pause;
        let (mut attempts, mut outage) = (0, self.retries.outage());
        loop {
            let is_new = open.is_none();
            let tried = async {
                let mut stream = match open.take() {
                    Some(stream) => stream,
                    None => self.connect().await?,
                };
                stream.write_all(bytes).await?;
                Ok(stream)
            };
            let error: io::Error = match tried.await {
                Ok(stream) => return Ok(stream),
                Err(error) => error,
            };
            attempts += 1;
            if attempts > self.retries.count {
                return Err(TcpError::Connect {
                    host: self.host.clone(),
                    port: self.port,
                    attempts,
                    source: error,
                });
            }
            outage.report(is_new, format_args!("{}:{}", self.host, self.port), &error);
            sleep(pause).await;
            pause = self.retries.next_pause(pause);
        }
    }

    async fn connect(&self) -> io::Result<TcpStream> {
        let connecting = TcpStream::connect((&*self.host, self.port));
        let stream = timeout(self.connect_timeout, connecting)
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        // Combined into one write.
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

/// Whether the connection is open, as far as this end knows.
fn is_open(stream: &TcpStream) -> bool {
    let mut answer = [0; 512];
    loop {
        match stream.try_read(&mut answer) {
            Ok(0) => return false,
            // Nothing is expected from the other end.
            Ok(_) => {}
            Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
        }
    }
}

/// Sink that sends elements over a connection, created by [`ToTcp::to_tcp`].
pub struct TcpSink<T> {
    client: TcpClient,
    to_bytes: ToBytes<T>,
    open: Option<TcpStream>,
}

impl<T> fmt::Debug for TcpSink<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpSink")
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}

/// Appends an element's bytes to those of others.
type ToBytes<T> = Box<dyn FnMut(&T, &mut Vec<u8>) -> Result<(), BoxError> + Send>;

impl<T> TcpSink<T> {
    /// Creates a sink for elements whose bytes `to_bytes` appends to those of others.
    pub fn new(
        client: TcpClient,
        to_bytes: impl FnMut(&T, &mut Vec<u8>) -> Result<(), BoxError> + Send + 'static,
    ) -> Self {
        Self {
            client,
            to_bytes: Box::new(to_bytes),
            open: None,
        }
    }
}

impl<T: Element + Sync> BatchSink<T> for TcpSink<T> {
    type Error = TcpError;
    const KIND: &'static str = "to_tcp";

    async fn write(&mut self, batch: Batch<T>) -> Result<(), TcpError> {
        let (mut bytes, mut message) = (Vec::new(), Vec::new());
        for element in &*batch {
            message.clear();
            let made = (self.to_bytes)(element, &mut message);
            made.map_err(|problem| TcpError::Element {
                host: self.client.host.clone(),
                port: self.client.port,
                problem,
            })?;
            self.client.encode(&message, &mut bytes)?;
        }
        drop(batch);
        let (client, open) = (self.client.clone(), self.open.take());
        let (replier, sent) = reply();
        let _sending = spawn(async move { replier.put(client.send(open, &bytes).await) })
            .map_err(TcpError::Start)?;
        let sent = sent
            .await
            .unwrap_or_else(|| Err(TcpError::Start(io::Error::other("its threads have ended"))));
        self.open = Some(sent?);
        Ok(())
    }

    fn blames_element(&self, error: &TcpError) -> bool {
        matches!(error, TcpError::TooLong { .. } | TcpError::Element { .. })
    }

    fn label(&self) -> Option<String> {
        Some(format!("{}:{}", self.client.host, self.client.port))
    }

    fn close(&mut self) -> Result<(), BoxError> {
        self.open = None;
        Ok(())
    }
}

/// Connections as sinks: [`Stream::to_tcp`](ToTcp::to_tcp).
pub trait ToTcp<T> {
    /// Sends elements to a port, each as a line or as the [`TcpClient`] says, grouping those that arrive meanwhile.
    ///
    /// An element is acknowledged when the system has taken it; only the other end could confirm its arrival. If a
    /// connection breaks, acknowledged elements may be lost; others are sent again over a new connection. If the server
    /// stays unreachable after the retries, that is a failure of the node, see [`Stream::sink_to`].
    ///
    /// ```
    /// # use std::io::{BufRead, BufReader};
    /// use thalweg::Stream;
    /// use thalweg_io::{TcpClient, prelude::*};
    ///
    /// let server = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let port = server.local_addr()?.port();
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    /// # let _guard = runtime.enter();
    /// # runtime.block_on(async {
    /// let words = Stream::new();
    /// words.to_tcp(TcpClient::new("127.0.0.1", port));
    /// words.emit_many(["river", "bed"]).await?;
    /// words.drain("10s").await?;
    /// # Ok::<(), thalweg::Error>(())
    /// # })?;
    /// let lines: Vec<String> = BufReader::new(server.accept()?.0).lines().collect::<Result<_, _>>()?;
    /// assert_eq!(lines, ["river", "bed"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn to_tcp(&self, client: TcpClient) -> Sink;
}

impl<T: Element + Sync + AsRef<[u8]>> ToTcp<T> for Stream<T> {
    fn to_tcp(&self, client: TcpClient) -> Sink {
        let is_cut =
            !matches!(&client.ending, Ending::Delimiter(delimiter) if delimiter.is_empty());
        let sink = TcpSink::new(client, |x: &T, bytes| {
            bytes.extend_from_slice(x.as_ref());
            Ok(())
        });
        let sink = self.apply(SinkBatches::new(sink));
        if !is_cut {
            sink.build_error(BuildError::new("to_tcp", "the delimiter is empty"));
        }
        Sink::from(sink)
    }
}
