//! Operators that depend on which elements exist, their order or timing.

use super::ParallelStream;
use super::waits::Waits;
use thalweg::Element;
use thalweg::interval::IntoInterval;

/// # Flow control
///
/// These methods act like the [`Stream`](thalweg::Stream) methods of the same names; all but [`buffer`](Self::buffer)
/// wait for the values, in order. For other operators use [`here`](Self::here).
impl<T: Element + Sync> ParallelStream<T> {
    /// Allows this many elements in flight before emitters wait. See [`Stream::buffer`](thalweg::Stream::buffer).
    pub fn buffer(&self, size: usize) -> Self {
        self.waits.lead_to_buffer(size);
        Self {
            is_buffered: true,
            ..Self::new(self.launched().buffer(size), &self.queue, Waits::default())
        }
    }

    /// Emits elements at a minimum distance. See [`Stream::delay`](thalweg::Stream::delay).
    pub fn delay(&self, interval: impl IntoInterval) -> Self {
        self.here(|values| values.delay(interval))
    }

    /// Passes one element per interval; others wait. See [`Stream::rate_limit`](thalweg::Stream::rate_limit).
    pub fn rate_limit(&self, interval: impl IntoInterval) -> Self {
        self.here(|values| values.rate_limit(interval))
    }

    /// Passes one element per interval, and drops others. See [`Stream::throttle`](thalweg::Stream::throttle).
    pub fn throttle(&self, interval: impl IntoInterval) -> Self {
        self.here(|values| values.throttle(interval))
    }

    /// Emits an element when no other has followed for a while. See [`Stream::debounce`](thalweg::Stream::debounce).
    pub fn debounce(&self, interval: impl IntoInterval) -> Self {
        self.here(|values| values.debounce(interval))
    }

    /// Emits the newest element once per interval. See [`Stream::sample`](thalweg::Stream::sample).
    pub fn sample(&self, interval: impl IntoInterval) -> Self {
        self.here(|values| values.sample(interval))
    }

    /// Keeps only the newest element while downstream is busy. See [`Stream::latest`](thalweg::Stream::latest).
    pub fn latest(&self) -> Self {
        self.here(|values| values.latest())
    }

    /// Groups this many elements. See [`Stream::partition`](thalweg::Stream::partition).
    pub fn partition(&self, size: usize) -> ParallelStream<Vec<T>> {
        self.here(|values| values.partition(size))
    }

    /// Groups the newest elements. See [`Stream::sliding_window`](thalweg::Stream::sliding_window).
    pub fn sliding_window(&self, size: usize) -> ParallelStream<Vec<T>> {
        self.here(|values| values.sliding_window(size))
    }

    /// Groups the elements of each interval. See [`Stream::timed_window`](thalweg::Stream::timed_window).
    pub fn timed_window(&self, interval: impl IntoInterval) -> ParallelStream<Vec<T>> {
        self.here(|values| values.timed_window(interval))
    }
}
