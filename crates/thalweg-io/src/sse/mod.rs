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

/// An event from a server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct SseEvent {
    /// The id of this event, or of the last one that had any. Empty if none had.
    pub id: String,
    /// The type: `"message"` if the server gives none.
    pub event: String,
    /// The data, lines of which are separated by `\n`.
    pub data: String,
}

/// A feed of server-sent events.
///
/// [`Stream::from_sse`](FromSse::from_sse) makes a stream of it. It connects again when the connection is lost, and
/// has the server go on after the last event it got (`Last-Event-ID`). Before that it waits: for the time that the
/// server asks for or [`wait`](Self::wait), twice as long each time nothing came, up to
/// [`max_wait`](Self::max_wait), and up to half as long again by chance. The feed ends with the status 204.
///
/// It holds 1024 events at most that the pipeline has not taken; then the server has to wait.
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
    /// A feed, by its `http` or `https` URL. Nothing is sent before the pipeline starts.
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

    /// Headers, the time to connect, which redirects are followed.
    #[must_use]
    pub fn options(mut self, options: RequestOptions) -> Self {
        self.request.options = options;
        self
    }

    /// The id to go on after at first: of the last event that was saved, say.
    #[must_use]
    pub fn last_event_id(mut self, id: impl Into<String>) -> Self {
        self.last_event_id = id.into();
        self
    }

    /// Goes on after the event at a position, if that has a value, and has it move on. It is the id of an event: each
    /// event needs one of its own, and the server has to send again all events after it, in the same order.
    #[must_use]
    pub fn position(mut self, position: &Position) -> Self {
        self.position = Some(position.clone());
        self
    }

    /// How long a connection may bring nothing, not even a comment, before another is made: 60 s by default.
    #[must_use]
    pub fn idle_timeout(mut self, limit: Duration) -> Self {
        self.idle_timeout = limit;
        self
    }

    /// How long to wait before connecting again, if the server does not say: 1 s by default.
    #[must_use]
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// How far the time to wait grows while there is no connection: to 30 s by default.
    #[must_use]
    pub fn max_wait(mut self, wait: Duration) -> Self {
        self.max_wait = wait;
        self
    }

    /// The longest event, in bytes: 16 MiB by default. A longer one is a failure of the source's node.
    #[must_use]
    pub fn max_len(mut self, bytes: usize) -> Self {
        self.max_len = bytes;
        self
    }

    /// Checks the URL and the headers, before anything is asked.
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

/// Why there is no event.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SseError {
    /// The server could not be asked, or did not answer as it should.
    #[error(transparent)]
    Web(#[from] WebError),
    /// An event is too long. The feed goes on with the next one.
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
    /// Whether the feed goes on nevertheless.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Web(error) => error.is_temporary(),
            Self::TooLong { .. } => true,
            Self::Start(_) => false,
        }
    }
}
