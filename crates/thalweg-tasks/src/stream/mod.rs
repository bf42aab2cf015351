//! Streams on a client.

mod closures;
mod here;
mod join;
#[cfg(test)]
mod tests;
mod waits;

use crate::client::Client;
use crate::error::TaskError;
use crate::parallel::{Outcome, Part, Queue, Strand};
use closures::{ClosureSteps, Threads, Value, failed, owned, value_of};
use std::convert::Infallible;
use std::hash::Hash;
use std::marker::PhantomData;
use std::sync::{Arc, OnceLock};
use thalweg::ops::Settle;
use thalweg::{BuildError, CurrentCall, Element, Stream};
use waits::Waits;

/// Moves a stream onto a client.
pub trait Scatter<T> {
    /// Returns a stream whose functions run on the client, until [`gather`](ParallelStream::gather) brings it back.
    ///
    /// ```
    /// use thalweg::Stream;
    /// use thalweg_tasks::{Client, Scatter};
    ///
    /// let client = Client::threads(2)?;
    /// let source = Stream::new();
    /// let list = source.scatter(&client).map(|x: u64| x * x).buffer(5).gather().sink_to_list();
    /// for x in 0..5 {
    ///     source.emit(x).wait()?;
    /// }
    /// source.drain("10s").wait()?;
    /// assert_eq!(list.to_vec(), [0, 1, 4, 9, 16]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn scatter(&self, client: &Client) -> ParallelStream<T>;
}

impl<T: Element + Sync> Scatter<T> for Stream<T> {
    fn scatter(&self, client: &Client) -> ParallelStream<T> {
        let queue = Queue::new(Threads(client.clone()));
        ParallelStream::of_values(self, &queue, Waits::default())
    }
}

/// A stream whose functions run on a client.
///
/// Consecutive functions are called one after the other on the same thread. Operators that depend on which elements
/// exist, or their order, wait for the values, in order, and run in the pipeline.
///
/// The emitter of an element waits until it has come through [`gather`](Self::gather), or waits in a
/// [`buffer`](Self::buffer) or a window. So several are in flight behind a buffer, with several emitters, or with
/// [`emit_many`](Stream::emit_many) and sources, which send as many as the client runs at a
/// time, and as many again, so that no thread waits for the next.
///
/// A function that panics, or returns an error, fails only its element. The failure appears where the values are waited
/// for, and is handled by the policy of that stream.
#[must_use = "without `gather` the results go nowhere"]
pub struct ParallelStream<T> {
    parts: Stream<Part<ClosureSteps>>,
    queue: Arc<Queue<ClosureSteps>>,
    /// Whether it comes from a buffer.
    is_buffered: bool,
    waits: Waits,
    of: PhantomData<fn() -> T>,
}

impl<T> Clone for ParallelStream<T> {
    fn clone(&self) -> Self {
        Self {
            is_buffered: self.is_buffered,
            ..Self::new(self.parts.clone(), &self.queue, self.waits.clone())
        }
    }
}

impl<T> ParallelStream<T> {
    fn new(
        parts: Stream<Part<ClosureSteps>>,
        queue: &Arc<Queue<ClosureSteps>>,
        waits: Waits,
    ) -> Self {
        Self {
            parts,
            queue: queue.clone(),
            is_buffered: false,
            waits,
            of: PhantomData,
        }
    }

    /// The step's function.
    fn step<U>(
        &self,
        step: impl Fn(Value) -> Outcome<ClosureSteps> + Send + Sync + 'static,
    ) -> ParallelStream<U> {
        let call = Arc::new(OnceLock::<CurrentCall>::new());
        let called = call.clone();
        let step: Arc<Box<dyn Fn(Value) -> Outcome<ClosureSteps> + Send + Sync>> =
            Arc::new(Box::new(move |x| match called.get() {
                Some(call) => call.enter(|| step(x)),
                None => step(x),
            }));
        let parts = self.parts.map(move |part| part.then(step.clone()));
        // No element has arrived yet.
        let _ = call.set(parts.outside_call());
        ParallelStream::new(parts, &self.queue, self.waits.clone())
    }

    /// The same elements, bound for the client.
    fn launched(&self) -> Stream<Part<ClosureSteps>> {
        self.parts.map(|part: Part<ClosureSteps>| {
            part.launch();
            part
        })
    }
}

impl<T: Element + Sync> ParallelStream<T> {
    /// Local values.
    fn of_values(values: &Stream<T>, queue: &Arc<Queue<ClosureSteps>>, waits: Waits) -> Self {
        let on = queue.clone();
        let parts = values.map(move |x| Part::settled(&on, Outcome::Value(Arc::new(x) as Value)));
        Self::new(parts, queue, waits)
    }

    /// Calls a function for each element.
    pub fn map<U: Element + Sync>(
        &self,
        f: impl Fn(T) -> U + Send + Sync + 'static,
    ) -> ParallelStream<U> {
        self.try_map(move |x| Ok::<_, Infallible>(f(x)))
    }

    /// Calls a function that may fail for each element.
    ///
    /// ```
    /// use thalweg::{OnError::Skip, Stream};
    /// use thalweg_tasks::{Client, Scatter};
    ///
    /// let client = Client::threads(2)?;
    /// let source = Stream::new();
    /// let numbers = source.scatter(&client).try_map(|text: &str| text.parse::<i32>());
    /// let list = numbers.gather().on_error(Skip).sink_to_list();
    /// for text in ["1", "?", "3"] {
    ///     source.emit(text).wait()?;
    /// }
    /// assert_eq!(list.to_vec(), [1, 3]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_map<U, E>(
        &self,
        f: impl Fn(T) -> Result<U, E> + Send + Sync + 'static,
    ) -> ParallelStream<U>
    where
        U: Element + Sync,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.step(move |x| match f(owned(x)) {
            Ok(y) => Outcome::Value(Arc::new(y) as Value),
            Err(error) => failed(TaskError::new(error)),
        })
    }

    /// Passes on the elements for which a function, on the client, returns `true`.
    ///
    /// Downstream receives the remaining elements, in order.
    ///
    /// ```
    /// use thalweg::Stream;
    /// use thalweg_tasks::{Client, Scatter};
    ///
    /// let client = Client::threads(2)?;
    /// let source = Stream::new();
    /// let even = source.scatter(&client).filter(|x: &i32| x % 2 == 0);
    /// let list = even.partition(2).gather().sink_to_list();
    /// for x in 0..8 {
    ///     source.emit(x).wait()?;
    /// }
    /// assert_eq!(list.to_vec(), [vec![0, 2], vec![4, 6]]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn filter(&self, predicate: impl Fn(&T) -> bool + Send + Sync + 'static) -> Self {
        self.step(move |x| {
            let passes = x.downcast_ref().is_some_and(&predicate);
            if passes {
                Outcome::Value(x)
            } else {
                Outcome::Dropped
            }
        })
    }

    /// Drops elements whose key, computed on the client, has occurred before.
    ///
    /// ```
    /// use thalweg::Stream;
    /// use thalweg_tasks::{Client, Scatter};
    ///
    /// let client = Client::threads(2)?;
    /// let source = Stream::new();
    /// let list = source.scatter(&client).unique_by(|x: &i32| x % 3).gather().sink_to_list();
    /// for x in 0..8 {
    ///     source.emit(x).wait()?;
    /// }
    /// assert_eq!(list.to_vec(), [0, 1, 2]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn unique_by<K>(&self, key: impl Fn(&T) -> K + Send + Sync + 'static) -> Self
    where
        K: Element + Sync + Eq + Hash,
    {
        let keyed = self.map(move |x| {
            let key = key(&x);
            (x, key)
        });
        keyed.here(|pairs| {
            let unique = pairs.unique_by(|(_, key): &(T, K)| key.clone());
            unique.map(|(x, _)| x)
        })
    }

    /// Folds elements into a state that stays on the client: each time a function computes the next state, which is
    /// emitted.
    ///
    /// A function that fails leaves the state as it was.
    ///
    /// ```
    /// use thalweg::Stream;
    /// use thalweg_tasks::{Client, Scatter};
    ///
    /// let client = Client::threads(2)?;
    /// let source = Stream::new();
    /// let sums = source.scatter(&client).scan(0, |sum, x: i32| sum + x);
    /// let list = sums.gather().sink_to_list();
    /// for x in 1..=4 {
    ///     source.emit(x).wait()?;
    /// }
    /// assert_eq!(list.to_vec(), [1, 3, 6, 10]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn scan<S: Element + Sync>(
        &self,
        state: S,
        f: impl Fn(S, T) -> S + Send + Sync + 'static,
    ) -> ParallelStream<S> {
        let mut state = state;
        let call = Arc::new(OnceLock::<CurrentCall>::new());
        let called = call.clone();
        let strand = Strand::new(Box::new(move |x: Value| {
            let next = || f(state.clone(), owned(x));
            state = match called.get() {
                Some(call) => call.enter(next),
                None => next(),
            };
            Outcome::Value(Arc::new(state.clone()) as Value)
        })
            as Box<dyn FnMut(Value) -> Outcome<ClosureSteps> + Send>);
        let parts = self.parts.map(move |part| strand.push(part));
        let _ = call.set(parts.outside_call());
        ParallelStream::new(parts, &self.queue, self.waits.clone())
    }

    /// Brings the elements back, in order.
    pub fn gather(&self) -> Stream<T> {
        self.waits.lead_to_end();
        values_of(&self.settled(Settle::ordered(self.places())))
    }

    /// Brings the elements back, each as soon as it is finished.
    pub fn gather_unordered(&self) -> Stream<T> {
        self.waits.lead_to_end();
        values_of(&self.settled(Settle::unordered(self.places())))
    }

    fn settled(
        &self,
        settle: Result<Settle<Part<ClosureSteps>>, BuildError>,
    ) -> Stream<Part<ClosureSteps>> {
        let settle = settle.map(|settle| settle.beginning(Part::launch));
        self.parts.apply(settle).named("gather")
    }

    /// How many elements a node that waits for values takes.
    fn places(&self) -> usize {
        self.queue.places(self.is_buffered)
    }

    /// Attaches local nodes: anything a [`Stream`] can do. They receive the elements in order, and their outputs are on
    /// the client again.
    ///
    /// If all ways from here lead to a [`buffer`](Self::buffer), emitters wait for room in it only, so not for sinks
    /// attached here.
    ///
    /// ```
    /// use thalweg::Stream;
    /// use thalweg_tasks::{Client, Scatter};
    ///
    /// let client = Client::threads(2)?;
    /// let source = Stream::new();
    /// let pairs = source.scatter(&client).map(|x: i32| x * x).here(|squares| squares.slice(1.., 2));
    /// let list = pairs.map(|x| x + 1).gather().sink_to_list();
    /// for x in 0..5 {
    ///     source.emit(x).wait()?;
    /// }
    /// assert_eq!(list.to_vec(), [5, 17]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn here<U: Element + Sync>(
        &self,
        build: impl FnOnce(&Stream<T>) -> Stream<U>,
    ) -> ParallelStream<U> {
        let settled = self.settled(Settle::ordered(self.places()));
        let results = build(&values_of(&settled));
        let waits = self.waits.and(settled, self.places());
        ParallelStream::of_values(&results, &self.queue, waits)
    }
}

fn values_of<T: Element + Sync>(settled: &Stream<Part<ClosureSteps>>) -> Stream<T> {
    settled.try_filter_map(value_of)
}

impl<T> std::fmt::Debug for ParallelStream<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ParallelStream")
            .field("width", &self.queue.width())
            .finish_non_exhaustive()
    }
}
