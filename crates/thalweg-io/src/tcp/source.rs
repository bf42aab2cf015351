//! Messages from connections as the source of a pipeline.

use std::collections::VecDeque;
use std::fmt;
use std::iter;

use thalweg::{Element, Emitter, Source, Stop, Stream};

use super::serving::serve;
use super::{TcpError, TcpServer};
use crate::background::Inbox;

/// Maximum reads, each of at most 64 KiB, that are buffered for the pipeline.
const CAPACITY: usize = 64;

/// Messages from connections, as a source: [`Stream::from_tcp`].
pub struct TcpSource<T> {
    server: TcpServer<T>,
    taken: VecDeque<T>,
}

impl<T> fmt::Debug for TcpSource<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpSource").finish_non_exhaustive()
    }
}

impl<T> TcpSource<T> {
    /// The next message, received and not emitted before the source was stopped.
    pub fn take_rest(&mut self) -> Option<T> {
        self.taken.pop_front()
    }
}

impl<T> From<TcpServer<T>> for TcpSource<T> {
    fn from(server: TcpServer<T>) -> Self {
        Self {
            server,
            taken: VecDeque::new(),
        }
    }
}

impl<T: Element> Source for TcpSource<T> {
    type Item = T;
    const KIND: &'static str = "from_tcp";

    fn label(&self) -> Option<String> {
        Some(self.server.place.name())
    }

    async fn run(&mut self, out: &Emitter<T>) -> Result<(), Stop> {
        let files = self.server.tls.as_ref();
        let tls = files.map(|files| files.acceptor(&[])).transpose();
        let tls = tls.map_err(TcpError::from)?;
        let listeners = self.server.place.take();
        let (listeners, _) = listeners.map_err(|error| self.server.bind_error(error))?;
        let server = self.server.clone();
        let mut inbox = Inbox::fill(CAPACITY, |outbox| serve(server, tls, listeners, outbox))
            .map_err(TcpError::Start)?;
        let ended = self.emit(&mut inbox, out).await;
        // The sender counts as delivered what has been read.
        for message in inbox.take_rest() {
            match message {
                Ok(together) => self.taken.extend(together),
                Err(error) => out.report(error),
            }
        }
        ended
    }
}

impl<T: Element> TcpSource<T> {
    async fn emit(
        &mut self,
        inbox: &mut Inbox<Vec<T>, TcpError>,
        out: &Emitter<T>,
    ) -> Result<(), Stop> {
        loop {
            let taken = &mut self.taken;
            out.emit_buffered(iter::from_fn(|| taken.pop_front()))
                .await?;
            match out.or_stop(inbox.next_batch()).await? {
                Ok(Some(batch)) => self.taken.extend(batch.into_iter().flatten()),
                Ok(None) => return Ok(()),
                Err(error) if error.is_temporary() => {
                    out.report(error);
                    out.yield_now().await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Ports as sources: [`Stream::from_tcp`](FromTcp::from_tcp).
pub trait FromTcp {
    /// Conversion of a message to an element.
    type Message: Element;

    /// Emits the messages that arrive at a port over any number of connections: lines of text, or as the [`TcpServer`]
    /// says.
    ///
    /// Messages of one connection stay in order. A message that is too long or not UTF-8, and an incomplete one at the
    /// end of a connection, are failures of the source's node, which continues. Back pressure reaches the clients.
    /// `stop` closes all connections; messages received by then are emitted when the source is started again.
    ///
    /// ```
    /// # use std::io::Write;
    /// use thalweg::Stream;
    /// use thalweg_io::{TcpServer, prelude::*};
    ///
    /// let server = TcpServer::new(0);
    /// let address = server.listen()?;
    /// let lines = Stream::from_tcp(server);
    /// let (sends, received) = std::sync::mpsc::channel();
    /// lines.sink(move |line: String| drop(sends.send(line)));
    /// lines.start()?;
    /// std::net::TcpStream::connect(address)?.write_all(b"one\ntwo\n")?;
    /// assert_eq!([received.recv()?, received.recv()?], ["one", "two"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn from_tcp(server: impl Into<TcpServer<Self::Message>>) -> Stream<Self::Message>;
}

impl<T: Element> FromTcp for Stream<T> {
    type Message = T;

    fn from_tcp(server: impl Into<TcpServer<T>>) -> Self {
        Stream::from_source(TcpSource::from(server.into()))
    }
}
