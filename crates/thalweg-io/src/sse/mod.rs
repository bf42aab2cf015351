//! [Server-sent events](https://html.spec.whatwg.org/multipage/server-sent-events.html): a feed over HTTP.

mod connection;
mod parser;
mod source;
#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

pub use self::parser::{SseParser, SseTooLong};
pub use self::source::{FromSse, SseSource};
use crate::Position;
use crate::web::{Request, RequestOptions, WebError};

/// A server-sent event.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct SseEvent {
    /// Id of this event, or of the last one that had an id. Empty if none had.
    pub id: String,
    /// Event type: `"message"` if the server sends none.
    pub event: String,
    /// Data, lines separated by `\n`.
    pub data: String,
}

/// A feed of server-sent events.
///
/// [`Stream::from_sse`](FromSse::from_sse) makes a stream of it. When the connection is lost, it reconnects and asks
/// for the events after the last one received (`Last-Event-ID`). Before that it waits for the time that the server
/// asked for, or [`wait`](Self::wait), doubled each time nothing was received, up to [`max_wait`](Self::max_wait), plus
/// up to half as long at random. The feed ends with the status 204.
///
/// It buffers at most 1024 events for the pipeline; then the server has to wait.
#[derive(Clone)]
pub struct Sse {
    request: Request,
    last_event_id: String,
    position: Option<Position>,
    idle_timeout: Duration,
    wait: Duration,
    max_wait: Duration,
    max_len: usize,
}

impl Sse {
    /// Creates a feed with an `http` or `https` URL. Nothing is sent before the pipeline starts.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            request: Request::new(url.into()),
            last_event_id: String::new(),
            position: None,
            idle_timeout: Duration::from_secs(60),
            wait: Duration::from_secs(1),
            max_wait: Duration::from_secs(30),
            max_len: 16 * 1024 * 1024,
        }
    }

    /// Settings of the HTTP client: headers, connection timeout, redirects.
    #[must_use]
    pub fn options(mut self, options: RequestOptions) -> Self {
        self.request.options = options;
        self
    }

    /// Initial `Last-Event-ID`: of the last event that was stored, for example.
    #[must_use]
    pub fn last_event_id(mut self, id: impl Into<String>) -> Self {
        self.last_event_id = id.into();
        self
    }

    /// Continues after the event at a position, if that has a value, and advances it. Its value is the id of an event:
    /// each event needs a unique id, and the server must send all events after it again, in the same order.
    #[must_use]
    pub fn position(mut self, position: &Position) -> Self {
        self.position = Some(position.clone());
        self
    }

    /// Time without any data, not even a comment, after which it reconnects: 60 s by default.
    #[must_use]
    pub fn idle_timeout(mut self, limit: Duration) -> Self {
        self.idle_timeout = limit;
        self
    }

    /// Time to wait before reconnecting, if the server does not set one: 1 s by default.
    #[must_use]
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// Maximum time to wait between attempts to connect: 30 s by default.
    #[must_use]
    pub fn max_wait(mut self, wait: Duration) -> Self {
        self.max_wait = wait;
        self
    }

    /// Maximum size of an event, in bytes: 16 MiB by default. A longer one is a failure of the source's node.
    #[must_use]
    pub fn max_len(mut self, bytes: usize) -> Self {
        self.max_len = bytes;
        self
    }

    /// Checks the URL and the headers, without sending anything.
    ///
    /// ```
    /// use thalweg_io::Sse;
    ///
    /// let error = Sse::new("ftp://localhost/").check().unwrap_err();
    /// assert_eq!(error.to_string(), "cannot ask \"ftp://localhost/\": its scheme is neither `http` nor `https`");
    /// ```
    ///
    /// # Errors
    /// [`WebError::Invalid`].
    pub fn check(&self) -> Result<(), WebError> {
        self.request.check().map(drop)
    }
}

impl fmt::Debug for Sse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sse")
            .field("url", &self.request.shown())
            .finish_non_exhaustive()
    }
}

impl<T: Into<String>> From<T> for Sse {
    fn from(url: T) -> Self {
        Self::new(url)
    }
}

/// Error of a feed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SseError {
    /// The server could not be reached, or did not answer as expected.
    #[error(transparent)]
    Web(#[from] WebError),
    /// An event is too long. The feed continues with the next one.
    #[error("{url}: {source}")]
    TooLong {
        /// The URL, without user, password and query.
        url: String,
        /// The limit.
        source: SseTooLong,
    },
    /// The system has no thread or descriptor left for the connection.
    #[error("cannot start to read server-sent events: {0}")]
    Start(std::io::Error),
}

impl SseError {
    /// Whether the feed continues.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Web(error) => error.is_temporary(),
            Self::TooLong { .. } => true,
            Self::Start(_) => false,
        }
    }
}
