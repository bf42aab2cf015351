use std::convert::Infallible;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Poll, ready};

use pin_project_lite::pin_project;

use crate::Element;
use crate::debug::shows;
use crate::failure::BoxError;

/// The result of a call: available at once, or by a future. The functions of [`Then`](crate::ops::Then) and
/// [`SinkAsync::stepwise`](crate::ops::SinkAsync::stepwise) return it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<R, Fut> {
    /// The result.
    Done(R),
    /// The future of the result.
    Pending(Fut),
}

/// A user's function, possibly asynchronous.
pub trait Callee<T>: Send + 'static {
    /// Result type of a call.
    type Output: Send + 'static;
    /// Error type of a call.
    type Error: Into<BoxError>;
    /// Future of a call.
    type Future: Future<Output = Result<Self::Output, Self::Error>> + Send + 'static;

    /// Calls the function. Afterwards the element is in `kept` if it is always kept, or if it is `wanted` and the
    /// function consumes its argument; also if the function panics.
    fn call(
        &mut self,
        x: T,
        wanted: bool,
        kept: &mut Option<T>,
    ) -> Result<Step<Self::Output, Self::Future>, Self::Error>;
}

/// An asynchronous function, which consumes its element.
pub struct Takes<F, Fut> {
    f: F,
    /// Whether elements are always kept, so that a failure can name its own.
    keeps: bool,
    _future: PhantomData<fn() -> Fut>,
}

shows!([F, Fut] Takes<F, Fut> { keeps });

impl<F, Fut> Takes<F, Fut> {
    pub(in crate::ops) fn new(f: F) -> Self {
        Self {
            f,
            keeps: true,
            _future: PhantomData,
        }
    }
}

impl<F, Fut> Takes<F, Sure<Fut>> {
    /// One that cannot fail, but may panic: elements are kept only if a policy needs them.
    pub(in crate::ops) fn sure(f: F) -> Self {
        Self {
            f,
            keeps: false,
            _future: PhantomData,
        }
    }
}

impl<T, R, E, F, Fut> Callee<T> for Takes<F, Fut>
where
    T: Element,
    R: Send + 'static,
    E: Into<BoxError>,
    F: FnMut(T) -> Fut + Send + 'static,
    Fut: Future<Output = Result<R, E>> + Send + 'static,
{
    type Output = R;
    type Error = E;
    type Future = Fut;

    fn call(&mut self, x: T, wanted: bool, kept: &mut Option<T>) -> Result<Step<R, Fut>, E> {
        *kept = (self.keeps || wanted).then(|| x.clone());
        Ok(Step::Pending((self.f)(x)))
    }
}

/// A function that may end at once, and borrows its element.
pub struct Borrows<F, Fut> {
    f: F,
    _future: PhantomData<fn() -> Fut>,
}

shows!([F, Fut] Borrows<F, Fut> {});

impl<F, Fut> Borrows<F, Fut> {
    pub(in crate::ops) fn new(f: F) -> Self {
        Self {
            f,
            _future: PhantomData,
        }
    }
}

impl<T, R, E, F, Fut> Callee<T> for Borrows<F, Fut>
where
    T: Element,
    R: Send + 'static,
    E: Into<BoxError>,
    F: FnMut(&T) -> Result<Step<R, Fut>, E> + Send + 'static,
    Fut: Future<Output = Result<R, E>> + Send + 'static,
{
    type Output = R;
    type Error = E;
    type Future = Fut;

    #[inline]
    fn call(&mut self, x: T, _: bool, kept: &mut Option<T>) -> Result<Step<R, Fut>, E> {
        (self.f)(kept.insert(x))
    }
}

pin_project! {
    /// An infallible future in place of a fallible one.
    pub struct Sure<Fut> {
        #[pin]
        future: Fut,
    }
}

impl<Fut> Sure<Fut> {
    pub(in crate::ops) fn new(future: Fut) -> Self {
        Self { future }
    }
}

impl<Fut: Future> Future for Sure<Fut> {
    type Output = Result<Fut::Output, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(Ok(ready!(self.project().future.poll(cx))))
    }
}
