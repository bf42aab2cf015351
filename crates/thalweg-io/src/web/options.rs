use std::fmt;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

/// Options of all requests: headers, connect timeout, redirects.
///
/// ```
/// use thalweg_io::{RequestOptions, Sse};
///
/// let options = RequestOptions::new().header("Authorization", "Bearer 123").connect_timeout(std::time::Duration::from_secs(2));
/// let feed = Sse::new("https://example.org/feed").options(options);
/// assert!(!format!("{feed:?}").contains("123"));
/// ```
#[derive(Clone)]
pub struct RequestOptions {
    headers: Vec<(String, String)>,
    pub(crate) connect_timeout: Duration,
    pub(crate) follows_anywhere: bool,
}

impl RequestOptions {
    /// No headers, 10 s to connect, and safe redirects only.
    pub fn new() -> Self {
        Self {
            headers: Vec::new(),
            connect_timeout: Duration::from_secs(10),
            follows_anywhere: false,
        }
    }

    /// Adds a header to every request to the URL's server, `Authorization` for example. Its value is never shown, and
    /// not sent to another server by a redirect.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Timeout of connecting: 10 s by default.
    #[must_use]
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    /// Follows all redirects: also from a public address to a private one, and from `http` to `https` and back. Use
    /// this only with trusted servers.
    #[must_use]
    pub fn follow_anywhere(mut self) -> Self {
        self.follows_anywhere = true;
        self
    }

    /// The headers.
    ///
    /// # Errors
    /// The error of an invalid header.
    pub(super) fn headers(&self) -> Result<HeaderMap, String> {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let key = HeaderName::from_bytes(name.as_bytes());
            let key = key.map_err(|_| format!("{name:?} is not the name of a header"))?;
            let value = HeaderValue::from_str(value);
            let no_value =
                |_| format!("the value of header {name:?} has characters that headers cannot have");
            // It may be a secret.
            let mut value = value.map_err(no_value)?;
            value.set_sensitive(true);
            headers.append(key, value);
        }
        Ok(headers)
    }
}

impl Default for RequestOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for RequestOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestOptions")
            .field("connect_timeout", &self.connect_timeout)
            .field("follows_anywhere", &self.follows_anywhere)
            .finish_non_exhaustive()
    }
}
