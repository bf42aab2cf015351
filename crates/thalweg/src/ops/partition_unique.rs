use std::any::Any;
use std::convert::Infallible;
use std::hash::Hash;
use std::marker::PhantomData;

use super::parts::{Distinct, Keep, at_least_one};
use crate::debug::shows;
use crate::failure::{BoxError, BuildError};
use crate::{Context, Element, EmitResult, IntoOperator, Never, Operator, Reconfigure, Stream};

/// Options of [`partition_unique`](Stream::partition_unique): the size of a group, a key, and which of several elements
/// with one key is kept; for [`apply`](Stream::apply).
///
/// ```
/// use thalweg::{Stream, ops::{Keep, PartitionUniqueOptions}};
///
/// let source = Stream::new();
/// let list = source
///     .apply(PartitionUniqueOptions::of(2).key(|word: &&str| word.len()).keep(Keep::Last))
///     .sink_to_list();
/// source.emit_many(["a", "b", "cd", "ef", "g"]).wait()?;
/// assert_eq!(list.to_vec(), [["b", "cd"], ["ef", "g"]]);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub struct PartitionUniqueOptions<T, K = T, F = fn(&T) -> Result<T, Infallible>> {
    size: usize,
    keep: Keep,
    key: F,
    _key: PhantomData<fn(&T) -> K>,
}

shows!([T, K, F] PartitionUniqueOptions<T, K, F> { size, keep });

impl<T: Clone> PartitionUniqueOptions<T> {
    /// Groups of `size` different elements, at least one.
    pub fn of(size: usize) -> Self {
        Self {
            size,
            keep: Keep::First,
            key: |x| Ok(x.clone()),
            _key: PhantomData,
        }
    }
}

impl<T, K, F> PartitionUniqueOptions<T, K, F> {
    /// Elements are compared by `key`.
    pub fn key<New>(
        self,
        mut key: impl FnMut(&T) -> New + Send + 'static,
    ) -> PartitionUniqueOptions<T, New, impl FnMut(&T) -> Result<New, Infallible> + Send + 'static>
    {
        self.try_key(move |x| Ok(key(x)))
    }

    /// The same with a function that may fail.
    pub fn try_key<New, E, Key>(self, key: Key) -> PartitionUniqueOptions<T, New, Key>
    where
        Key: FnMut(&T) -> Result<New, E> + Send + 'static,
    {
        PartitionUniqueOptions {
            size: self.size,
            keep: self.keep,
            key,
            _key: PhantomData,
        }
    }

    /// Which of several elements with the same key is kept.
    pub fn keep(self, keep: Keep) -> Self {
        Self { keep, ..self }
    }
}

impl<T, K, E, F> IntoOperator for PartitionUniqueOptions<T, K, F>
where
    T: Element,
    K: Eq + Hash + Send + 'static,
    E: Into<BoxError>,
    F: FnMut(&T) -> Result<K, E> + Send + 'static,
{
    type Operator = PartitionUnique<T, K, F>;

    fn into_operator(self) -> Result<Self::Operator, BuildError> {
        Ok(PartitionUnique {
            size: at_least_one("partition_unique", "the size of a group", self.size)?,
            key: self.key,
            group: Distinct::new(self.keep),
        })
    }
}

/// Collects elements with different keys: the operator of the options [`PartitionUniqueOptions`].
pub struct PartitionUnique<T, K, F> {
    size: usize,
    key: F,
    group: Distinct<T, K>,
}

shows!([T, K, F] PartitionUnique<T, K, F> { size });

impl<T, K, E, F> PartitionUnique<T, K, F>
where
    T: Element,
    K: Eq + Hash + Send + 'static,
    E: Into<BoxError>,
    F: FnMut(&T) -> Result<K, E> + Send + 'static,
{
    fn send(&mut self, cx: &mut Context<'_, Self>) -> EmitResult {
        let (acks, group) = self.group.take();
        cx.emit_with(acks, group)
    }
}

impl<T, K: Eq + Hash, F> Reconfigure for PartitionUnique<T, K, F> {
    fn reconfigure(&mut self, new: Self) {
        self.size = new.size;
        self.key = new.key;
        self.group.reconfigure(new.group);
    }
}

impl<T, K, E, F> Operator for PartitionUnique<T, K, F>
where
    T: Element,
    K: Eq + Hash + Send + 'static,
    E: Into<BoxError>,
    F: FnMut(&T) -> Result<K, E> + Send + 'static,
{
    type In = T;
    type Out = Vec<T>;
    type Event = Never;
    const KIND: &'static str = "partition_unique";
    const CLOSES: bool = false;

    fn update(&mut self, x: T, cx: &mut Context<'_, Self>) -> EmitResult {
        match (self.key)(&x) {
            Ok(key) => self.group.push(key, x, cx),
            Err(cause) => return cx.fail(x, cause),
        }
        if self.group.len() >= self.size {
            return self.send(cx);
        }
        Ok(())
    }

    fn flush(&mut self, cx: &mut Context<'_, Self>) -> EmitResult {
        if self.group.is_empty() {
            return Ok(());
        }
        self.send(cx)
    }

    fn buffered(&self) -> usize {
        self.group.len()
    }

    fn traverse(&self, visit: &mut dyn FnMut(&dyn Any)) {
        for (key, x) in self.group.iter() {
            visit(key);
            visit(x);
        }
    }

    fn label(&self) -> Option<String> {
        Some(self.size.to_string())
    }
}

impl<T: Element> Stream<T> {
    /// Collects elements into groups of `size` different ones; of equal ones the first is kept.
    ///
    /// A [`drain`](Self::drain) emits the last group, however small. A size of 0 is a build error, see
    /// [`check`](Self::check). To keep the last of equal ones see the options [`PartitionUniqueOptions`].
    ///
    /// ```
    /// # use thalweg::Stream;
    /// let source = Stream::new();
    /// let list = source.partition_unique(3).sink_to_list();
    /// source.emit_many([1, 2, 1, 3, 1, 3, 3, 2]).wait()?;
    /// source.drain("1s").wait()?;
    /// assert_eq!(list.to_vec(), [vec![1, 2, 3], vec![1, 3, 2]]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn partition_unique(&self, size: usize) -> Stream<Vec<T>>
    where
        T: Eq + Hash,
    {
        self.apply(PartitionUniqueOptions::of(size))
    }

    /// Collects elements into groups of `size` with different keys; of those with the same key the first is kept.
    ///
    /// ```
    /// # use thalweg::Stream;
    /// let source = Stream::new();
    /// let list = source.partition_unique_by(3, |word: &&str| word.len()).sink_to_list();
    /// source.emit_many(["f", "fo", "f", "foo", "f"]).wait()?;
    /// assert_eq!(list.to_vec(), [["f", "fo", "foo"]]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn partition_unique_by<K>(
        &self,
        size: usize,
        key: impl FnMut(&T) -> K + Send + 'static,
    ) -> Stream<Vec<T>>
    where
        K: Eq + Hash + Send + 'static,
    {
        self.apply(PartitionUniqueOptions::of(size).key(key))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::test_inputs::{Bench, build_error, outputs_and_rest};
    use super::*;

    /// The plain model: the group as a list of keys and elements.
    fn partition_unique(xs: &[u8], size: usize, keep: Keep) -> (Vec<Vec<u8>>, Vec<u8>) {
        let (mut groups, mut group) = (Vec::new(), Vec::new());
        for x in xs {
            let place = group.iter().position(|y| x / 2 == y / 2);
            match (place, keep) {
                (Some(_), Keep::First) => {}
                (Some(place), Keep::Last) => {
                    group.remove(place);
                    group.push(*x);
                }
                (None, _) => group.push(*x),
            }
            if group.len() == size {
                groups.push(std::mem::take(&mut group));
            }
        }
        (groups, group)
    }

    proptest! {
        #[test]
        fn groups_of_different_keys(
            xs in prop::collection::vec(0_u8..10, 0..40),
            size in 1_usize..5,
            last: bool,
        ) {
            let keep = if last { Keep::Last } else { Keep::First };
            let options = PartitionUniqueOptions::of(size).key(|x: &u8| x / 2).keep(keep);
            let (groups, rest) = outputs_and_rest(xs.clone(), |s| s.apply(options));
            let (expected, left) = partition_unique(&xs, size, keep);
            prop_assert_eq!(groups, expected);
            prop_assert!(rest.into_iter().eq(Some(left).filter(|left| !left.is_empty())));
        }
    }

    #[test]
    fn dropped_elements_are_released_at_once() {
        let first = Bench::new(|s| s.partition_unique_by(3, |x| x / 10));
        for x in [1, 2, 11, 12] {
            assert!(first.emit(x).is_ready());
        }
        assert_eq!(first.acked(), [2, 12]);
        first.drain();
        assert_eq!(first.acked(), [2, 12, 1, 11]);

        let options = PartitionUniqueOptions::of(3)
            .key(|x| x / 10)
            .keep(Keep::Last);
        let last = Bench::new(|s| s.apply(options));
        for x in [1, 2, 11, 12] {
            assert!(last.emit(x).is_ready());
        }
        assert_eq!(last.acked(), [1, 11]);
    }

    #[test]
    fn a_size_of_zero_is_a_build_error() {
        let message = build_error(|s| s.partition_unique(0));
        assert!(
            message.ends_with("`partition_unique`: the size of a group is at least one, not 0"),
            "{message}"
        );
    }
}
