use std::convert::Infallible;
use std::marker::PhantomData;

use crate::debug::shows;
use crate::failure::BoxError;
use crate::operator::function_name;
use crate::{Element, OperatorError, Stream, Transform};

/// Passes on the elements for which a predicate is true; see [`Stream::filter`].
pub struct Filter<T, P> {
    predicate: P,
    label: Option<String>,
    _in: PhantomData<fn(T)>,
}

shows!([T, P] Filter<T, P> { label });

impl<T, E, P> Filter<T, P>
where
    P: FnMut(&T) -> Result<bool, E>,
{
    /// Creates a node that passes on every `x` with `predicate(&x) == Ok(true)`.
    pub fn new(predicate: P) -> Self {
        Self {
            predicate,
            label: function_name::<P>(),
            _in: PhantomData,
        }
    }
}

impl<T, E, P> Transform for Filter<T, P>
where
    T: Element,
    E: Into<BoxError>,
    P: FnMut(&T) -> Result<bool, E> + Send + 'static,
{
    type In = T;
    type Out = T;
    const KIND: &'static str = "filter";
    const CLOSES: bool = false;

    #[inline(always)]
    fn apply(&mut self, x: T) -> Result<Option<T>, OperatorError<T>> {
        match (self.predicate)(&x) {
            Ok(true) => Ok(Some(x)),
            Ok(false) => Ok(None),
            Err(cause) => Err(OperatorError::new(x, cause)),
        }
    }

    fn label(&self) -> Option<String> {
        self.label.clone()
    }
}

impl<T: Element> Stream<T> {
    /// Passes on the elements for which `predicate` is true.
    ///
    /// ```
    /// # use thalweg::Stream;
    /// let source = Stream::new();
    /// let list = source.filter(|x| x % 2 == 0).sink_to_list();
    /// source.emit_many(0..5).wait()?;
    /// assert_eq!(list.to_vec(), [0, 2, 4]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn filter<P: FnMut(&T) -> bool + Send + 'static>(&self, mut predicate: P) -> Stream<T> {
        let mut filter = Filter::new(move |x: &T| Ok::<_, Infallible>(predicate(x)));
        filter.label = function_name::<P>();
        self.transform(filter)
    }

    /// The same with a predicate that may fail.
    ///
    /// ```
    /// # use thalweg::Stream;
    /// let source = Stream::new();
    /// let list = source.try_filter(|x: &&str| x.parse().map(|x: i32| x > 1)).sink_to_list();
    /// assert!(source.emit_many(["1", "2", "x"]).wait().is_err());
    /// assert_eq!(list.to_vec(), ["2"]);
    /// ```
    pub fn try_filter<E: Into<BoxError> + 'static>(
        &self,
        predicate: impl FnMut(&T) -> Result<bool, E> + Send + 'static,
    ) -> Stream<T> {
        self.transform(Filter::new(predicate))
    }

    /// Drops the elements for which `predicate` is true: the opposite of [`filter`](Self::filter).
    ///
    /// ```
    /// # use thalweg::Stream;
    /// let source = Stream::new();
    /// let list = source.remove(|x| x % 2 == 0).sink_to_list();
    /// source.emit_many(0..5).wait()?;
    /// assert_eq!(list.to_vec(), [1, 3]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn remove(&self, mut predicate: impl FnMut(&T) -> bool + Send + 'static) -> Stream<T> {
        self.filter(move |x| !predicate(x))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::test_inputs::outputs;
    use super::*;

    proptest! {
        #[test]
        fn filter_and_remove_partition_the_elements(xs: Vec<u8>, n in 1_u8..5) {
            let divides = move |x: &u8| x.is_multiple_of(n);
            let (kept, removed): (Vec<u8>, Vec<u8>) = xs.iter().partition(|x| divides(x));
            prop_assert_eq!(outputs(xs.clone(), |s| s.filter(divides)), kept);
            prop_assert_eq!(outputs(xs, |s| s.remove(divides)), removed);
        }
    }

    #[test]
    fn a_failing_predicate_drops_nothing_else() {
        let source = Stream::new();
        let list = source
            .try_filter(|x| if *x == 2 { Err("two") } else { Ok(true) })
            .sink_to_list();
        let error = source.emit_many([1, 2, 3]).wait().expect_err("two");
        assert_eq!(error.failures()[0].element::<i32>(), Some(2));
        assert_eq!(list.to_vec(), [1, 3]);
    }

    #[test]
    fn a_filter_is_named_after_its_predicate() {
        fn is_even(x: &i32) -> bool {
            x % 2 == 0
        }
        assert_eq!(Stream::new().filter(is_even).name(), "filter(is_even)#2");
    }
}
