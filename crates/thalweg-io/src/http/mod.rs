//! Requests and responses over HTTP, as elements: a server's, and those of [`fetch`](crate::fetch).

mod body;
mod request;
mod response;

pub use ::http::{HeaderMap, HeaderName, HeaderValue, Method};

pub use self::body::HttpBody;
pub use self::request::HttpRequest;
pub use self::response::HttpResponse;

pub(crate) fn add_header(headers: &mut HeaderMap, name: &str, value: &str) {
    if let (Ok(name), Ok(value)) = (
        HeaderName::from_bytes(name.as_bytes()),
        HeaderValue::from_str(value),
    ) {
        headers.append(name, value);
    }
}
