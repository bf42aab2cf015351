//! Operators about which elements there are, in what order, and when.

use super::ParallelStream;
use thalweg::Element;
use thalweg::interval::IntoInterval;

/// # Flow control
///
/// These do what the methods of [`Stream`](thalweg::Stream) with the same names do; all but [`buffer`](Self::buffer)
/// wait for the values, in order. For others there is [`here`](Self::here).
impl<T: Element + Sync> ParallelStream<T> {
    /// Lets this many elements be on their way before emitters wait. See [`Stream::buffer`](thalweg::Stream::buffer).
    pub fn buffer(&self, size: usize) -> Self {
        Self::new(self.launched().buffer(size), &self.queue)
    }

    /// Sends each element later. See [`Stream::delay`](thalweg::Stream::delay).
    pub fn delay(&self, interval: impl IntoInterval) -> Self {
        self.here(|values| values.delay(interval))
    }

    /// Lets an element through once per interval, and has others wait. See
    /// [`Stream::rate_limit`](thalweg::Stream::rate_limit).
    pub fn rate_limit(&self, interval: impl IntoInterval) -> Self {
        self.here(|values| values.rate_limit(interval))
    }

    /// Lets an element through once per interval, and drops others. See
    /// [`Stream::throttle`](thalweg::Stream::throttle).
    pub fn throttle(&self, interval: impl IntoInterval) -> Self {
        self.here(|values| values.throttle(interval))
    }

    /// Sends an element when none has followed for a while. See [`Stream::debounce`](thalweg::Stream::debounce).
    pub fn debounce(&self, interval: impl IntoInterval) -> Self {
        self.here(|values| values.debounce(interval))
    }

    /// Sends the newest element once per interval. See [`Stream::sample`](thalweg::Stream::sample).
    pub fn sample(&self, interval: impl IntoInterval) -> Self {
        self.here(|values| values.sample(interval))
    }

    /// Keeps the newest element for whoever is slow. See [`Stream::latest`](thalweg::Stream::latest).
    pub fn latest(&self) -> Self {
        self.here(|values| values.latest())
    }

    /// Makes lists of this many elements. See [`Stream::partition`](thalweg::Stream::partition).
    pub fn partition(&self, size: usize) -> ParallelStream<Vec<T>> {
        self.here(|values| values.partition(size))
    }

    /// Makes lists of the newest elements. See [`Stream::sliding_window`](thalweg::Stream::sliding_window).
    pub fn sliding_window(&self, size: usize) -> ParallelStream<Vec<T>> {
        self.here(|values| values.sliding_window(size))
    }

    /// Makes a list of the elements that come in each interval. See
    /// [`Stream::timed_window`](thalweg::Stream::timed_window).
    pub fn timed_window(&self, interval: impl IntoInterval) -> ParallelStream<Vec<T>> {
        self.here(|values| values.timed_window(interval))
    }
}
