use std::marker::PhantomData;

use crate::debug::shows;
use crate::failure::BoxError;
use crate::operator::function_name;
use crate::{Element, OperatorError, Stream, Transform};

/// Maps some elements, and drops the others; see [`Stream::filter_map`].
pub struct FilterMap<T, F> {
    f: F,
    _in: PhantomData<fn(T)>,
}

shows!([T, F] FilterMap<T, F> {});

impl<T, U, F: FnMut(T) -> Option<U>> FilterMap<T, F> {
    /// Creates a node that emits `y` for every `x` with `f(x) == Some(y)`.
    pub fn new(f: F) -> Self {
        Self {
            f,
            _in: PhantomData,
        }
    }
}

impl<T, U, F> Transform for FilterMap<T, F>
where
    T: Element,
    U: Element,
    F: FnMut(T) -> Option<U> + Send + 'static,
{
    type In = T;
    type Out = U;
    const KIND: &'static str = "filter_map";
    const CLOSES: bool = false;

    #[inline(always)]
    fn apply(&mut self, x: T) -> Result<Option<U>, OperatorError<T>> {
        Ok((self.f)(x))
    }

    fn label(&self) -> Option<String> {
        function_name::<F>()
    }
}

/// Maps some elements by a function that may fail, and drops the others; see [`Stream::try_filter_map`].
pub struct TryFilterMap<T, F> {
    f: F,
    _in: PhantomData<fn(T)>,
}

shows!([T, F] TryFilterMap<T, F> {});

impl<T, U, E, F: FnMut(&T) -> Result<Option<U>, E>> TryFilterMap<T, F> {
    /// Creates a node that emits `y` for every `x` with `f(&x) == Ok(Some(y))`.
    pub fn new(f: F) -> Self {
        Self {
            f,
            _in: PhantomData,
        }
    }
}

impl<T, U, E, F> Transform for TryFilterMap<T, F>
where
    T: Element,
    U: Element,
    E: Into<BoxError>,
    F: FnMut(&T) -> Result<Option<U>, E> + Send + 'static,
{
    type In = T;
    type Out = U;
    const KIND: &'static str = "try_filter_map";
    const CLOSES: bool = false;

    #[inline(always)]
    fn apply(&mut self, x: T) -> Result<Option<U>, OperatorError<T>> {
        (self.f)(&x).map_err(|cause| OperatorError::new(x, cause))
    }

    fn label(&self) -> Option<String> {
        function_name::<F>()
    }
}

impl<T: Element> Stream<T> {
    /// Emits `y` for every element `x` with `f(x) == Some(y)`, and drops the others.
    ///
    /// ```
    /// # use thalweg::Stream;
    /// let source = Stream::new();
    /// let list = source.filter_map(|text: &str| text.strip_prefix('#')).sink_to_list();
    /// source.emit_many(["#a", "b", "#c"]).wait()?;
    /// assert_eq!(list.to_vec(), ["a", "c"]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn filter_map<U: Element>(
        &self,
        f: impl FnMut(T) -> Option<U> + Send + 'static,
    ) -> Stream<U> {
        self.transform(FilterMap::new(f))
    }

    /// The same with a function that may fail. It borrows the element, like that of [`try_map`](Self::try_map).
    ///
    /// ```
    /// # use thalweg::Stream;
    /// let source = Stream::new();
    /// let numbers = source.try_filter_map(|text: &&str| match *text {
    ///     "" => Ok(None),
    ///     text => text.parse::<i32>().map(Some),
    /// });
    /// let list = numbers.sink_to_list();
    /// assert!(source.emit_many(["1", "", "x", "2"]).wait().is_err());
    /// assert_eq!(list.to_vec(), [1, 2]);
    /// ```
    pub fn try_filter_map<U, E>(
        &self,
        f: impl FnMut(&T) -> Result<Option<U>, E> + Send + 'static,
    ) -> Stream<U>
    where
        U: Element,
        E: Into<BoxError> + 'static,
    {
        self.transform(TryFilterMap::new(f))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::test_inputs::outputs;

    proptest! {
        #[test]
        fn filter_map_matches_the_iterator_method(xs: Vec<u8>) {
            let f = |x: u8| x.checked_sub(100);
            let expected: Vec<u8> = xs.iter().copied().filter_map(f).collect();
            prop_assert_eq!(outputs(xs.clone(), |s| s.filter_map(f)), expected.clone());
            let tried = outputs(xs, |s| s.try_filter_map(move |x| Ok::<_, &str>(f(*x))));
            prop_assert_eq!(tried, expected);
        }
    }
}
