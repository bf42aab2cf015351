use std::any::Any;
use std::convert::Infallible;
use std::marker::PhantomData;

use crate::debug::shows;
use crate::failure::BoxError;
use crate::operator::function_name;
use crate::{Element, OperatorError, Stream, Transform};

/// Keeps a state, and emits something for every element; see [`Stream::accumulate`].
pub struct Accumulate<T, S, R, F> {
    state: Option<S>,
    first: Box<dyn FnMut(T) -> Option<(S, R)> + Send>,
    f: F,
    label: Option<String>,
    _out: PhantomData<fn() -> R>,
}

shows!([T, S, R, F] Accumulate<T, S, R, F> { label });

impl<T, S, R, E, F> Accumulate<T, S, R, F>
where
    F: FnMut(&S, &T) -> Result<(S, R), E>,
{
    /// Creates a node whose function computes the next state and the output from the state and an element.
    pub fn new(start: S, f: F) -> Self {
        Self {
            state: Some(start),
            first: Box::new(|_| None),
            f,
            label: function_name::<F>(),
            _out: PhantomData,
        }
    }
}

impl<T, E, F> Accumulate<T, T, T, F>
where
    T: Element,
    F: FnMut(&T, &T) -> Result<(T, T), E>,
{
    /// The same without an initial state: the first element becomes the state, and is emitted unchanged.
    pub fn without_start(f: F) -> Self {
        Self {
            state: None,
            first: Box::new(|x| Some((x.clone(), x))),
            f,
            label: function_name::<F>(),
            _out: PhantomData,
        }
    }
}

impl<T, S, R, E, F> Accumulate<T, S, R, F>
where
    F: FnMut(&S, &T) -> Result<(S, R), E>,
{
    /// The same with a function that computes the first state and its output from the first element.
    ///
    /// ```
    /// use std::convert::Infallible;
    /// use thalweg::{Stream, ops::Accumulate};
    ///
    /// let source = Stream::new();
    /// let list = source
    ///     .transform(Accumulate::from_first(
    ///         |x: u32| (u64::from(x), None),
    ///         |sum, x| Ok::<_, Infallible>((sum + u64::from(*x), Some(*sum))),
    ///     ))
    ///     .sink_to_list();
    /// source.emit_many([1, 2, 3]).wait()?;
    /// assert_eq!(list.to_vec(), [None, Some(1), Some(3)]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn from_first(mut first: impl FnMut(T) -> (S, R) + Send + 'static, f: F) -> Self {
        Self {
            state: None,
            first: Box::new(move |x| Some(first(x))),
            f,
            label: function_name::<F>(),
            _out: PhantomData,
        }
    }
}

impl<T, S, R, F> Accumulate<T, S, R, F> {
    /// For a function that wraps the user's own, `G`.
    fn named_after<G>(mut self) -> Self {
        self.label = function_name::<G>();
        self
    }
}

impl<T, S, R, E, F> Transform for Accumulate<T, S, R, F>
where
    T: Element,
    S: Send + 'static,
    R: Element,
    E: Into<BoxError>,
    F: FnMut(&S, &T) -> Result<(S, R), E> + Send + 'static,
{
    type In = T;
    type Out = R;
    const KIND: &'static str = "accumulate";
    const CLOSES: bool = false;

    #[inline(always)]
    fn apply(&mut self, x: T) -> Result<Option<R>, OperatorError<T>> {
        let Some(state) = &self.state else {
            return Ok((self.first)(x).map(|(state, result)| {
                self.state = Some(state);
                result
            }));
        };
        match (self.f)(state, &x) {
            Ok((state, result)) => {
                self.state = Some(state);
                Ok(Some(result))
            }
            Err(cause) => Err(OperatorError::new(x, cause)),
        }
    }

    fn traverse(&self, visit: &mut dyn FnMut(&dyn Any)) {
        self.state.iter().for_each(|state| visit(state));
    }

    fn label(&self) -> Option<String> {
        self.label.clone()
    }
}

/// A function of state and element whose output is the new state.
fn twice<S: Clone, T, E>(
    mut f: impl FnMut(&S, &T) -> Result<S, E>,
) -> impl FnMut(&S, &T) -> Result<(S, S), E> {
    move |state, x| f(state, x).map(|state| (state.clone(), state))
}

/// A function of state and element whose output is a pair with the new state.
fn with_state<S: Clone, T, R, E>(
    mut f: impl FnMut(&S, &T) -> Result<(S, R), E>,
) -> impl FnMut(&S, &T) -> Result<(S, (S, R)), E> {
    move |state, x| f(state, x).map(|(state, result)| (state.clone(), (state, result)))
}

/// An infallible function in place of a fallible one.
fn infallible<S, T, R>(
    mut f: impl FnMut(&S, &T) -> R,
) -> impl FnMut(&S, &T) -> Result<R, Infallible> {
    move |state, x| Ok(f(state, x))
}

/// # Accumulating
///
/// The functions borrow the state and return the next one, so that a failed element leaves the state unchanged. Put a
/// large state into an [`Arc`](std::sync::Arc).
///
/// | | without a start | with a start |
/// |---|---|---|
/// | sends the state | [`accumulate`](Self::accumulate) | [`scan`](Self::scan) |
/// | sends something else | | [`stateful_map`](Self::stateful_map) |
/// | sends both | | [`stateful_map_with_state`](Self::stateful_map_with_state) |
impl<T: Element> Stream<T> {
    /// Keeps a state: initially the first element, which is emitted unchanged. For every further element `x` the state
    /// becomes `f(&state, &x)`, and is emitted.
    ///
    /// ```
    /// # use thalweg::Stream;
    /// let source = Stream::new();
    /// let highest = source.accumulate(|max: &i32, x| *max.max(x)).sink_to_list();
    /// source.emit_many([2, 1, 3]).wait()?;
    /// assert_eq!(highest.to_vec(), [2, 2, 3]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn accumulate<F>(&self, f: F) -> Stream<T>
    where
        F: FnMut(&T, &T) -> T + Send + 'static,
    {
        let f = twice(infallible(f));
        self.transform(Accumulate::without_start(f).named_after::<F>())
    }

    /// The same with a function that may fail.
    ///
    /// ```
    /// # use thalweg::Stream;
    /// let source = Stream::new();
    /// let sums = source
    ///     .try_accumulate(|sum: &u8, x| sum.checked_add(*x).ok_or("too large"))
    ///     .sink_to_list();
    /// assert!(source.emit_many([100, 100, 100, 1]).wait().is_err());
    /// assert_eq!(sums.to_vec(), [100, 200, 201]);
    /// ```
    pub fn try_accumulate<F, E>(&self, f: F) -> Stream<T>
    where
        F: FnMut(&T, &T) -> Result<T, E> + Send + 'static,
        E: Into<BoxError> + 'static,
    {
        self.transform(Accumulate::without_start(twice(f)).named_after::<F>())
    }

    /// Keeps a state: for every element `x` it becomes `f(&state, &x)`, and is emitted.
    ///
    /// ```
    /// # use thalweg::Stream;
    /// let source = Stream::new();
    /// let sums = source.scan(0, |sum, x| sum + x).sink_to_list();
    /// source.emit_many([1, 2, 3]).wait()?;
    /// assert_eq!(sums.to_vec(), [1, 3, 6]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn scan<S, F>(&self, start: S, f: F) -> Stream<S>
    where
        S: Element,
        F: FnMut(&S, &T) -> S + Send + 'static,
    {
        let f = twice(infallible(f));
        self.transform(Accumulate::new(start, f).named_after::<F>())
    }

    /// The same with a function that may fail.
    ///
    /// ```
    /// # use thalweg::Stream;
    /// let source = Stream::new();
    /// let sums = source
    ///     .try_scan(0, |sum, x: &&str| x.parse::<i32>().map(|x| sum + x))
    ///     .sink_to_list();
    /// assert!(source.emit_many(["1", "x", "2"]).wait().is_err());
    /// assert_eq!(sums.to_vec(), [1, 3]);
    /// ```
    pub fn try_scan<S, F, E>(&self, start: S, f: F) -> Stream<S>
    where
        S: Element,
        F: FnMut(&S, &T) -> Result<S, E> + Send + 'static,
        E: Into<BoxError> + 'static,
    {
        self.transform(Accumulate::new(start, twice(f)).named_after::<F>())
    }

    /// Keeps a state that differs from the output: for every element `x`, with `(next, y) = f(&state, &x)`, the state
    /// becomes `next`, and `y` is emitted.
    ///
    /// This is streamz's `accumulate` with `returns_state=True`.
    ///
    /// ```
    /// # use thalweg::Stream;
    /// let source = Stream::new();
    /// let differences = source.stateful_map(0, |last, x| (*x, x - last)).sink_to_list();
    /// source.emit_many([1, 4, 9]).wait()?;
    /// assert_eq!(differences.to_vec(), [1, 3, 5]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn stateful_map<S, R, F>(&self, start: S, f: F) -> Stream<R>
    where
        S: Send + 'static,
        R: Element,
        F: FnMut(&S, &T) -> (S, R) + Send + 'static,
    {
        self.transform(Accumulate::new(start, infallible(f)).named_after::<F>())
    }

    /// The same with a function that may fail.
    ///
    /// ```
    /// # use thalweg::Stream;
    /// let source = Stream::new();
    /// let differences = source
    ///     .try_stateful_map(0, |last, x: &u32| match x.checked_sub(*last) {
    ///         Some(difference) => Ok((*x, difference)),
    ///         None => Err("it goes down"),
    ///     })
    ///     .sink_to_list();
    /// assert!(source.emit_many([1, 4, 2, 9]).wait().is_err());
    /// assert_eq!(differences.to_vec(), [1, 3, 5]);
    /// ```
    pub fn try_stateful_map<S, R, E>(
        &self,
        start: S,
        f: impl FnMut(&S, &T) -> Result<(S, R), E> + Send + 'static,
    ) -> Stream<R>
    where
        S: Send + 'static,
        R: Element,
        E: Into<BoxError> + 'static,
    {
        self.transform(Accumulate::new(start, f))
    }

    /// The same as [`stateful_map`](Self::stateful_map), but emits both the state and the output.
    ///
    /// This is streamz's `accumulate` with `returns_state=True` and `with_state=True`.
    ///
    /// ```
    /// # use thalweg::Stream;
    /// let source = Stream::new();
    /// let list = source
    ///     .stateful_map_with_state(0, |count, x| (count + 1, x * 10))
    ///     .sink_to_list();
    /// source.emit_many([5, 6]).wait()?;
    /// assert_eq!(list.to_vec(), [(1, 50), (2, 60)]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn stateful_map_with_state<S, R, F>(&self, start: S, f: F) -> Stream<(S, R)>
    where
        S: Element,
        R: Element,
        F: FnMut(&S, &T) -> (S, R) + Send + 'static,
    {
        let f = with_state(infallible(f));
        self.transform(Accumulate::new(start, f).named_after::<F>())
    }

    /// The same with a function that may fail.
    pub fn try_stateful_map_with_state<S, R, F, E>(&self, start: S, f: F) -> Stream<(S, R)>
    where
        S: Element,
        R: Element,
        F: FnMut(&S, &T) -> Result<(S, R), E> + Send + 'static,
        E: Into<BoxError> + 'static,
    {
        self.transform(Accumulate::new(start, with_state(f)).named_after::<F>())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::test_inputs::outputs;
    use super::*;

    /// Neither commutative nor associative, so that order and grouping show.
    fn step(state: &i64, x: &i64) -> i64 {
        state.wrapping_mul(31).wrapping_sub(*x)
    }

    proptest! {
        #[test]
        fn without_a_start_the_first_element_is_the_state(xs: Vec<i64>) {
            let mut expected = xs.clone();
            for i in 1..xs.len() {
                expected[i] = step(&expected[i - 1], &xs[i]);
            }
            prop_assert_eq!(outputs(xs, |s| s.accumulate(step)), expected);
        }

        #[test]
        fn with_a_start_every_element_is_accumulated(start: i64, xs: Vec<i64>) {
            let expected: Vec<i64> = xs
                .iter()
                .scan(start, |state, x| {
                    *state = step(state, x);
                    Some(*state)
                })
                .collect();
            prop_assert_eq!(outputs(xs.clone(), |s| s.scan(start, step)), expected.clone());
            let results = outputs(xs.clone(), |s| {
                s.stateful_map(start, |state, x| (step(state, x), (*state, *x)))
            });
            let states = std::iter::once(start).chain(expected.clone());
            prop_assert!(results.into_iter().eq(states.zip(xs.clone())));
            let both = outputs(xs.clone(), |s| {
                s.stateful_map_with_state(start, |state, x| (step(state, x), *x))
            });
            prop_assert!(both.into_iter().eq(expected.into_iter().zip(xs)));
        }
    }

    #[test]
    fn a_failure_does_not_change_the_state() {
        let source = Stream::new();
        let sum = |sum: &i32, x: &i32| match x {
            2 => Err("two"),
            3 => panic!("three"),
            x => Ok(sum + x),
        };
        let sums = source.try_scan(0, sum).sink_to_list();
        let raw = source.try_accumulate(sum).sink_to_list();
        for x in [1, 2, 3, 4] {
            assert_eq!(source.emit(x).wait().is_ok(), !(2..=3).contains(&x));
        }
        assert_eq!(sums.to_vec(), [1, 5]);
        // If the failure reaches the emitter first, the rest is skipped: the second node never saw 2 and 3.
        assert_eq!(raw.to_vec(), [1, 5]);
    }

    #[test]
    fn an_accumulate_is_named_after_its_function() {
        let source = Stream::new();
        assert_eq!(source.accumulate(step).name(), "accumulate(step)#2");
        assert_eq!(source.scan(0, step).name(), "accumulate(step)#3");
    }
}
