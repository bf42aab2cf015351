use tokio_tungstenite::tungstenite::Message;

/// A message of a WebSocket: text or bytes.
///
/// ```
/// use thalweg_io::WebSocketMessage;
///
/// let message = WebSocketMessage::from("river");
/// assert_eq!(message.as_str(), Some("river"));
/// assert_eq!(message.as_ref(), b"river");
/// assert_eq!(WebSocketMessage::from(vec![1, 2]).as_str(), None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum WebSocketMessage {
    /// Text.
    Text(String),
    /// Bytes.
    Binary(Vec<u8>),
}

impl WebSocketMessage {
    /// The text, if it is a text message.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Binary(_) => None,
        }
    }

    /// The received message, if it is one for the pipeline.
    pub(super) fn of(message: Message) -> Option<Self> {
        match message {
            Message::Text(text) => Some(Self::Text(text.as_str().to_owned())),
            Message::Binary(bytes) => Some(Self::Binary(bytes.into())),
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => None,
        }
    }
}

impl AsRef<[u8]> for WebSocketMessage {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }
}

impl From<WebSocketMessage> for Message {
    fn from(message: WebSocketMessage) -> Self {
        match message {
            WebSocketMessage::Text(text) => Self::Text(text.into()),
            WebSocketMessage::Binary(bytes) => Self::Binary(bytes.into()),
        }
    }
}

impl From<String> for WebSocketMessage {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for WebSocketMessage {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<Vec<u8>> for WebSocketMessage {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Binary(bytes)
    }
}
