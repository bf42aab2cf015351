use std::marker::PhantomData;

use crate::debug::shows;
use crate::operator::function_name;
use crate::{Element, OperatorError, Stream, Transform};

/// Calls a function with every element, and passes the element on; see [`Stream::inspect`].
pub struct Inspect<T, F> {
    f: F,
    _in: PhantomData<fn(T)>,
}

shows!([T, F] Inspect<T, F> {});

impl<T, F: FnMut(&T)> Inspect<T, F> {
    /// Creates a node that calls `f(&x)` for every `x`.
    pub fn new(f: F) -> Self {
        Self {
            f,
            _in: PhantomData,
        }
    }
}

impl<T, F> Transform for Inspect<T, F>
where
    T: Element,
    F: FnMut(&T) + Send + 'static,
{
    type In = T;
    type Out = T;
    const KIND: &'static str = "inspect";
    const CLOSES: bool = false;

    #[inline(always)]
    fn apply(&mut self, x: T) -> Result<Option<T>, OperatorError<T>> {
        (self.f)(&x);
        Ok(Some(x))
    }

    fn label(&self) -> Option<String> {
        function_name::<F>()
    }
}

impl<T: Element> Stream<T> {
    /// Calls `f` with every element, and passes the element on.
    ///
    /// ```
    /// # use thalweg::Stream;
    /// let (sender, seen) = std::sync::mpsc::channel();
    /// let source = Stream::new();
    /// let list = source.inspect(move |x: &i32| sender.send(*x).unwrap()).map(|x| -x).sink_to_list();
    /// source.emit(1).wait()?;
    /// assert_eq!(seen.try_recv(), Ok(1));
    /// assert_eq!(list.to_vec(), [-1]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn inspect(&self, f: impl FnMut(&T) + Send + 'static) -> Stream<T> {
        self.transform(Inspect::new(f))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::super::test_inputs::outputs;

    #[test]
    fn elements_are_seen_once_and_passed_on() {
        let (sender, seen) = mpsc::channel();
        let passed = outputs(0..5, |s| {
            s.inspect(move |x| sender.send(*x).expect("it is read below"))
        });
        assert_eq!(passed, [0, 1, 2, 3, 4]);
        assert!(seen.iter().eq(0..5));
    }
}
