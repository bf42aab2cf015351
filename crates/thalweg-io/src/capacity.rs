//! Capacities of queues whose memory is allocated when they are created.

/// Maximum number of elements in such a queue.
const MAX_CAPACITY: usize = 1 << 20;

/// The capacity of a queue for `wanted` elements.
pub(crate) fn capacity(wanted: usize) -> usize {
    wanted.clamp(1, MAX_CAPACITY)
}
