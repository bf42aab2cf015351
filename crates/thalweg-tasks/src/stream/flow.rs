//! Operators that look at no element: what they do with elements they do with their futures.

use super::ParallelStream;
use crate::client::Future;
use thalweg::interval::IntoInterval;
use thalweg::{Element, Stream};

/// # Flow control
///
/// These do what the methods of [`Stream`] with the same names do.
impl<T: Element + Sync + Clone> ParallelStream<T> {
    /// Lets so many elements be on their way before emitters wait. See [`Stream::buffer`].
    pub fn buffer(&self, size: usize) -> Self {
        self.with(self.futures.buffer(size))
    }

    /// Sends each element later. See [`Stream::delay`].
    pub fn delay(&self, interval: impl IntoInterval) -> Self {
        self.with(self.futures.delay(interval))
    }

    /// Lets an element through once per interval, and has others wait. See [`Stream::rate_limit`].
    pub fn rate_limit(&self, interval: impl IntoInterval) -> Self {
        self.with(self.futures.rate_limit(interval))
    }

    /// Lets an element through once per interval, and drops others. See [`Stream::throttle`].
    pub fn throttle(&self, interval: impl IntoInterval) -> Self {
        self.with(self.futures.throttle(interval))
    }

    /// Sends an element when none has followed for a while. See [`Stream::debounce`].
    pub fn debounce(&self, interval: impl IntoInterval) -> Self {
        self.with(self.futures.debounce(interval))
    }

    /// Sends the newest element once per interval. See [`Stream::sample`].
    pub fn sample(&self, interval: impl IntoInterval) -> Self {
        self.with(self.futures.sample(interval))
    }

    /// Keeps the newest element for whoever is slow. See [`Stream::latest`].
    pub fn latest(&self) -> Self {
        self.with(self.futures.latest())
    }

    /// Makes lists of so many elements. See [`Stream::partition`].
    pub fn partition(&self, size: usize) -> ParallelStream<Vec<T>> {
        self.collected(self.futures.partition(size))
    }

    /// Makes lists of the newest elements. See [`Stream::sliding_window`].
    pub fn sliding_window(&self, size: usize) -> ParallelStream<Vec<T>> {
        self.collected(self.futures.sliding_window(size))
    }

    /// Makes a list of the elements that come in each interval. See [`Stream::timed_window`].
    pub fn timed_window(&self, interval: impl IntoInterval) -> ParallelStream<Vec<T>> {
        self.collected(self.futures.timed_window(interval))
    }

    /// One future for each list of futures.
    fn collected(&self, lists: Stream<Vec<Future<T>>>) -> ParallelStream<Vec<T>> {
        let client = self.client.clone();
        self.with(lists.map(move |list| client.submit_with(&list, |values| values)))
    }
}
