//! The lines of a response.

use std::fmt;
use std::iter;
use std::time::Duration;

use reqwest::header::HeaderMap;
use thalweg::{BoxError, Element, Emitter, Source, Stop, Stream};
use tokio::time::timeout;

use super::HttpError;
use crate::background::{Inbox, Outbox};
use crate::web::{Request, RequestOptions, WebError, broken};
use crate::{LineBuffer, LineError, Lines};

/// Maximum number of chunks of the response buffered for the pipeline.
const CAPACITY: usize = 16;

type Pieces = Inbox<Vec<u8>, HttpError>;

/// The lines of an HTTP response as they arrive.
///
/// [`Stream::from_http_lines`](FromHttpLines::from_http_lines) makes a stream of it: for a growing log, or a file of
/// JSON lines that is larger than memory.
pub struct HttpLines<T = String> {
    asked: Asked,
    lines: Lines<T>,
    state: Option<(Pieces, LineBuffer<T>)>,
}

impl<T> fmt::Debug for HttpLines<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpLines").finish_non_exhaustive()
    }
}

#[derive(Clone)]
struct Asked {
    request: Request,
    idle_timeout: Duration,
}

impl HttpLines {
    /// Reads from an `http` or `https` URL. Nothing is sent before the pipeline starts.
    pub fn new(url: impl Into<String>) -> Self {
        let request = Request::new(url.into());
        let idle_timeout = Duration::from_secs(60);
        Self {
            asked: Asked {
                request,
                idle_timeout,
            },
            lines: Lines::text(),
            state: None,
        }
    }

    /// How the response is split into lines and decoded.
    #[must_use]
    pub fn lines<U>(self, lines: Lines<U>) -> HttpLines<U> {
        HttpLines {
            asked: self.asked,
            lines,
            state: None,
        }
    }
}

impl<T> HttpLines<T> {
    /// Settings of the HTTP client: headers, connection timeout, redirects.
    #[must_use]
    pub fn options(mut self, options: RequestOptions) -> Self {
        self.asked.request.options = options;
        self
    }

    /// Maximum time without data: 60 s by default.
    #[must_use]
    pub fn idle_timeout(mut self, limit: Duration) -> Self {
        self.asked.idle_timeout = limit;
        self
    }

    /// Checks the URL and the headers, without sending anything.
    ///
    /// # Errors
    /// [`WebError::Invalid`].
    pub fn check(&self) -> Result<(), WebError> {
        self.asked.request.check().map(drop)
    }
}

impl Asked {
    async fn read(self, out: Outbox<Vec<u8>, HttpError>) {
        if let Err(error) = self.read_into(&out).await {
            out.report(error.into()).await;
        }
    }

    async fn read_into(&self, out: &Outbox<Vec<u8>, HttpError>) -> Result<(), WebError> {
        let url = || self.request.shown();
        let idle = |_| WebError::Idle {
            url: url(),
            idle: self.idle_timeout,
        };
        let session = self.request.session()?;
        let limit = self
            .request
            .options
            .connect_timeout
            .saturating_add(self.idle_timeout);
        let mut response = timeout(limit, session.get(HeaderMap::new()))
            .await
            .map_err(idle)??;
        let status = response.status().as_u16();
        if !response.status().is_success() {
            return Err(WebError::Status { url: url(), status });
        }
        session.check_encoding(&response)?;
        loop {
            let chunk = timeout(self.idle_timeout, response.chunk())
                .await
                .map_err(idle)?;
            match chunk.map_err(|error| broken(&session.url, error))? {
                Some(chunk) if out.send(chunk.to_vec()).await => {}
                Some(_) | None => return Ok(()),
            }
        }
    }
}

impl<T: Element> Source for HttpLines<T> {
    type Item = T;
    const KIND: &'static str = "from_http_lines";

    fn label(&self) -> Option<String> {
        Some(self.asked.request.shown())
    }

    async fn run(&mut self, out: &Emitter<T>) -> Result<(), Stop> {
        let state = match self.state.take() {
            Some(state) => state,
            None => {
                let asked = self.asked.clone();
                let buffer = self.lines.buffer()?;
                (
                    Inbox::fill(CAPACITY, |outbox| asked.read(outbox)).map_err(HttpError::Start)?,
                    buffer,
                )
            }
        };
        let (inbox, buffer) = self.state.insert(state);
        let url = self.asked.request.shown();
        let bad = |source: LineError| {
            BoxError::from(HttpError::Line {
                url: url.clone(),
                source,
            })
        };
        let end = loop {
            match buffer.next_line() {
                Some(Ok(line)) => buffer.emit_from(line, out, bad).await?,
                Some(Err(error)) => {
                    out.report(bad(error));
                    out.yield_now().await?;
                }
                None => match out.or_stop(inbox.next_batch()).await? {
                    Ok(Some(pieces)) => pieces.iter().for_each(|piece| buffer.push(piece)),
                    Ok(None) => break Ok(()),
                    Err(error) => break Err(error),
                },
            }
        };
        let last = buffer.finish();
        self.state = None;
        end?;
        match last {
            Some(Ok(line)) => out.emit_many(iter::once(line)).await?,
            Some(Err(error)) => out.report(bad(error)),
            None => {}
        }
        Ok(())
    }
}

/// Lines over HTTP as sources: [`Stream::from_http_lines`](FromHttpLines::from_http_lines).
pub trait FromHttpLines {
    /// Conversion of a line to an element.
    type Line: Element;

    /// Emits the lines of a response as they arrive, until it ends. Stopped and started again, it continues with the
    /// line after the last one emitted. An incomplete response is an error that ends the source; the incomplete line
    /// before it is not an element.
    ///
    /// ```
    /// # use std::io::{Read, Write};
    /// use thalweg::Stream;
    /// use thalweg_io::{HttpLines, prelude::*};
    ///
    /// # let server = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let url = format!("http://{}/", server.local_addr()?);
    /// # let server = std::thread::spawn(move || {
    /// #     let mut client = server.accept().unwrap().0;
    /// #     client.read(&mut [0; 1024]).unwrap();
    /// #     client.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n20.5\n20.7").unwrap();
    /// # });
    /// let lines = Stream::from_http_lines(HttpLines::new(url));
    /// let list = lines.sink_to_list();
    /// lines.run("10s").wait()?;
    /// assert_eq!(list.to_vec(), ["20.5", "20.7"]);
    /// # server.join().unwrap();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn from_http_lines(lines: HttpLines<Self::Line>) -> Stream<Self::Line>;
}

impl<T: Element> FromHttpLines for Stream<T> {
    type Line = T;

    fn from_http_lines(lines: HttpLines<T>) -> Self {
        Stream::from_source(lines)
    }
}
