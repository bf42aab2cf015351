use std::path::PathBuf;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};

use super::HttpBody;

/// An HTTP response: received from a server, or to be sent.
///
/// Text converts to a response of the type `text/plain`, bytes to `application/octet-stream`, `()` to an empty one
/// (status 204), and a pair of a status and one of these to that status.
///
/// ```
/// use thalweg_io::HttpResponse;
///
/// let found = HttpResponse::from("20.5");
/// assert_eq!((found.status, found.text()), (200, "20.5".to_owned()));
/// let missing = HttpResponse::from((404, "no such room"));
/// assert_eq!((missing.status, missing.is_success()), (404, false));
/// assert_eq!(HttpResponse::from(()).status, 204);
/// ```
#[derive(Clone, Debug)]
pub struct HttpResponse {
    /// The status: 200 for success.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body; empty if it was written to a file.
    pub body: Bytes,
    /// File with the body, if the request asked for one.
    pub file: Option<PathBuf>,
    /// The URL it came from, after redirects. Empty for a response to be sent.
    pub url: String,
}

impl HttpResponse {
    /// Creates a response without headers and body.
    pub fn new(status: u16) -> Self {
        Self {
            status,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            file: None,
            url: String::new(),
        }
    }

    /// Serializes a value to JSON.
    ///
    /// ```
    /// use thalweg_io::HttpResponse;
    ///
    /// let response = HttpResponse::json_of(&[20.5, 20.7])?;
    /// assert_eq!(response.text(), "[20.5,20.7]");
    /// assert_eq!(response.headers["content-type"], "application/json");
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    ///
    /// # Errors
    /// The value cannot be serialized: a map with keys that are not text, for example.
    pub fn json_of(value: &impl serde::Serialize) -> serde_json::Result<Self> {
        Ok(HttpBody::json_of(value)?.into())
    }

    /// Adds a header. An invalid header is ignored.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        super::add_header(&mut self.headers, name, value);
        self
    }

    /// Whether the status is from 200 to 299.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body as text; invalid UTF-8 becomes U+FFFD.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body, parsed as JSON.
    ///
    /// # Errors
    /// The body is not JSON, or does not fit the type.
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> serde_json::Result<T> {
        serde_json::from_slice(&self.body)
    }
}

impl From<HttpBody> for HttpResponse {
    fn from(body: HttpBody) -> Self {
        let mut response = Self::new(200);
        response.body = body.bytes;
        let content_type = HeaderValue::from_static(body.content_type);
        response.headers.insert(CONTENT_TYPE, content_type);
        response
    }
}

impl From<()> for HttpResponse {
    fn from((): ()) -> Self {
        Self::new(204)
    }
}

impl From<serde_json::Value> for HttpResponse {
    fn from(value: serde_json::Value) -> Self {
        HttpBody::from(value).into()
    }
}

impl<T: Into<HttpResponse>> From<(u16, T)> for HttpResponse {
    fn from((status, body): (u16, T)) -> Self {
        Self {
            status,
            ..body.into()
        }
    }
}
