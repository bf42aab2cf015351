use std::marker::PhantomData;
use std::vec::Drain;

use crate::failure::BoxError;
use crate::operator::function_name;
use crate::{Element, Fault, Never, Sink, Stream, Transform};

/// Calls a function with every element; see [`Stream::sink`].
pub struct FnSink<T, F> {
    f: F,
    _in: PhantomData<fn(T)>,
}

impl<T, F: FnMut(T)> FnSink<T, F> {
    /// A sink that calls `f(x)` for every `x`.
    pub fn new(f: F) -> Self {
        Self {
            f,
            _in: PhantomData,
        }
    }
}

impl<T, F> Transform for FnSink<T, F>
where
    T: Element,
    F: FnMut(T) + Send + 'static,
{
    type In = T;
    type Out = Never;
    const KIND: &'static str = "sink";
    const SINK: bool = true;

    #[inline(always)]
    fn apply(&mut self, x: T) -> Result<Option<Never>, Fault<T>> {
        (self.f)(x);
        Ok(None)
    }

    fn apply_many(&mut self, xs: &mut Drain<'_, T>, _: &mut Vec<Never>) -> Result<(), Fault<T>> {
        xs.for_each(&mut self.f);
        Ok(())
    }

    fn label(&self) -> Option<String> {
        function_name::<F>()
    }
}

/// Calls a function that may fail with every element; see [`Stream::try_sink`].
pub struct TryFnSink<T, F> {
    f: F,
    _in: PhantomData<fn(T)>,
}

impl<T, E, F: FnMut(&T) -> Result<(), E>> TryFnSink<T, F> {
    /// A sink that calls `f(&x)` for every `x`.
    pub fn new(f: F) -> Self {
        Self {
            f,
            _in: PhantomData,
        }
    }
}

impl<T, E, F> Transform for TryFnSink<T, F>
where
    T: Element,
    E: Into<BoxError>,
    F: FnMut(&T) -> Result<(), E> + Send + 'static,
{
    type In = T;
    type Out = Never;
    const KIND: &'static str = "try_sink";
    const SINK: bool = true;

    fn apply(&mut self, x: T) -> Result<Option<Never>, Fault<T>> {
        match (self.f)(&x) {
            Ok(()) => Ok(None),
            Err(cause) => Err(Fault::new(x, cause)),
        }
    }

    fn label(&self) -> Option<String> {
        function_name::<F>()
    }
}

impl<T: Element> Stream<T> {
    /// Calls `f` with every element.
    ///
    /// The sink stays as long as its upstream does; the handle returned is for naming it, giving it a
    /// policy, or taking it away.
    ///
    /// ```
    /// # use thalweg::Stream;
    /// let (sender, receiver) = std::sync::mpsc::channel();
    /// let source = Stream::new();
    /// source.sink(move |x| sender.send(x).unwrap());
    /// source.emit(5).wait()?;
    /// assert_eq!(receiver.try_recv(), Ok(5));
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn sink(&self, f: impl FnMut(T) + Send + 'static) -> Sink {
        Sink::new(self.transform(FnSink::new(f)))
    }

    /// Calls `f`, which may fail, with every element.
    ///
    /// ```
    /// # use thalweg::Stream;
    /// let source = Stream::new();
    /// source.try_sink(|x: &i32| if *x > 0 { Ok(()) } else { Err("too small") });
    /// assert!(source.emit(1).wait().is_ok());
    /// assert!(source.emit(0).wait().is_err());
    /// ```
    pub fn try_sink<E: Into<BoxError> + 'static>(
        &self,
        f: impl FnMut(&T) -> Result<(), E> + Send + 'static,
    ) -> Sink {
        Sink::new(self.transform(TryFnSink::new(f)))
    }
}
