//! Operators that join two parallel streams.

use super::ParallelStream;
use thalweg::{Element, Stream};

/// An element of either stream.
#[derive(Clone)]
enum Either<T, U> {
    One(T),
    Other(U),
}

/// # Joining
///
/// They have the effect of the [`Stream`] methods with the same names. The result is on the client of the first.
impl<T: Element + Sync> ParallelStream<T> {
    /// The elements of both. See [`Stream::union`].
    pub fn union(&self, other: &Self) -> Self {
        let waits = self.waits.with(&other.waits);
        Self::new(self.parts.union(&other.parts), &self.queue, waits)
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
    /// assert_eq!(list.to_vec(), [(1, 1), (2, 4), (3, 9)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn zip<U: Element + Sync>(&self, other: &ParallelStream<U>) -> ParallelStream<(T, U)> {
        self.joined(other, |one, other| one.zip(other))
    }

    /// Pairs of the newest elements, for each new one. See [`Stream::combine_latest`].
    pub fn combine_latest<U: Element + Sync>(
        &self,
        other: &ParallelStream<U>,
    ) -> ParallelStream<(T, U)> {
        self.joined(other, |one, other| one.combine_latest(other))
    }

    /// Each element with the newest of the other stream. See [`Stream::zip_latest`].
    pub fn zip_latest<U: Element + Sync>(
        &self,
        other: &ParallelStream<U>,
    ) -> ParallelStream<(T, U)> {
        self.joined(other, |one, other| one.zip_latest(other))
    }

    /// Waits for the elements of both together, so that they are joined in the order of their arrival.
    fn joined<U: Element + Sync>(
        &self,
        other: &ParallelStream<U>,
        join: impl FnOnce(&Stream<T>, &Stream<U>) -> Stream<(T, U)>,
    ) -> ParallelStream<(T, U)> {
        let one = self.map(Either::<T, U>::One);
        let other = other.map(Either::<T, U>::Other);
        one.union(&other).here(|both| {
            let one = both.filter_map(|x| match x {
                Either::One(x) => Some(x),
                Either::Other(_) => None,
            });
            let other = both.filter_map(|x| match x {
                Either::Other(x) => Some(x),
                Either::One(_) => None,
            });
            join(&one, &other)
        })
    }
}
