use std::any::Any;
use std::convert::Infallible;
use std::hash::Hash;
use std::marker::PhantomData;

use hashlink::linked_hash_map::Entry;

use super::parts::{KeyMap, at_least_one};
use crate::debug::shows;
use crate::failure::{BoxError, BuildError};
use crate::{Context, Element, EmitResult, IntoOperator, Never, Operator, Reconfigure, Stream};

/// Options of [`unique`](Stream::unique): a key, and the number of keys to remember; for [`apply`](Stream::apply).
///
/// ```
/// use thalweg::{Stream, ops::UniqueOptions};
///
/// let source = Stream::new();
/// let list = source.apply(UniqueOptions::new().key(|x: &i32| x % 10).history(2)).sink_to_list();
/// source.emit_many([1, 11, 2, 21, 3, 31, 2]).wait()?;
/// // Seeing 21 has kept the 1 in mind, so that the 3 has put the 2 out of it.
/// assert_eq!(list.to_vec(), [1, 2, 3, 2]);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub struct UniqueOptions<T, K = T, F = fn(&T) -> Result<T, Infallible>> {
    history: Option<usize>,
    is_fifo: bool,
    key: F,
    _key: PhantomData<fn(&T) -> K>,
}

shows!([T, K, F] UniqueOptions<T, K, F> { history, is_fifo });

impl<T: Clone> UniqueOptions<T> {
    /// Elements that differ from all before.
    pub fn new() -> Self {
        Self {
            history: None,
            is_fifo: false,
            key: |x| Ok(x.clone()),
            _key: PhantomData,
        }
    }
}

impl<T: Clone> Default for UniqueOptions<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T, K, F> UniqueOptions<T, K, F> {
    /// Elements are compared by `key`.
    pub fn key<New>(
        self,
        mut key: impl FnMut(&T) -> New + Send + 'static,
    ) -> UniqueOptions<T, New, impl FnMut(&T) -> Result<New, Infallible> + Send + 'static> {
        self.try_key(move |x| Ok(key(x)))
    }

    /// The same with a function that may fail.
    pub fn try_key<New, E, Key>(self, key: Key) -> UniqueOptions<T, New, Key>
    where
        Key: FnMut(&T) -> Result<New, E> + Send + 'static,
    {
        UniqueOptions {
            history: self.history,
            is_fifo: self.is_fifo,
            key,
            _key: PhantomData,
        }
    }

    /// Remembers the `size` most recently seen keys, at least one, instead of all keys.
    pub fn history(self, size: usize) -> Self {
        Self {
            history: Some(size),
            ..self
        }
    }

    /// Forgets keys in the order in which they were first seen: a repeated key is not kept longer.
    ///
    /// ```
    /// use thalweg::{Stream, ops::UniqueOptions};
    ///
    /// let source = Stream::new();
    /// let list = source.apply(UniqueOptions::new().history(2).fifo()).sink_to_list();
    /// source.emit_many([1, 2, 1, 3, 1]).wait()?;
    /// assert_eq!(list.to_vec(), [1, 2, 3, 1]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn fifo(self) -> Self {
        Self {
            is_fifo: true,
            ..self
        }
    }
}

impl<T, K, E, F> IntoOperator for UniqueOptions<T, K, F>
where
    T: Element,
    K: Eq + Hash + Send + 'static,
    E: Into<BoxError>,
    F: FnMut(&T) -> Result<K, E> + Send + 'static,
{
    type Operator = Unique<T, K, F>;

    fn into_operator(self) -> Result<Self::Operator, BuildError> {
        if let Some(size) = self.history {
            at_least_one("unique", "the size of the history", size)?;
        }
        Ok(Unique {
            history: self.history.unwrap_or(usize::MAX),
            is_fifo: self.is_fifo,
            key: self.key,
            seen: KeyMap::default(),
            _in: PhantomData,
        })
    }
}

/// Drops elements seen before: the operator of the options [`UniqueOptions`].
pub struct Unique<T, K, F> {
    history: usize,
    is_fifo: bool,
    key: F,
    /// The key that is forgotten last is at the back.
    seen: KeyMap<K, ()>,
    _in: PhantomData<fn(T)>,
}

shows!([T, K, F] Unique<T, K, F> { history, is_fifo });

impl<T, K: Eq + Hash, F> Unique<T, K, F> {
    /// Whether a key was seen before. If not, it is from now on.
    fn was_seen(&mut self, key: K) -> bool {
        // Inserting an existing key moves it to the back.
        if !self.is_fifo {
            return self.seen.insert(key, ()).is_some();
        }
        match self.seen.entry(key) {
            Entry::Occupied(_) => true,
            Entry::Vacant(place) => {
                place.insert(());
                false
            }
        }
    }
}

impl<T, K: Eq + Hash, F> Reconfigure for Unique<T, K, F> {
    fn reconfigure(&mut self, new: Self) {
        self.history = new.history;
        self.is_fifo = new.is_fifo;
        self.key = new.key;
        while self.seen.len() > self.history {
            self.seen.pop_front();
        }
    }
}

impl<T, K, E, F> Operator for Unique<T, K, F>
where
    T: Element,
    K: Eq + Hash + Send + 'static,
    E: Into<BoxError>,
    F: FnMut(&T) -> Result<K, E> + Send + 'static,
{
    type In = T;
    type Out = T;
    type Event = Never;
    const KIND: &'static str = "unique";
    const CLOSES: bool = false;

    fn traverse(&self, visit: &mut dyn FnMut(&dyn Any)) {
        self.seen.iter().for_each(|(key, ())| visit(key));
    }

    fn update(&mut self, x: T, cx: &mut Context<'_, Self>) -> EmitResult {
        let key = match (self.key)(&x) {
            Ok(key) => key,
            Err(cause) => return cx.fail(x, cause),
        };
        if self.was_seen(key) {
            return Ok(());
        }
        if self.seen.len() > self.history {
            self.seen.pop_front();
        }
        cx.emit(x)
    }

    fn label(&self) -> Option<String> {
        (self.history < usize::MAX).then(|| self.history.to_string())
    }
}

impl<T: Element> Stream<T> {
    /// Passes on the elements that differ from all before, and drops the others.
    ///
    /// It remembers every element it has passed on. To limit that, and memory with it, see the options
    /// [`UniqueOptions`].
    ///
    /// ```
    /// # use thalweg::Stream;
    /// let source = Stream::new();
    /// let list = source.unique().sink_to_list();
    /// source.emit_many([1, 2, 1, 3, 2]).wait()?;
    /// assert_eq!(list.to_vec(), [1, 2, 3]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn unique(&self) -> Stream<T>
    where
        T: Eq + Hash,
    {
        self.apply(UniqueOptions::new())
    }

    /// Passes on the elements whose key differs from those of all before. It remembers all keys.
    ///
    /// ```
    /// # use thalweg::Stream;
    /// let source = Stream::new();
    /// let list = source.unique_by(|word: &&str| word.len()).sink_to_list();
    /// source.emit_many(["a", "b", "cd", "e"]).wait()?;
    /// assert_eq!(list.to_vec(), ["a", "cd"]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn unique_by<K>(&self, key: impl FnMut(&T) -> K + Send + 'static) -> Stream<T>
    where
        K: Eq + Hash + Send + 'static,
    {
        self.apply(UniqueOptions::new().key(key))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::test_inputs::{Nan, build_error, outputs};
    use super::*;

    /// The plain model: a list with the last seen in front.
    fn unique(xs: &[u8], history: usize, is_fifo: bool) -> Vec<u8> {
        let mut seen: Vec<u8> = Vec::new();
        let mut out = Vec::new();
        for x in xs {
            match seen.iter().position(|y| x == y) {
                Some(_) if is_fifo => continue,
                Some(place) => {
                    seen.remove(place);
                }
                None => out.push(*x),
            }
            seen.insert(0, *x);
            seen.truncate(history);
        }
        out
    }

    proptest! {
        #[test]
        fn the_most_recently_seen_keys_are_remembered(
            xs in prop::collection::vec(0_u8..8, 0..50),
            history in 1_usize..10,
        ) {
            let bounded = outputs(xs.clone(), |s| s.apply(UniqueOptions::new().history(history)));
            prop_assert_eq!(bounded, unique(&xs, history, false));
            let fifo = outputs(xs.clone(), |s| s.apply(UniqueOptions::new().history(history).fifo()));
            prop_assert_eq!(fifo, unique(&xs, history, true));
            let unbounded = outputs(xs.clone(), Stream::unique);
            prop_assert_eq!(unbounded, unique(&xs, usize::MAX, false));
            let keyed = outputs(xs.clone(), |s| s.unique_by(|x| x / 2).map(|x| x / 2));
            let keys: Vec<u8> = xs.iter().map(|x| x / 2).collect();
            prop_assert_eq!(keyed, unique(&keys, usize::MAX, false));
        }
    }

    #[test]
    fn an_element_with_a_failed_key_does_not_count_as_seen() {
        let mut calls = 0;
        let source = Stream::new();
        let key = move |x: &i32| {
            calls += 1;
            if calls == 1 { Err("at first") } else { Ok(*x) }
        };
        let list = source
            .apply(UniqueOptions::new().try_key(key))
            .sink_to_list();
        assert!(source.emit(1).wait().is_err());
        assert!(source.emit(1).wait().is_ok());
        assert_eq!(list.to_vec(), [1]);
    }

    #[test]
    fn keys_that_differ_from_themselves_are_forgotten() {
        let options = |history| UniqueOptions::new().key(|_: &i32| Nan).history(history);
        let source = Stream::new();
        let unique = source.apply(options(3));
        let kept = |stream: &Stream<i32>| {
            let mut keys = 0;
            assert!(stream.traverse(&mut |_| keys += 1));
            keys
        };
        source.emit_many(0..10).wait().expect("no failure");
        assert_eq!(kept(&unique), 3);
        let fewer = options(2).into_operator().expect("not zero");
        unique.reconfigure(fewer).expect("the same type");
        assert_eq!(kept(&unique), 2);
    }

    #[test]
    fn a_history_of_zero_is_a_build_error() {
        let message = build_error(|s| s.apply(UniqueOptions::new().history(0)));
        assert!(
            message.ends_with("`unique`: the size of the history is at least one, not 0"),
            "{message}"
        );
    }
}
