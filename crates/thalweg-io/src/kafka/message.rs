//! Received messages and records to write.

use std::sync::Arc;

use bytes::Bytes;
use thalweg::trace::{TraceContext, current_context};

/// A received message.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KafkaMessage {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition of the topic.
    pub partition: i32,
    /// The offset in the partition.
    pub offset: i64,
    /// Milliseconds since the epoch, if the message has a timestamp.
    pub timestamp: Option<i64>,
    /// The key.
    pub key: Option<Bytes>,
    /// The value. In a compacted topic, a message without a value deletes those with its key.
    ///
    /// Values and keys of up to 512 bytes share buffers of 4 KiB with their neighbours: copy them if you keep a few of
    /// many messages.
    pub value: Option<Bytes>,
    /// Names and values, in order.
    pub headers: Vec<(String, Option<Bytes>)>,
}

impl KafkaMessage {
    /// The value; empty if there is none.
    pub fn bytes(&self) -> &[u8] {
        self.value.as_deref().unwrap_or_default()
    }

    /// The trace it belongs to, if the headers `traceparent` and `tracestate` name one.
    ///
    /// ```
    /// use thalweg_io::KafkaMessage;
    ///
    /// fn is_sampled(message: &KafkaMessage) -> bool {
    ///     message.trace().is_some_and(|trace| trace.is_sampled())
    /// }
    /// ```
    pub fn trace(&self) -> Option<TraceContext> {
        let text = |name: &str| {
            let mut headers = self.headers.iter();
            let (_, value) = headers.find(|(known, _)| known.eq_ignore_ascii_case(name))?;
            std::str::from_utf8(value.as_deref()?).ok()
        };
        TraceContext::of_headers(text("traceparent"), text("tracestate"))
    }
}

/// A message to write. Text and bytes convert to a record with that value and nothing else.
///
/// ```
/// use thalweg_io::KafkaRecord;
///
/// let record = KafkaRecord::from("20.5").key("roof").header("unit", "celsius");
/// assert_eq!(record.value.as_deref(), Some(&b"20.5"[..]));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KafkaRecord {
    /// The value; `None` deletes the messages with this key in a compacted topic.
    pub value: Option<Bytes>,
    /// The key, which selects the partition.
    pub key: Option<Bytes>,
    /// Names and values, in order.
    pub headers: Vec<(String, Option<Bytes>)>,
    /// The partition, instead of the one that the key selects.
    pub partition: Option<i32>,
    /// Milliseconds since the epoch, instead of the current time.
    pub timestamp: Option<i64>,
    /// The topic, instead of the sink's.
    pub topic: Option<String>,
}

impl KafkaRecord {
    /// Adds the current element's trace to the headers, unless they name one.
    pub(super) fn traced(self) -> Self {
        let Some(trace) = current_context() else {
            return self;
        };
        if self.headers.iter().any(|(name, _)| name == "traceparent") {
            return self;
        }
        let record = self.header("traceparent", trace.to_string());
        match trace.state() {
            Some(state) => record.header("tracestate", state.to_string()),
            None => record,
        }
    }

    /// Sets the key.
    #[must_use]
    pub fn key(mut self, key: impl Into<Bytes>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Bytes>) -> Self {
        self.headers.push((name.into(), Some(value.into())));
        self
    }

    /// Sets the partition.
    #[must_use]
    pub fn partition(mut self, partition: i32) -> Self {
        self.partition = Some(partition);
        self
    }

    /// Sets another topic than the sink's.
    #[must_use]
    pub fn topic(mut self, topic: impl Into<String>) -> Self {
        self.topic = Some(topic.into());
        self
    }

    /// Size of key and value, in bytes.
    pub(super) fn len(&self) -> usize {
        len(&self.key) + len(&self.value)
    }
}

fn len(bytes: &Option<Bytes>) -> usize {
    bytes.as_ref().map_or(0, Bytes::len)
}

impl From<Bytes> for KafkaRecord {
    fn from(value: Bytes) -> Self {
        Self {
            value: Some(value),
            ..Self::default()
        }
    }
}

impl From<Vec<u8>> for KafkaRecord {
    fn from(value: Vec<u8>) -> Self {
        Bytes::from(value).into()
    }
}

impl From<String> for KafkaRecord {
    fn from(value: String) -> Self {
        Bytes::from(value).into()
    }
}

impl From<&'static str> for KafkaRecord {
    fn from(value: &'static str) -> Self {
        Bytes::from(value).into()
    }
}

/// Copies key, value and headers, for any partition of another topic.
impl From<KafkaMessage> for KafkaRecord {
    fn from(message: KafkaMessage) -> Self {
        Self {
            value: message.value,
            key: message.key,
            headers: message.headers,
            ..Self::default()
        }
    }
}

/// Where a message was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KafkaReceipt {
    /// The partition.
    pub partition: i32,
    /// The offset in the partition.
    pub offset: i64,
}
