//! HTTP requests in a pipeline: [`fetch`](FetchUrls::fetch) turns URLs into responses, and [`to_http`](ToHttp::to_http)
//! posts elements.

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

/// Options of [`fetch`](FetchUrls::fetch): concurrency, retries and time limits.
///
/// ```
/// use std::time::Duration;
/// use thalweg_io::Fetch;
///
/// // A polite crawl: one request a second to each host, as many hosts at a time as there are.
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
    /// 64 requests at a time, 6 of them to one host, without pauses between them; 3 retries.
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

    /// Headers of all requests, connection timeout and allowed redirects.
    #[must_use]
    pub fn options(mut self, options: RequestOptions) -> Self {
        self.options = options;
        self
    }

    /// Limit of concurrent requests: 64 by default, at least 1.
    #[must_use]
    pub fn max_in_flight(mut self, count: usize) -> Self {
        self.max_in_flight = count.clamp(1, tokio::sync::Semaphore::MAX_PERMITS);
        self
    }

    /// Limit of concurrent requests to one host and port: 6 by default, at least 1.
    #[must_use]
    pub fn per_host(mut self, count: usize) -> Self {
        self.per_host = count.clamp(1, tokio::sync::Semaphore::MAX_PERMITS);
        self
    }

    /// Pause between two requests to the same host and port, on the pipeline's clock: none by default.
    #[must_use]
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Number of retries: 3 by default. A request is sent again if the connection fails, is lost or brings no answer,
    /// and for the statuses 408, 425, 429 and 500 and above. A request that must not be repeated, such as a `POST`, is
    /// sent again only if there was no connection, or for 429 and 503.
    #[must_use]
    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    /// Pause before the first retry, on the pipeline's clock: 1 s by default, unless the server says otherwise in
    /// `Retry-After`. It doubles each time, plus a random part of up to a half.
    #[must_use]
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// Longest pause before a retry: 30 s by default.
    #[must_use]
    pub fn max_wait(mut self, wait: Duration) -> Self {
        self.max_wait = wait;
        self
    }

    /// Time limit of a whole request, in real time: 60 s by default.
    #[must_use]
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// Limit of a body in memory, in bytes: 16 MiB by default. A longer one is a failure of the node.
    #[must_use]
    pub fn max_len(mut self, bytes: usize) -> Self {
        self.max_len = bytes;
        self
    }

    /// Limit of a body written to a [file](crate::HttpRequest::save_as), in bytes: 16 GiB by default.
    #[must_use]
    pub fn max_file_len(mut self, bytes: u64) -> Self {
        self.max_file_len = bytes;
        self
    }

    /// Obeys servers' `robots.txt` ([RFC 9309](https://www.rfc-editor.org/rfc/rfc9309)): a request that it disallows,
    /// also after a redirect, is a failure of the node. The crawler's name is the beginning of the header `User-Agent`,
    /// `thalweg` by default. A `Crawl-delay` is respected, up to 5 minutes.
    ///
    /// A missing file (a status of 400 and above) allows everything. One that cannot be fetched (429, 500 and above, or
    /// no connection, after the retries) allows nothing for a minute. A file is valid for a day, on the pipeline's
    /// clock; its first 500 KiB are read. At most 1024 servers are remembered.
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

    /// Emits responses as they arrive, instead of in the order of the requests.
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
