//! Operators that join two parallel streams of one client.

use super::ParallelStream;
use crate::client::Future;
use thalweg::{Element, Stream};

/// # Joining
///
/// These do what the methods of [`Stream`] with the same names do. Both streams are on the same client.
impl<T: Element + Sync + Clone> ParallelStream<T> {
    /// The elements of both. See [`Stream::union`].
    pub fn union(&self, other: &Self) -> Self {
        self.with(self.futures.union(&other.futures))
    }

    /// Pairs of elements, one of each. See [`Stream::zip`].
    ///
    /// ```
    /// use thalweg::Stream;
    /// use thalweg_tasks::{Client, Scatter};
    ///
    /// let client = Client::threads(2)?;
    /// let source = Stream::new();
    /// let numbers = source.scatter(&client);
    /// let squares = numbers.map(|x: i32| x * x);
    /// let list = numbers.zip(&squares).gather().sink_to_list();
    /// for x in 1..=3 {
    ///     source.emit(x).wait()?;
    /// }
    /// source.drain("10s").wait()?;
    /// assert_eq!(list.to_vec(), [(1, 1), (2, 4), (3, 9)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn zip<U: Element + Sync + Clone>(
        &self,
        other: &ParallelStream<U>,
    ) -> ParallelStream<(T, U)> {
        self.paired(self.futures.zip(&other.futures))
    }

    /// Pairs of the newest elements, whenever one comes. See [`Stream::combine_latest`].
    pub fn combine_latest<U: Element + Sync + Clone>(
        &self,
        other: &ParallelStream<U>,
    ) -> ParallelStream<(T, U)> {
        self.paired(self.futures.combine_latest(&other.futures))
    }

    /// Each element with the newest of the other. See [`Stream::zip_latest`].
    pub fn zip_latest<U: Element + Sync + Clone>(
        &self,
        other: &ParallelStream<U>,
    ) -> ParallelStream<(T, U)> {
        self.paired(self.futures.zip_latest(&other.futures))
    }

    /// One future for each pair of futures.
    fn paired<U: Element + Sync + Clone>(
        &self,
        pairs: Stream<(Future<T>, Future<U>)>,
    ) -> ParallelStream<(T, U)> {
        let client = self.client.clone();
        self.with(pairs.map(move |(a, b)| client.submit_with((&a, &b), |pair| pair)))
    }
}
