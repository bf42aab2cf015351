use std::marker::PhantomData;
use std::vec::Drain;

use crate::debug::shows;
use crate::failure::BoxError;
use crate::operator::function_name;
use crate::{Element, Never, OperatorError, Sink, Stream, Transform};

/// Calls a function with every element; see [`Stream::sink`].
pub struct FnSink<T, F> {
    f: F,
    _in: PhantomData<fn(T)>,
}

shows!([T, F] FnSink<T, F> {});

impl<T, F: FnMut(T)> FnSink<T, F> {
    /// Creates a sink that calls `f(x)` for every `x`.
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
    const CLOSES: bool = false;

    #[inline(always)]
    fn apply(&mut self, x: T) -> Result<Option<Never>, OperatorError<T>> {
        (self.f)(x);
        Ok(None)
    }

    fn apply_many(
        &mut self,
        xs: &mut Drain<'_, T>,
        _: &mut Vec<Never>,
    ) -> Result<(), OperatorError<T>> {
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

shows!([T, F] TryFnSink<T, F> {});

impl<T, E, F: FnMut(&T) -> Result<(), E>> TryFnSink<T, F> {
    /// Creates a sink that calls `f(&x)` for every `x`.
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
    const CLOSES: bool = false;

    fn apply(&mut self, x: T) -> Result<Option<Never>, OperatorError<T>> {
        match (self.f)(&x) {
            Ok(()) => Ok(None),
            Err(cause) => Err(OperatorError::new(x, cause)),
        }
    }

    fn label(&self) -> Option<String> {
        function_name::<F>()
    }
}

impl<T: Element> Stream<T> {
    /// Calls `f` with every element.
    ///
    /// The sink lives as long as its upstream; use the returned handle to name it, to set a policy, or to remove it.
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn every_sink_gets_every_element_in_the_order_of_the_sinks() {
        let (sender, received) = mpsc::channel();
        let source = Stream::new();
        for name in ["a", "b"] {
            let sender = sender.clone();
            source.sink(move |x| sender.send((name, x)).expect("it is read below"));
        }
        source.emit_many([1, 2]).wait().expect("they are sunk");
        let received: Vec<_> = received.try_iter().collect();
        assert_eq!(received, [("a", 1), ("b", 1), ("a", 2), ("b", 2)]);
    }

    #[test]
    fn a_sink_outlives_its_handle_until_it_is_destroyed() {
        let (sender, received) = mpsc::channel();
        let source = Stream::new();
        let sink = source.sink(move |x| sender.send(x).expect("it is read below"));
        let kept = sink.clone();
        drop(sink);
        source.emit(1).wait().expect("it is sunk");
        kept.destroy();
        source.emit(2).wait().expect("there is no sink");
        assert_eq!(received.try_iter().collect::<Vec<i32>>(), [1]);
    }

    #[test]
    fn a_failure_names_the_sink_and_the_element() {
        let source = Stream::new();
        source
            .try_sink(|x| if *x == 2 { Err("two") } else { Ok(()) })
            .named("writer");
        let error = source.emit_many([1, 2, 3]).wait().expect_err("two");
        let failure = &error.failures()[0];
        assert_eq!((failure.node(), failure.element()), ("writer", Some(2)));
    }

    #[test]
    fn a_sink_is_named_after_its_function() {
        fn write(_: i32) {}
        assert_eq!(Stream::new().sink(write).stream().name(), "sink(write)#2");
    }
}
