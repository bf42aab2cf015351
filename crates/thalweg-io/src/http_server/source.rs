//! A server's requests as the source of a pipeline.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use thalweg::{Ack, Begun, Element, Emitter, Error, Source, Stop, Stream};

use super::listen::Serving;
use super::live::{HttpExchange, Live};
use super::service::Shared;
use super::settings::Kind;
use super::{HttpServer, HttpServerError, Reply};
use crate::HttpRequest;
use crate::background::spawn;

/// Maximum number of requests started before other tasks of the event loop get a turn.
const BATCH: usize = 256;

/// A server's requests, each with its reply channel, for answers by other means than
/// [`respond`](super::Respond::respond).
///
/// ```no_run
/// use thalweg::Stream;
/// use thalweg_io::http_server::{HttpExchange, HttpExchanges, HttpServer};
///
/// let exchanges = Stream::from_source(HttpExchanges::requests(HttpServer::new(8080)));
/// exchanges.sink(|HttpExchange { request, reply }| drop(reply.respond(request.body)));
/// ```
pub struct HttpExchanges(Accepting);

impl fmt::Debug for HttpExchanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpExchanges").finish_non_exhaustive()
    }
}

impl HttpExchanges {
    /// Requests of any method, with a time limit of a minute unless the server sets one.
    pub fn requests(server: HttpServer) -> Self {
        Self(Accepting::new(server, Kind::Requests))
    }

    /// Posted bodies, without a time limit unless the server sets one.
    pub fn bodies(server: HttpServer) -> Self {
        Self(Accepting::new(server, Kind::Bodies))
    }
}

impl Source for HttpExchanges {
    type Item = HttpExchange;
    const KIND: &'static str = "from_http_server";

    fn label(&self) -> Option<String> {
        self.0.label()
    }

    async fn run(&mut self, out: &Emitter<HttpExchange>) -> Result<(), Stop> {
        let open = self.0.open()?;
        loop {
            for exchange in open.next_batch(out).await? {
                out.emit(exchange).await?;
            }
        }
    }
}

/// Bodies as elements.
struct Bodies(Accepting);

impl Source for Bodies {
    type Item = Bytes;
    const KIND: &'static str = "from_http_server";

    fn label(&self) -> Option<String> {
        self.0.label()
    }

    async fn run(&mut self, out: &Emitter<Bytes>) -> Result<(), Stop> {
        let open = self.0.open()?;
        loop {
            for HttpExchange { request, reply } in open.next_batch(out).await? {
                let trace = request.trace().map(Ack::of_trace);
                follow(out.begin(request.body, trace), reply, Reply::accepted);
            }
            out.yield_now().await?;
        }
    }
}

/// Requests as elements, which carry their reply channel.
struct Requests(Accepting);

impl Source for Requests {
    type Item = HttpRequest;
    const KIND: &'static str = "from_http_requests";

    fn label(&self) -> Option<String> {
        self.0.label()
    }

    async fn run(&mut self, out: &Emitter<HttpRequest>) -> Result<(), Stop> {
        let open = self.0.open()?;
        loop {
            for HttpExchange { request, reply } in open.next_batch(out).await? {
                let ack: Ack = reply.ack();
                let ack = match request.trace() {
                    Some(trace) => ack.in_trace(trace),
                    None => ack,
                };
                follow(out.begin(request, Some(ack)), reply, Reply::emitted);
            }
            out.yield_now().await?;
        }
    }
}

/// Notifies the request when the pipeline has accepted its element.
fn follow<T: Element>(
    mut begun: Begun<T>,
    reply: Reply,
    tell: impl FnOnce(&Reply, &Result<(), Error>) + Send + 'static,
) {
    let polled = Pin::new(&mut begun).poll(&mut Context::from_waker(Waker::noop()));
    if let Poll::Ready(result) = polled {
        return tell(&reply, &result);
    }
    let waiting = spawn(async move {
        let result = begun.await;
        tell(&reply, &result);
    });
    if let Ok(waiting) = waiting {
        waiting.detach();
    }
}

/// State needed to receive requests.
struct Accepting {
    server: HttpServer,
    kind: Kind,
}

impl Accepting {
    fn new(server: HttpServer, kind: Kind) -> Self {
        Self { server, kind }
    }

    fn label(&self) -> Option<String> {
        Some(self.server.name())
    }

    /// Starts to listen and to accept requests.
    fn open(&mut self) -> Result<Open, HttpServerError> {
        let shared = self.server.shared(self.kind)?;
        let tls = self.server.acceptor()?;
        let listeners = self.server.take_listeners()?;
        // Before the first connection is accepted.
        shared.live.open();
        let mut open = Open {
            shared: shared.clone(),
            serving: None,
        };
        let serving = Serving::start(shared, tls, listeners).map_err(HttpServerError::Start)?;
        open.serving = Some(serving);
        Ok(open)
    }
}

/// A server that accepts requests until this is dropped.
struct Open {
    shared: Arc<Shared>,
    serving: Option<Serving>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.live().close();
        drop(self.serving.take());
    }
}

impl Open {
    fn live(&self) -> &Live {
        &self.shared.live
    }

    /// Waits for requests, and takes all that have arrived.
    async fn next_batch<T: Element>(&self, out: &Emitter<T>) -> Result<Vec<HttpExchange>, Stop> {
        let requests = self.live().requests();
        // The channel is open as long as this exists.
        let Ok(first) = out.or_stop(requests.recv()).await? else {
            return Err(Stop::Stopped);
        };
        let mut batch = vec![first];
        while batch.len() < BATCH
            && let Ok(next) = requests.try_recv()
        {
            batch.push(next);
        }
        Ok(batch)
    }
}

/// Bodies of requests as sources: [`Stream::from_http_server`](FromHttpServer::from_http_server).
pub trait FromHttpServer {
    /// Emits the bodies posted to a port, given by its number or as a configured [`HttpServer`].
    ///
    /// The status of the response is 200 when the pipeline has accepted the body, 500 if it failed, and 503 if it is
    /// closing, or too many requests are in flight.
    ///
    /// ```
    /// # use std::io::{Read, Write};
    /// use thalweg::Stream;
    /// use thalweg_io::{HttpServer, prelude::*};
    ///
    /// let server = HttpServer::new(0);
    /// let address = server.listen()?;
    /// let bodies = Stream::from_http_server(server);
    /// let list = bodies.map(|body| body.len()).sink_to_list();
    /// bodies.start()?;
    /// let mut client = std::net::TcpStream::connect(address)?;
    /// client.write_all(b"POST / HTTP/1.1\r\nHost: me\r\nContent-Length: 4\r\nConnection: close\r\n\r\n20.5")?;
    /// let mut response = String::new();
    /// client.read_to_string(&mut response)?;
    /// assert!(response.starts_with("HTTP/1.1 200 OK\r\n"));
    /// assert_eq!(list.to_vec(), [4]);
    /// bodies.drain("10s").wait()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn from_http_server(server: impl Into<HttpServer>) -> Stream<Bytes>;
}

impl FromHttpServer for Stream<Bytes> {
    fn from_http_server(server: impl Into<HttpServer>) -> Self {
        Stream::from_source(Bodies(Accepting::new(server.into(), Kind::Bodies)))
    }
}

/// Requests as sources: [`Stream::from_http_requests`](FromHttpRequests::from_http_requests).
pub trait FromHttpRequests {
    /// Emits the requests that arrive at a port, given by its number or as a configured [`HttpServer`]. Elements at
    /// [`respond`](super::Respond::respond) are their responses.
    ///
    /// The status is 500 if the pipeline has failed, 204 if it has dropped the request, 504 without a response within
    /// the time limit, and 503 if it is closing, or too many requests are in flight.
    ///
    /// ```
    /// # use std::io::{Read, Write};
    /// use thalweg::Stream;
    /// use thalweg_io::{HttpServer, prelude::*};
    ///
    /// let server = HttpServer::new(0);
    /// let address = server.listen()?;
    /// let requests = Stream::from_http_requests(server);
    /// requests.map(|request| request.text().to_uppercase()).respond();
    /// requests.start()?;
    /// let mut client = std::net::TcpStream::connect(address)?;
    /// client.write_all(b"POST / HTTP/1.1\r\nHost: me\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")?;
    /// let mut response = String::new();
    /// client.read_to_string(&mut response)?;
    /// assert!(response.ends_with("\r\n\r\nHELLO"));
    /// requests.drain("10s").wait()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn from_http_requests(server: impl Into<HttpServer>) -> Stream<HttpRequest>;
}

impl FromHttpRequests for Stream<HttpRequest> {
    fn from_http_requests(server: impl Into<HttpServer>) -> Self {
        Stream::from_source(Requests(Accepting::new(server.into(), Kind::Requests)))
    }
}
