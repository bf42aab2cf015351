use std::path::PathBuf;

use bytes::Bytes;
use http::{HeaderMap, Method};
use thalweg::trace::TraceContext;

/// A request over HTTP: one that a server got, or one to send.
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
    /// The URL. Of a request that a server got, the path and the query.
    pub url: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// The file that the response's body goes to.
    pub file: Option<PathBuf>,
}

impl HttpRequest {
    /// The trace that it belongs to, if its headers `traceparent` and `tracestate` name one.
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

    /// A request of this method, without headers and body.
    pub fn new(method: Method, url: impl Into<String>) -> Self {
        Self {
            method,
            url: url.into(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            file: None,
        }
    }

    /// A request for what is at a URL.
    pub fn get(url: impl Into<String>) -> Self {
        Self::new(Method::GET, url)
    }

    /// A request that brings a body.
    pub fn post(url: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Self {
            body: body.into(),
            ..Self::new(Method::POST, url)
        }
    }

    /// The same with a header more. What is no header is left out.
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

    /// Has the body of the response written to a file, as it comes. Whoever opens the file finds all of it, or what was
    /// there before.
    #[must_use]
    pub fn save_as(mut self, file: impl Into<PathBuf>) -> Self {
        self.file = Some(file.into());
        self
    }

    /// The path of the URL, percent-encoded as it came.
    pub fn path(&self) -> &str {
        let (before, _) = self.url.split_once(['?', '#']).unwrap_or((&self.url, ""));
        match before.split_once("://") {
            Some((_, rest)) => rest.find('/').map_or("/", |at| &rest[at..]),
            None => before,
        }
    }

    /// What follows the `?` of the URL; empty if there is none.
    pub fn query(&self) -> &str {
        let (_, query) = self.url.split_once('?').unwrap_or_default();
        query.split('#').next().unwrap_or_default()
    }

    /// The body as text; what is not UTF-8 becomes U+FFFD.
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
    /// It is no JSON, or none of this type.
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
