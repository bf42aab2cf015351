use std::convert::Infallible;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Poll, ready};

use pin_project_lite::pin_project;

use crate::Element;
use crate::debug::shows;
use crate::failure::BoxError;

/// What a function makes of an element: a result right away, or a future that will come back with
/// one. It is what the functions of [`Then`](crate::ops::Then) and
/// [`SinkAsync::stepwise`](crate::ops::SinkAsync::stepwise) return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<R, Fut> {
    /// The call has ended with this.
    Done(R),
    /// The call goes on.
    Pending(Fut),
}

/// A user's function whose calls may take their time.
pub trait Callee<T>: Send + 'static {
    /// Result type of a call.
    type Output: Send + 'static;
    /// Error type of a call.
    type Error: Into<BoxError>;
    /// A call that goes on.
    type Future: Future<Output = Result<Self::Output, Self::Error>> + Send + 'static;

    /// Calls it. The element is in `kept` afterwards if it is kept anyway, or `wanted` and the
    /// function takes its own; also if the function panics.
    fn call(
        &mut self,
        x: T,
        wanted: bool,
        kept: &mut Option<T>,
    ) -> Result<Step<Self::Output, Self::Future>, Self::Error>;
}

/// An asynchronous function, which takes its element.
pub struct Takes<F, Fut> {
    f: F,
    /// Whether elements are kept in any case, so that a failure can name its own.
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
    /// One that cannot fail, but may panic: elements are kept only if a policy wants them back.
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

/// A function that may be done at once, and only looks at its element.
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
    /// A future that cannot fail, for where one may.
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
