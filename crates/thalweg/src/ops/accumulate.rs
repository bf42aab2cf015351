use std::convert::Infallible;
use std::marker::PhantomData;

use crate::failure::BoxError;
use crate::operator::function_name;
use crate::{Element, Fault, Stream, Transform};

/// Keeps a state, and sends something for every element; see [`Stream::accumulate`].
pub struct Accumulate<T, S, R, F> {
    state: Option<S>,
    first: fn(T) -> Option<(S, R)>,
    f: F,
    _out: PhantomData<fn() -> R>,
}

impl<T, S, R, E, F> Accumulate<T, S, R, F>
where
    F: FnMut(&S, &T) -> Result<(S, R), E>,
{
    /// A node that turns its state and an element into the next state and what to send.
    pub fn new(start: S, f: F) -> Self {
        Self {
            state: Some(start),
            first: |_| None,
            f,
            _out: PhantomData,
        }
    }
}

impl<T, E, F> Accumulate<T, T, T, F>
where
    T: Element,
    F: FnMut(&T, &T) -> Result<(T, T), E>,
{
    /// The same without a start: the first element becomes the state, and is sent as it is.
    pub fn without_start(f: F) -> Self {
        Self {
            state: None,
            first: |x| Some((x.clone(), x)),
            f,
            _out: PhantomData,
        }
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

    #[inline(always)]
    fn apply(&mut self, x: T) -> Result<Option<R>, Fault<T>> {
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
            Err(cause) => Err(Fault::new(x, cause)),
        }
    }

    fn label(&self) -> Option<String> {
        function_name::<F>()
    }
}

impl<T: Element> Stream<T> {
    /// Keeps a state: for every element `x`, the state becomes `f(&state, x)`, and is sent.
    ///
    /// ```
    /// # use thalweg::Stream;
    /// let source = Stream::new();
    /// let sums = source.scan(0, |sum, x| sum + x).sink_to_list();
    /// source.emit_many([1, 2, 3]).wait()?;
    /// assert_eq!(sums.to_vec(), [1, 3, 6]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn scan<S: Element>(
        &self,
        start: S,
        mut f: impl FnMut(&S, &T) -> S + Send + 'static,
    ) -> Stream<S> {
        self.transform(Accumulate::new(start, move |state: &S, x: &T| {
            let state = f(state, x);
            Ok::<_, Infallible>((state.clone(), state))
        }))
    }
}
