use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::marker::PhantomData;

use super::parts::at_least_one;
use crate::failure::BuildError;
use crate::{
    Acks, Context, Element, Emit, EmitResult, Error, Never, Operator, OperatorError, Stream,
    Transform,
};

/// A [`collect`](Stream::collect) node: the stream of its outputs, and the flush.
///
/// ```
/// # use thalweg::Stream;
/// let source = Stream::new();
/// let collected = source.collect();
/// let list = collected.stream().sink_to_list();
/// source.emit_many([1, 2]).wait()?;
/// assert!(list.is_empty());
/// collected.flush().wait()?;
/// source.emit(3).wait()?;
/// collected.flush().wait()?;
/// assert_eq!(list.to_vec(), [vec![1, 2], vec![3]]);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub struct Collector<T> {
    gathered: Stream<Gathered<T>>,
    stream: Stream<Vec<T>>,
}

impl<T> Clone for Collector<T> {
    fn clone(&self) -> Self {
        Self {
            gathered: self.gathered.clone(),
            stream: self.stream.clone(),
        }
    }
}

impl<T> fmt::Debug for Collector<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Collector").field(&self.stream).finish()
    }
}

impl<T: Element> Collector<T> {
    /// Emits everything collected so far as one element, even if it is empty. The result waits until it has been
    /// accepted, and returns failures, like that of an [`emit`](Stream::emit).
    pub fn flush(&self) -> Emit {
        self.gathered.emit(Gathered::Flush)
    }

    /// Flushes whenever `trigger` emits an element, whose emitter waits.
    ///
    /// The two pipelines become one. A function that calls [`flush`](Self::flush) has the same effect, but inside the
    /// same pipeline it keeps the pipeline alive, since it holds a handle of it.
    ///
    /// # Errors
    /// The two run on different event loops.
    ///
    /// ```
    /// # use thalweg::Stream;
    /// // Every tenth element flushes the collection.
    /// let source = Stream::new();
    /// let collected = source.collect();
    /// collected.flush_on(&source.filter(|x| x % 10 == 0))?;
    /// let list = collected.stream().sink_to_list();
    /// source.emit_many(1..=20).wait()?;
    /// assert_eq!(list.to_vec(), [Vec::from_iter(1..=10), Vec::from_iter(11..=20)]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn flush_on<U: Element>(&self, trigger: &Stream<U>) -> Result<(), Error> {
        trigger.map(|_| Gathered::<T>::Flush).connect(&self.stream)
    }

    /// The emitted tuple.
    pub fn stream(&self) -> &Stream<Vec<T>> {
        &self.stream
    }
}

/// Input of a collecting node.
#[derive(Clone)]
enum Gathered<T> {
    Element(T),
    Flush,
}

/// Passes elements to the collecting node; flushes are emitted there.
struct Gather<T>(PhantomData<fn(T)>);

impl<T: Element> Transform for Gather<T> {
    type In = T;
    type Out = Gathered<T>;
    const KIND: &'static str = "gather";
    const CLOSES: bool = false;

    fn apply(&mut self, x: T) -> Result<Option<Gathered<T>>, OperatorError<T>> {
        Ok(Some(Gathered::Element(x)))
    }
}

/// Keeps elements until it is flushed.
struct Collect<T> {
    kept: VecDeque<(T, Acks)>,
    /// Maximum number of elements kept.
    last: usize,
}

impl<T: Element> Collect<T> {
    fn send(&mut self, cx: &mut Context<'_, Self>) -> EmitResult {
        let (xs, acks): (Vec<T>, Vec<Acks>) = std::mem::take(&mut self.kept).into_iter().unzip();
        cx.emit_with(Acks::merge(&acks), xs)
    }
}

impl<T: Element> Operator for Collect<T> {
    type In = Gathered<T>;
    type Out = Vec<T>;
    type Event = Never;
    const KIND: &'static str = "collect";
    const CLOSES: bool = false;

    fn traverse(&self, visit: &mut dyn FnMut(&dyn Any)) {
        self.kept.iter().for_each(|(x, _)| visit(x));
    }

    fn update(&mut self, x: Gathered<T>, cx: &mut Context<'_, Self>) -> EmitResult {
        match x {
            Gathered::Element(x) => {
                if self.kept.len() == self.last {
                    self.kept.pop_front();
                }
                self.kept.push_back((x, cx.acks()));
                Ok(())
            }
            Gathered::Flush => self.send(cx),
        }
    }

    fn flush(&mut self, cx: &mut Context<'_, Self>) -> EmitResult {
        if self.kept.is_empty() {
            return Ok(());
        }
        self.send(cx)
    }

    fn buffered(&self) -> usize {
        self.kept.len()
    }
}

impl<T: Element> Stream<T> {
    /// Collects elements until [`flush`](Collector::flush) is called, or until a [`drain`](Self::drain).
    ///
    /// It keeps all elements; for a limit see [`collect_last`](Self::collect_last).
    ///
    /// ```
    /// # use thalweg::Stream;
    /// let source = Stream::new();
    /// let collected = source.collect();
    /// let list = collected.stream().sink_to_list();
    /// source.emit_many([1, 2]).wait()?;
    /// collected.flush().wait()?;
    /// assert_eq!(list.to_vec(), [[1, 2]]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn collect(&self) -> Collector<T> {
        self.collect_checked(Ok(usize::MAX))
    }

    /// The same, but keeps only the last `n` elements, at least one: 0 is a build error, see [`check`](Self::check).
    ///
    /// ```
    /// # use thalweg::Stream;
    /// let source = Stream::new();
    /// let collected = source.collect_last(2);
    /// let list = collected.stream().sink_to_list();
    /// source.emit_many(1..=5).wait()?;
    /// collected.flush().wait()?;
    /// assert_eq!(list.to_vec(), [[4, 5]]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn collect_last(&self, n: usize) -> Collector<T> {
        self.collect_checked(at_least_one("collect", "the number of elements kept", n))
    }

    fn collect_checked(&self, last: Result<usize, BuildError>) -> Collector<T> {
        let gathered = self.transform(Gather(PhantomData));
        let stream = gathered.apply(last.map(|last| Collect {
            kept: VecDeque::new(),
            last,
        }));
        Collector { gathered, stream }
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_inputs::{Bench, ms};
    use crate::{Stream, VirtualClock};

    #[test]
    fn a_flush_sends_the_collection_even_if_empty() {
        let source = Stream::new();
        let collected = source.collect();
        let list = collected.stream().sink_to_list();
        collected.flush().wait().expect("it is taken");
        source.emit_many([1, 2]).wait().expect("they are kept");
        collected.flush().wait().expect("it is taken");
        assert_eq!(list.to_vec(), [vec![], vec![1, 2]]);
        source.drain("1s").wait().expect("nothing is left");
        assert_eq!(list.len(), 2);
    }

    #[test]
    fn a_drain_sends_the_rest_and_ends_the_flushes() {
        let source = Stream::new();
        let collected = source.collect();
        let list = collected.stream().sink_to_list();
        source.emit_many([1, 2]).wait().expect("they are kept");
        assert_eq!(collected.stream().counters().held, 2);
        source.drain("1s").wait().expect("the rest is delivered");
        assert_eq!(list.to_vec(), [[1, 2]]);
        assert!(collected.flush().wait().expect_err("too late").is_closed());
    }

    #[test]
    fn flushing_waits_and_so_do_the_tokens() {
        let mut collector = None;
        let bench = Bench::with_slow_sink(ms(100), |s| {
            let collected = s.collect();
            collector = Some(collected.clone());
            collected.stream().clone()
        });
        let collector = collector.expect("it was made");
        assert!(bench.emit(1).is_ready() && bench.emit(2).is_ready());
        let flushed = collector.flush();
        bench.advance_to(50);
        assert!(!flushed.is_ready() && bench.acked().is_empty());
        bench.advance_to(100);
        assert!(flushed.is_ready());
        assert_eq!(bench.acked(), [1, 2]);
    }

    #[test]
    fn failures_are_reported_to_the_caller_of_flush() {
        let source = Stream::new();
        let collected = source.collect();
        collected
            .stream()
            .try_sink(|xs: &Vec<i32>| if xs.len() > 1 { Err("many") } else { Ok(()) });
        source.emit_many([1, 2]).wait().expect("they are kept");
        let error = collected.flush().wait().expect_err("many");
        assert_eq!(error.failures()[0].element(), Some(vec![1, 2]));
        source.emit(3).wait().expect("it is kept");
        collected.flush().wait().expect("one is few");
    }

    #[test]
    fn a_trigger_waits_for_the_flushed_collection() {
        let trigger = Stream::new();
        let bench = Bench::with_slow_sink(ms(100), |s| {
            let collected = s.collect();
            collected.flush_on(&trigger).expect("one has no loop yet");
            collected.stream().clone()
        });
        assert!(bench.emit(1).is_ready() && bench.emit(2).is_ready());
        let flushed = trigger.emit("now");
        assert!(!flushed.is_ready());
        bench.advance_to(100);
        assert!(flushed.is_ready());
        assert_eq!(bench.take(), [(100, vec![1, 2])]);
    }

    #[test]
    fn only_the_last_elements_are_kept_and_others_released() {
        let mut collector = None;
        let bench = Bench::new(|s| {
            let collected = s.collect_last(2);
            collector = Some(collected.clone());
            collected.stream().clone()
        });
        for x in 0..5 {
            assert!(bench.emit(x).is_ready());
        }
        assert_eq!(bench.acked(), [0, 1, 2]);
        collector
            .expect("it was made")
            .flush()
            .wait()
            .expect("it is taken");
        assert_eq!(bench.take(), [(0, vec![3, 4])]);
        assert_eq!(bench.acked(), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn a_size_of_zero_is_a_build_error() {
        let source = Stream::<i32>::on(VirtualClock::new());
        let _collected = source.collect_last(0);
        let message = source.check().expect_err("none").to_string();
        assert!(
            message.ends_with("`collect`: the number of elements kept is at least one, not 0"),
            "{message}"
        );
    }
}
