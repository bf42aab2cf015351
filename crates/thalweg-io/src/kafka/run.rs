//! Messages on their way from the reading thread to the source.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use rdkafka::Message;
use rdkafka::message::{BorrowedMessage, Headers};

use super::KafkaMessage;
use super::lane::Lane;

/// Size of the buffers that small keys and values share.
const SHARED: usize = 4096;

/// Consecutive messages of one partition. The lane is counted once for all of them: two threads that count it for each
/// message wait for each other's caches.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) lane: Arc<Lane>,
    pub(super) messages: VecDeque<Fetched>,
}

/// A message without its partition.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) offset: i64,
    timestamp: Option<i64>,
    key: Option<Bytes>,
    value: Option<Bytes>,
    headers: Vec<(String, Option<Bytes>)>,
}

impl Run {
    /// Number of bytes of its messages.
    pub(super) fn bytes(&self) -> usize {
        self.messages.iter().map(Fetched::len).sum()
    }
}

impl Fetched {
    /// The message, of a partition.
    pub(super) fn of(self, lane: &Lane) -> KafkaMessage {
        KafkaMessage {
            topic: lane.topic.clone(),
            partition: lane.partition,
            offset: self.offset,
            timestamp: self.timestamp,
            key: self.key,
            value: self.value,
            headers: self.headers,
        }
    }

    /// Approximate size in bytes.
    pub(super) fn len(&self) -> usize {
        let len = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, Bytes::len);
        let headers = self.headers.iter();
        let headers = headers.map(|(name, value)| name.len() + len(value));
        size_of::<KafkaMessage>() + len(&self.key) + len(&self.value) + headers.sum::<usize>()
    }
}

/// Copies messages out of the client's memory, small ones into shared buffers.
#[derive(Default)]
pub(super) struct Copies {
    buffer: BytesMut,
}

impl Copies {
    pub(super) fn message(&mut self, message: &BorrowedMessage<'_>) -> Fetched {
        let headers = message.headers().into_iter().flat_map(Headers::iter);
        let headers = headers.map(|header| {
            let value = header.value.map(|value| self.bytes(value));
            (header.key.to_string(), value)
        });
        let headers = headers.collect();
        Fetched {
            offset: message.offset(),
            timestamp: message.timestamp().to_millis(),
            key: message.key().map(|key| self.bytes(key)),
            value: message.payload().map(|value| self.bytes(value)),
            headers,
        }
    }

    fn bytes(&mut self, bytes: &[u8]) -> Bytes {
        if bytes.len() > SHARED / 8 {
            return Bytes::copy_from_slice(bytes);
        }
        if self.buffer.capacity() < bytes.len() {
            self.buffer = BytesMut::with_capacity(SHARED);
        }
        self.buffer.extend_from_slice(bytes);
        self.buffer.split().freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_what_was_copied_and_share_buffers_of_bounded_size() {
        let mut copies = Copies::default();
        let lens = [0, 1, 100, SHARED / 8, SHARED / 8 + 1, SHARED, 3 * SHARED];
        for (round, len) in lens.into_iter().cycle().take(500).enumerate() {
            let original = vec![round as u8; len];
            assert_eq!(copies.bytes(&original), original);
            assert!(copies.buffer.capacity() <= SHARED);
        }
    }
}
