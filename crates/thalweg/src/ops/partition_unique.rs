use std::convert::Infallible;
use std::hash::Hash;
use std::marker::PhantomData;

use super::parts::{Distinct, Keep, at_least_one};
use crate::failure::{BoxError, BuildError};
use crate::{Context, Element, Flow, IntoOperator, Never, Operator, Stream};

/// The options of [`partition_unique`](Stream::partition_unique): the size of a group, a key, and
/// which of several elements with one key is kept. Give them to [`apply`](Stream::apply).
///
/// ```
/// use thalweg::{Stream, ops::{Keep, PartitionUnique}};
///
/// let source = Stream::new();
/// let list = source
///     .apply(PartitionUnique::of(2).key(|word: &&str| word.len()).keep(Keep::Last))
///     .sink_to_list();
/// source.emit_many(["a", "b", "cd", "ef", "g"]).wait()?;
/// assert_eq!(list.to_vec(), [["b", "cd"], ["ef", "g"]]);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub struct PartitionUnique<T, K = T, F = fn(&T) -> Result<T, Infallible>> {
    size: usize,
    keep: Keep,
    key: F,
    _key: PhantomData<fn(&T) -> K>,
}

impl<T: Clone> PartitionUnique<T> {
    /// Groups of `size` elements, at least one, that all differ.
    pub fn of(size: usize) -> Self {
        Self {
            size,
            keep: Keep::First,
            key: |x| Ok(x.clone()),
            _key: PhantomData,
        }
    }
}

impl<T, K, F> PartitionUnique<T, K, F> {
    /// Elements are told apart by what `key` gives.
    pub fn key<New>(
        self,
        mut key: impl FnMut(&T) -> New + Send + 'static,
    ) -> PartitionUnique<T, New, impl FnMut(&T) -> Result<New, Infallible> + Send + 'static> {
        self.try_key(move |x| Ok(key(x)))
    }

    /// The same with a function that may fail.
    pub fn try_key<New, E, Key>(self, key: Key) -> PartitionUnique<T, New, Key>
    where
        Key: FnMut(&T) -> Result<New, E> + Send + 'static,
    {
        PartitionUnique {
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

impl<T, K, E, F> IntoOperator for PartitionUnique<T, K, F>
where
    T: Element,
    K: Eq + Hash + Send + 'static,
    E: Into<BoxError>,
    F: FnMut(&T) -> Result<K, E> + Send + 'static,
{
    type Operator = PartitioningUnique<T, K, F>;

    fn into_operator(self) -> Result<Self::Operator, BuildError> {
        Ok(PartitioningUnique {
            size: at_least_one("partition_unique", "the size of a group", self.size)?,
            key: self.key,
            group: Distinct::new(self.keep),
        })
    }
}

/// Gathers elements with different keys: what the options [`PartitionUnique`] become.
pub struct PartitioningUnique<T, K, F> {
    size: usize,
    key: F,
    group: Distinct<T, K>,
}

impl<T, K, E, F> PartitioningUnique<T, K, F>
where
    T: Element,
    K: Eq + Hash + Send + 'static,
    E: Into<BoxError>,
    F: FnMut(&T) -> Result<K, E> + Send + 'static,
{
    fn send(&mut self, cx: &mut Context<'_, Self>) -> Flow {
        let (acks, group) = self.group.take();
        cx.emit_with(acks, group)
    }
}

impl<T, K, E, F> Operator for PartitioningUnique<T, K, F>
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

    fn update(&mut self, x: T, cx: &mut Context<'_, Self>) -> Flow {
        match (self.key)(&x) {
            Ok(key) => self.group.push(key, x, cx),
            Err(cause) => return cx.fail(x, cause),
        }
        if self.group.len() == self.size {
            return self.send(cx);
        }
        Ok(())
    }

    fn flush(&mut self, cx: &mut Context<'_, Self>) -> Flow {
        if self.group.is_empty() {
            return Ok(());
        }
        self.send(cx)
    }

    fn resting(&self) -> usize {
        self.group.len()
    }

    fn label(&self) -> Option<String> {
        Some(self.size.to_string())
    }
}

impl<T: Element> Stream<T> {
    /// Gathers elements into groups of `size` that all differ; of equal ones the first is kept, and
    /// the others are dropped.
    ///
    /// A [`drain`](Self::drain) sends the last group, however small. A group has at least one
    /// element: 0 is a mistake, see [`check`](Self::check). To keep the last of equal ones see the
    /// options [`PartitionUnique`].
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
        self.apply(PartitionUnique::of(size))
    }

    /// Gathers elements into groups of `size` with different keys; of those with the same key the
    /// first is kept.
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
        self.apply(PartitionUnique::of(size).key(key))
    }
}
