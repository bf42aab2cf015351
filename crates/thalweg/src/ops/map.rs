use std::marker::PhantomData;
use std::vec::Drain;

use crate::debug::shows;
use crate::failure::BoxError;
use crate::operator::function_name;
use crate::{Element, OperatorError, Stream, Transform};

/// Applies a function to every element; see [`Stream::map`].
pub struct Map<T, F> {
    f: F,
    _in: PhantomData<fn(T)>,
}

shows!([T, F] Map<T, F> {});

impl<T, U, F> Map<T, F>
where
    F: FnMut(T) -> U,
{
    /// Creates a node that emits `f(x)` for every `x`.
    pub fn new(f: F) -> Self {
        Self {
            f,
            _in: PhantomData,
        }
    }
}

impl<T, U, F> Transform for Map<T, F>
where
    T: Element,
    U: Element,
    F: FnMut(T) -> U + Send + 'static,
{
    type In = T;
    type Out = U;
    const KIND: &'static str = "map";
    const CLOSES: bool = false;

    #[inline(always)]
    fn apply(&mut self, x: T) -> Result<Option<U>, OperatorError<T>> {
        Ok(Some((self.f)(x)))
    }

    fn apply_many(
        &mut self,
        xs: &mut Drain<'_, T>,
        out: &mut Vec<U>,
    ) -> Result<(), OperatorError<T>> {
        out.extend(xs.map(&mut self.f));
        Ok(())
    }

    fn label(&self) -> Option<String> {
        function_name::<F>()
    }
}

/// Applies a function that may fail to every element; see [`Stream::try_map`].
pub struct TryMap<T, F> {
    f: F,
    _in: PhantomData<fn(T)>,
}

shows!([T, F] TryMap<T, F> {});

impl<T, U, E, F> TryMap<T, F>
where
    F: FnMut(&T) -> Result<U, E>,
{
    /// Creates a node that emits `y` for every `x` with `f(&x) == Ok(y)`.
    pub fn new(f: F) -> Self {
        Self {
            f,
            _in: PhantomData,
        }
    }
}

impl<T, U, E, F> Transform for TryMap<T, F>
where
    T: Element,
    U: Element,
    E: Into<BoxError>,
    F: FnMut(&T) -> Result<U, E> + Send + 'static,
{
    type In = T;
    type Out = U;
    const KIND: &'static str = "try_map";
    const CLOSES: bool = false;

    #[inline(always)]
    fn apply(&mut self, x: T) -> Result<Option<U>, OperatorError<T>> {
        match (self.f)(&x) {
            Ok(y) => Ok(Some(y)),
            Err(cause) => Err(OperatorError::new(x, cause)),
        }
    }

    fn label(&self) -> Option<String> {
        function_name::<F>()
    }
}

impl<T: Element> Stream<T> {
    /// Emits `f(x)` for every element `x`.
    ///
    /// For functions that may fail, see [`try_map`](Self::try_map); for asynchronous ones,
    /// [`map_async`](Self::map_async).
    ///
    /// ```
    /// # use thalweg::Stream;
    /// let source = Stream::new();
    /// let list = source.map(|x| x + 1).sink_to_list();
    /// source.emit_many([1, 2, 3]).wait()?;
    /// assert_eq!(list.to_vec(), [2, 3, 4]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn map<U: Element>(&self, f: impl FnMut(T) -> U + Send + 'static) -> Stream<U> {
        self.transform(Map::new(f))
    }

    /// Emits `y` for every element `x` with `f(&x) == Ok(y)`.
    ///
    /// The function borrows the element, so that a failure can name it, and the policy set with
    /// [`on_error`](Self::on_error) can retry or route it.
    ///
    /// ```
    /// # use thalweg::{OnError, Stream};
    /// let source = Stream::new();
    /// let list = source
    ///     .try_map(|text: &&str| text.parse::<f64>())
    ///     .on_error(OnError::Skip)
    ///     .sink_to_list();
    /// source.emit_many(["1.5", "?", "2"]).wait()?;
    /// assert_eq!(list.to_vec(), [1.5, 2.0]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn try_map<U, E>(&self, f: impl FnMut(&T) -> Result<U, E> + Send + 'static) -> Stream<U>
    where
        U: Element,
        E: Into<BoxError> + 'static,
    {
        self.transform(TryMap::new(f))
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_inputs::outputs;
    use crate::{Stream, Transform};

    use super::*;

    #[test]
    fn every_element_is_mapped_in_order() {
        let mapped = outputs(0..1000, |s| s.map(|x| x * 2));
        assert!(mapped.into_iter().eq((0..1000).map(|x| x * 2)));
    }

    #[test]
    fn a_batch_gives_the_same_as_one_by_one() {
        let mut map = Map::new(|x: i32| x + 1);
        let (mut xs, mut out) = (vec![1, 2, 3], Vec::new());
        map.apply_many(&mut xs.drain(..), &mut out)
            .expect("map cannot fail");
        assert_eq!(out, [2, 3, 4]);
    }

    #[test]
    fn a_failure_holds_its_element_and_the_others_pass() {
        let source = Stream::new();
        let list = source
            .try_map(|text: &&str| text.parse::<i32>())
            .sink_to_list();
        let error = source.emit_many(["1", "x", "3"]).wait().expect_err("x");
        assert_eq!(error.failures()[0].element::<&str>(), Some("x"));
        assert_eq!(error.failures()[0].ordinal(), 2);
        assert_eq!(list.to_vec(), [1, 3]);
    }

    #[test]
    fn a_map_is_named_after_its_function() {
        fn double(x: i32) -> i32 {
            x * 2
        }
        let source = Stream::new();
        assert_eq!(source.map(double).name(), "map(double)#2");
        assert_eq!(source.map(|x| x).name(), "map#3");
    }
}
