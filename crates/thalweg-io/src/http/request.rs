use std::path::PathBuf;

use bytes::Bytes;
use http::{HeaderMap, Method};
use thalweg::trace::TraceContext;

/// An HTTP request: received by a server, or to be sent.
///
/// ```
/// use thalweg_io::HttpRequest;
///
/// let request = HttpRequest::post("/readings?room=3", "20.5");
/// assert_eq!((request.method.as_str(), request.path(), request.query()), ("POST", "/readings", "room=3"));
/// assert_eq!(request.text(), "20.5");
/// ```
#[derive(Clone, Debug)]
pub struct HttpRequest {
    /// The method: `GET`, `POST` and others.
    pub method: Method,
    /// The URL. For a received request, path and query only.
    pub url: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// File to write the response's body to.
    pub file: Option<PathBuf>,
}

impl HttpRequest {
    /// The trace it belongs to, if the headers `traceparent` and `tracestate` name one.
    ///
    /// ```
    /// use thalweg_io::HttpRequest;
    ///
    /// let mut request = HttpRequest::get("/");
    /// assert_eq!(request.trace(), None);
    /// let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    /// request.headers.insert("traceparent", parent.parse()?);
    /// assert_eq!(request.trace().map(|trace| trace.to_string()), Some(parent.to_string()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn trace(&self) -> Option<TraceContext> {
        let text = |name: &str| self.headers.get(name)?.to_str().ok();
        TraceContext::of_headers(text("traceparent"), text("tracestate"))
    }

    /// Creates a request with this method, without headers and body.
    pub fn new(method: Method, url: impl Into<String>) -> Self {
        Self {
            method,
            url: url.into(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            file: None,
        }
    }

    /// Creates a `GET` request.
    pub fn get(url: impl Into<String>) -> Self {
        Self::new(Method::GET, url)
    }

    /// Creates a `POST` request with a body.
    pub fn post(url: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Self {
            body: body.into(),
            ..Self::new(Method::POST, url)
        }
    }

    /// Adds a header. An invalid header is ignored.
    ///
    /// ```
    /// use thalweg_io::HttpRequest;
    ///
    /// let request = HttpRequest::get("http://localhost/").header("accept", "text/plain").header("a b", "c");
    /// assert_eq!(request.headers.len(), 1);
    /// ```
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        super::add_header(&mut self.headers, name, value);
        self
    }

    /// Writes the response's body to a file as it arrives. Readers of the file see either all of it or its previous
    /// content.
    #[must_use]
    pub fn save_as(mut self, file: impl Into<PathBuf>) -> Self {
        self.file = Some(file.into());
        self
    }

    /// The path of the URL, percent-encoded as received.
    pub fn path(&self) -> &str {
        let (before, _) = self.url.split_once(['?', '#']).unwrap_or((&self.url, ""));
        match before.split_once("://") {
            Some((_, rest)) => rest.find('/').map_or("/", |at| &rest[at..]),
            None => before,
        }
    }

    /// The part of the URL after `?`; empty if there is none.
    pub fn query(&self) -> &str {
        let (_, query) = self.url.split_once('?').unwrap_or_default();
        query.split('#').next().unwrap_or_default()
    }

    /// The body as text; invalid UTF-8 becomes U+FFFD.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body, parsed as JSON.
    ///
    /// ```
    /// use thalweg_io::HttpRequest;
    ///
    /// let numbers: Vec<f64> = HttpRequest::post("/", "[20.5, 20.7]").json()?;
    /// assert_eq!(numbers, [20.5, 20.7]);
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    ///
    /// # Errors
    /// The body is not JSON, or does not fit the type.
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> serde_json::Result<T> {
        serde_json::from_slice(&self.body)
    }
}

impl From<&str> for HttpRequest {
    fn from(url: &str) -> Self {
        Self::get(url)
    }
}

impl From<String> for HttpRequest {
    fn from(url: String) -> Self {
        Self::get(url)
    }
}
