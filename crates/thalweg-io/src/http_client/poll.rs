//! Polling a URL.

use std::fmt;
use std::mem;
use std::time::Duration;

use reqwest::header::{
    ACCEPT_ENCODING, ETAG, HeaderMap, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED,
};
use thalweg::{Emitter, Source, Stop, Stream};
use tokio::time::timeout;

use super::HttpError;
use crate::background::Inbox;
use crate::web::{Request, RequestOptions, WebError, broken, shown};

/// A URL that is requested at an interval.
///
/// [`Stream::from_http_poll`](FromHttpPoll::from_http_poll) makes a stream of it. Requests are conditional
/// (`If-None-Match`, `If-Modified-Since`): the server sends the body when it has changed. A server that supports
/// neither sends the body each time, and each is an element.
#[derive(Clone)]
pub struct HttpPoll {
    request: Request,
    interval: Duration,
    time_limit: Duration,
    max_len: usize,
    /// Headers of a conditional request.
    known: HeaderMap,
    is_waiting: bool,
}

impl fmt::Debug for HttpPoll {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpPoll")
            .field("interval", &self.interval)
            .field("time_limit", &self.time_limit)
            .field("max_len", &self.max_len)
            .field("is_waiting", &self.is_waiting)
            .finish_non_exhaustive()
    }
}

/// Result of a request.
struct Answer {
    /// `None` if nothing has changed.
    body: Option<Vec<u8>>,
    known: HeaderMap,
}

impl HttpPoll {
    /// Requests an `http` or `https` URL at once, and then each time that this interval of the pipeline's clock has
    /// passed since the previous answer.
    pub fn new(url: impl Into<String>, interval: Duration) -> Self {
        Self {
            request: Request::new(url.into()),
            interval,
            time_limit: Duration::from_secs(60),
            max_len: 16 * 1024 * 1024,
            known: HeaderMap::new(),
            is_waiting: false,
        }
    }

    /// Settings of the HTTP client: headers, connection timeout, redirects.
    #[must_use]
    pub fn options(mut self, options: RequestOptions) -> Self {
        self.request.options = options;
        self
    }

    /// Timeout of a whole request, in real time: 60 s by default.
    #[must_use]
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// Maximum size of a body, in bytes: 16 MiB by default. A larger one is a failure of the source's node.
    #[must_use]
    pub fn max_len(mut self, bytes: usize) -> Self {
        self.max_len = bytes;
        self
    }

    /// Checks the URL and the headers, without sending anything.
    ///
    /// # Errors
    /// [`WebError::Invalid`].
    pub fn check(&self) -> Result<(), WebError> {
        self.request.check().map(drop)
    }

    /// Sends one request.
    async fn ask(self) -> Result<Answer, HttpError> {
        let url = self.request.shown();
        let limit = self.time_limit;
        let Ok(answer) = timeout(limit, self.ask_and_wait()).await else {
            return Err(WebError::Idle { url, idle: limit }.into());
        };
        answer
    }

    async fn ask_and_wait(self) -> Result<Answer, HttpError> {
        let session = self.request.session()?;
        let mut response = session.get(self.known.clone()).await?;
        let status = response.status().as_u16();
        if status == 304 {
            return Ok(Answer {
                body: None,
                known: self.known,
            });
        }
        let url = || shown(&session.url);
        if status != 200 {
            return Err(WebError::Status { url: url(), status }.into());
        }
        // Who asks for an encoding decodes it.
        if !session.headers.contains_key(ACCEPT_ENCODING) {
            session.check_encoding(&response)?;
        }
        let mut known = HeaderMap::new();
        for (from, to) in [(ETAG, IF_NONE_MATCH), (LAST_MODIFIED, IF_MODIFIED_SINCE)] {
            if let Some(value) = response.headers().get(from) {
                known.insert(to, value.clone());
            }
        }
        let mut body = Vec::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| broken(&session.url, error))?
        {
            if body.len() + chunk.len() > self.max_len {
                return Err(HttpError::TooLong {
                    url: url(),
                    max_len: self.max_len as u64,
                });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer {
            body: Some(body),
            known,
        })
    }
}

impl Source for HttpPoll {
    type Item = Vec<u8>;
    const KIND: &'static str = "from_http_poll";

    fn label(&self) -> Option<String> {
        Some(self.request.shown())
    }

    async fn run(&mut self, out: &Emitter<Vec<u8>>) -> Result<(), Stop> {
        loop {
            if mem::take(&mut self.is_waiting) {
                out.sleep(self.interval).await?;
            }
            let poll = self.clone();
            let mut inbox = Inbox::fill(1, |outbox| async move {
                match poll.ask().await {
                    Ok(answer) => outbox.send(answer).await,
                    Err(error) => outbox.report(error).await,
                };
            })
            .map_err(HttpError::Start)?;
            let answers = out.or_stop(inbox.next_batch()).await?;
            self.is_waiting = true;
            match answers {
                Ok(answers) => {
                    for answer in answers.into_iter().flatten() {
                        self.known = answer.known;
                        if let Some(body) = answer.body {
                            out.emit(body).await?;
                        }
                    }
                }
                Err(error) if error.is_temporary() => out.report(error),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Bodies of responses as sources: [`Stream::from_http_poll`](FromHttpPoll::from_http_poll).
pub trait FromHttpPoll {
    /// Emits the body at a URL, whenever it has changed.
    ///
    /// A failed request is a failure of the source's node, and is repeated after the interval; a permanent one (a
    /// status 4xx except 408, 425 and 429) ends the source.
    ///
    /// ```
    /// # use std::io::{Read, Write};
    /// # use std::time::Duration;
    /// use thalweg::Stream;
    /// use thalweg_io::{HttpPoll, prelude::*};
    ///
    /// # let server = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let url = format!("http://{}/", server.local_addr()?);
    /// # let server = std::thread::spawn(move || {
    /// #     let body = "200 OK\r\nETag: \"1\"\r\nContent-Length: 4\r\n\r\n20.5";
    /// #     for answer in [body, "304 Not Modified\r\n\r\n", "410 Gone\r\nContent-Length: 0\r\n\r\n"] {
    /// #         let mut client = server.accept().unwrap().0;
    /// #         client.read(&mut [0; 1024]).unwrap();
    /// #         write!(client, "HTTP/1.1 {answer}").unwrap();
    /// #     }
    /// # });
    /// let bodies = Stream::from_http_poll(HttpPoll::new(url, Duration::from_millis(1)));
    /// let list = bodies.sink_to_list();
    /// let end = bodies.run("10s").wait().unwrap_err();
    /// assert_eq!(list.to_vec(), [b"20.5"]);
    /// assert!(end.to_string().contains("answered 410 Gone"), "{end}");
    /// # server.join().unwrap();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn from_http_poll(poll: HttpPoll) -> Stream<Vec<u8>>;
}

impl FromHttpPoll for Stream<Vec<u8>> {
    fn from_http_poll(poll: HttpPoll) -> Self {
        Stream::from_source(poll)
    }
}
