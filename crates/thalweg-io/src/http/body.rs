use bytes::Bytes;

/// Body of a request or a response, with its media type: `text/plain` for text, `application/octet-stream` for bytes.
///
/// ```
/// use thalweg_io::HttpBody;
///
/// let body = HttpBody::from("20.5");
/// assert_eq!(body.content_type, "text/plain; charset=utf-8");
/// let body = HttpBody::json_of(&[20.5])?;
/// assert_eq!((&body.bytes[..], body.content_type), (&b"[20.5]"[..], "application/json"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpBody {
    /// The bytes.
    pub bytes: Bytes,
    /// The media type, for the header `Content-Type`.
    pub content_type: &'static str,
}

impl HttpBody {
    /// Serializes a value to JSON.
    ///
    /// # Errors
    /// The value cannot be serialized: a map with keys that are not text, for example.
    pub fn json_of(value: &impl serde::Serialize) -> serde_json::Result<Self> {
        Ok(Self {
            bytes: serde_json::to_vec(value)?.into(),
            content_type: "application/json",
        })
    }
}

/// Conversion to a body and its media type.
macro_rules! bodies {
    ($($source:ty: $content_type:literal),* $(,)?) => {$(
        impl From<$source> for HttpBody {
            fn from(body: $source) -> Self {
                Self { bytes: body.into(), content_type: $content_type }
            }
        }

        impl From<$source> for super::HttpResponse {
            fn from(body: $source) -> Self {
                HttpBody::from(body).into()
            }
        }
    )*};
}

bodies! {
    &'static str: "text/plain; charset=utf-8",
    String: "text/plain; charset=utf-8",
    Vec<u8>: "application/octet-stream",
    Bytes: "application/octet-stream",
}

impl From<serde_json::Value> for HttpBody {
    fn from(value: serde_json::Value) -> Self {
        Self {
            bytes: value.to_string().into(),
            content_type: "application/json",
        }
    }
}
