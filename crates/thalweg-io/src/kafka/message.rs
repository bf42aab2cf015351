//! What is read, and what is written.

use std::sync::Arc;

use bytes::Bytes;
use thalweg::trace::{TraceContext, current_context};

/// A message that was read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KafkaMessage {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition of the topic.
    pub partition: i32,
    /// The offset in the partition.
    pub offset: i64,
    /// Milliseconds since the epoch, if there is a timestamp.
    pub timestamp: Option<i64>,
    /// The key.
    pub key: Option<Bytes>,
    /// The value. A message without one deletes those with its key, in a topic that is compacted.
    pub value: Option<Bytes>,
    /// Names and values, in order.
    pub headers: Vec<(String, Option<Bytes>)>,
}

impl KafkaMessage {
    /// The value; empty if there is none.
    pub fn bytes(&self) -> &[u8] {
        self.value.as_deref().unwrap_or_default()
    }

    /// The trace that it belongs to, if its headers `traceparent` and `tracestate` name one.
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

    /// Bytes that it takes up, about.
    pub(super) fn len(&self) -> usize {
        let headers = self.headers.iter();
        let headers = headers.map(|(name, value)| name.len() + len(value));
        size_of::<Self>() + len(&self.key) + len(&self.value) + headers.sum::<usize>()
    }
}

/// A message to be written. Texts and bytes are made into one that has a value and nothing else.
///
/// ```
/// use thalweg_io::KafkaRecord;
///
/// let record = KafkaRecord::from("20.5").key("roof").header("unit", "celsius");
/// assert_eq!(record.value.as_deref(), Some(&b"20.5"[..]));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KafkaRecord {
    /// The value; `None` deletes those with its key, in a topic that is compacted.
    pub value: Option<Bytes>,
    /// The key, which decides about the partition.
    pub key: Option<Bytes>,
    /// Names and values, in order.
    pub headers: Vec<(String, Option<Bytes>)>,
    /// The partition, if it is not to be decided by the key.
    pub partition: Option<i32>,
    /// Milliseconds since the epoch, if it is not to be now.
    pub timestamp: Option<i64>,
    /// The topic, if it is not the sink's.
    pub topic: Option<String>,
}

impl KafkaRecord {
    /// The same with the trace that the current element belongs to in its headers, unless they name one.
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

    /// The same with a key.
    #[must_use]
    pub fn key(mut self, key: impl Into<Bytes>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// The same with another header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Bytes>) -> Self {
        self.headers.push((name.into(), Some(value.into())));
        self
    }

    /// The same for a partition.
    #[must_use]
    pub fn partition(mut self, partition: i32) -> Self {
        self.partition = Some(partition);
        self
    }

    /// The same for another topic than the sink's.
    #[must_use]
    pub fn topic(mut self, topic: impl Into<String>) -> Self {
        self.topic = Some(topic.into());
        self
    }

    /// Bytes of key and value.
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

/// Key, value and headers, for any partition of another topic.
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
