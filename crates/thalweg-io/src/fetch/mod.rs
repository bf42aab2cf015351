//! Requests over HTTP in a pipeline: [`fetch`](FetchUrls::fetch) makes responses of URLs, and
//! [`to_http`](ToHttp::to_http) posts elements.

mod fetcher;
mod hosts;
pub(crate) mod robots;
mod stream;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use self::fetcher::Fetcher;
pub use self::stream::{FetchUrls, HttpSink, Poster, ToHttp};
use crate::web::RequestOptions;

/// How [`fetch`](FetchUrls::fetch) asks: how much at a time, how often, how long.
///
/// ```
/// use std::time::Duration;
/// use thalweg_io::Fetch;
///
/// A polite crawl: one request a second to each host, as many hosts at a time as there are.
/// let crawl = Fetch::new().per_host(1).interval(Duration::from_secs(1)).unordered();
/// # drop(crawl);
/// ```
#[derive(Clone, Debug)]
pub struct Fetch {
    options: RequestOptions,
    max_in_flight: usize,
    per_host: usize,
    interval: Duration,
    retries: u32,
    wait: Duration,
    max_wait: Duration,
    time_limit: Duration,
    max_len: usize,
    max_file_len: u64,
    is_ordered: bool,
    robots: bool,
}

impl Fetch {
    /// 64 requests at a time, 6 of them to one host, without a pause between them; 3 retries.
    pub fn new() -> Self {
        Self {
            options: RequestOptions::new(),
            max_in_flight: 64,
            per_host: 6,
            interval: Duration::ZERO,
            retries: 3,
            wait: Duration::from_secs(1),
            max_wait: Duration::from_secs(30),
            time_limit: Duration::from_secs(60),
            max_len: 16 * 1024 * 1024,
            max_file_len: 16 * 1024 * 1024 * 1024,
            is_ordered: true,
            robots: false,
        }
    }

    /// Headers for all requests, the time to connect, which redirects are followed.
    #[must_use]
    pub fn options(mut self, options: RequestOptions) -> Self {
        self.options = options;
        self
    }

    /// How many requests there are at a time: 64 unless one says otherwise, and one at least.
    #[must_use]
    pub fn max_in_flight(mut self, count: usize) -> Self {
        self.max_in_flight = count.clamp(1, tokio::sync::Semaphore::MAX_PERMITS);
        self
    }

    /// How many of them are to the same host and port: 6 unless one says otherwise, and one at least.
    #[must_use]
    pub fn per_host(mut self, count: usize) -> Self {
        self.per_host = count.clamp(1, tokio::sync::Semaphore::MAX_PERMITS);
        self
    }

    /// How long to wait from one request to a host and port to the next, on the pipeline's clock: no time unless one
    /// says otherwise.
    #[must_use]
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// How often a request is sent again: 3 times unless one says otherwise. That is done when there is no connection,
    /// when it is lost or brings nothing, and for the status 408, 425, 429 and from 500 on; what may not be done twice, a
    /// `POST` say, only if there was no connection, or for 429 and 503.
    #[must_use]
    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    /// How long to wait before that, on the pipeline's clock: 1 s unless one says otherwise, or the server in
    /// `Retry-After`. It doubles each time, and up to half as long again is added by chance.
    #[must_use]
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// How far that grows: to 30 s unless one says otherwise.
    #[must_use]
    pub fn max_wait(mut self, wait: Duration) -> Self {
        self.max_wait = wait;
        self
    }

    /// How long a whole request may take, in real time: 60 s unless one says otherwise.
    #[must_use]
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// The longest body in memory, in bytes: 16 MiB unless one says otherwise. A longer one is a failure of the node.
    #[must_use]
    pub fn max_len(mut self, bytes: usize) -> Self {
        self.max_len = bytes;
        self
    }

    /// The longest body in a [file](crate::HttpRequest::save_as), in bytes: 16 GiB unless one says otherwise.
    #[must_use]
    pub fn max_file_len(mut self, bytes: u64) -> Self {
        self.max_file_len = bytes;
        self
    }

    /// Asks for nothing that a server's `robots.txt` ([RFC 9309](https://www.rfc-editor.org/rfc/rfc9309)) does not allow,
    /// neither directly nor by a redirect: that is a failure of the node. The crawler's name is what the header
    /// `User-Agent` begins with, `thalweg` unless one says otherwise. A `Crawl-delay` is followed, up to 5 minutes.
    ///
    /// A file that is not there (a status from 400 on) allows everything; one that cannot be had (429, a status from 500
    /// on, no connection, after the retries) nothing, for a minute. An answer holds for a day, on the pipeline's clock;
    /// 500 KiB of it are read. 1024 servers are remembered at most.
    ///
    /// ```
    /// use thalweg_io::{Fetch, RequestOptions};
    ///
    /// let options = RequestOptions::new().header("User-Agent", "river-bot/1.0 (+https://example.org/bot)");
    /// let crawl = Fetch::new().options(options).per_host(1).robots();
    /// # drop(crawl);
    /// ```
    #[must_use]
    pub fn robots(mut self) -> Self {
        self.robots = true;
        self
    }

    /// Sends each response on when it is there, whatever was asked for before it.
    #[must_use]
    pub fn unordered(mut self) -> Self {
        self.is_ordered = false;
        self
    }
}

impl Default for Fetch {
    fn default() -> Self {
        Self::new()
    }
}
