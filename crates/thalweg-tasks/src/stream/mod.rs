//! Streams whose functions run on a client.

mod flow;
mod join;

use crate::client::{Client, Future};
use std::hash::Hash;
use thalweg::{Element, Stream};

/// Moves a stream onto a client.
pub trait Scatter<T> {
    /// A stream whose functions run on the client, until [`gather`](ParallelStream::gather) brings it back.
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

impl<T: Element + Sync + Clone> Scatter<T> for Stream<T> {
    fn scatter(&self, client: &Client) -> ParallelStream<T> {
        let on = client.clone();
        ParallelStream {
            futures: self.map(move |x| on.scatter(x)),
            client: client.clone(),
        }
    }
}

/// A stream of futures, whose functions run on a client as soon as they can.
///
/// Nothing waits between [`scatter`](Scatter::scatter) and [`gather`](Self::gather), but for what depends on
/// whether there is an element at all, such as what comes behind [`filter`](Self::filter). `gather` has as many
/// elements on their way as the client runs at a time, and a [`buffer`](Self::buffer) before it that many more: then
/// emitters wait.
///
/// A function that panics, or returns an error, fails its element alone. The failure comes to light at `gather`,
/// and is dealt with as the policy of its stream says.
#[derive(Clone)]
#[must_use = "without `gather` the results go nowhere"]
pub struct ParallelStream<T> {
    futures: Stream<Future<T>>,
    client: Client,
}

impl<T: Element + Sync + Clone> ParallelStream<T> {
    /// A parallel stream of futures made elsewhere.
    pub fn of(futures: Stream<Future<T>>, client: &Client) -> Self {
        Self {
            futures,
            client: client.clone(),
        }
    }

    /// The futures, as a stream.
    pub fn futures(&self) -> &Stream<Future<T>> {
        &self.futures
    }

    /// Calls a function on each element.
    pub fn map<U: Element + Sync + Clone>(
        &self,
        f: impl Fn(T) -> U + Send + Sync + 'static,
    ) -> ParallelStream<U> {
        self.try_map(move |x| Ok::<_, std::convert::Infallible>(f(x)))
    }

    /// Calls a function on each element that may fail.
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
    /// source.drain("10s").wait()?;
    /// assert_eq!(list.to_vec(), [1, 3]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_map<U, E>(
        &self,
        f: impl Fn(T) -> Result<U, E> + Send + Sync + 'static,
    ) -> ParallelStream<U>
    where
        U: Element + Sync + Clone,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (client, f) = (self.client.clone(), std::sync::Arc::new(f));
        self.with(self.futures.map(move |x| {
            let f = f.clone();
            client.try_submit_with(&x, move |x| f(x))
        }))
    }

    /// Keeps the elements for which a function, on the client, returns `true`.
    ///
    /// What follows sees those that remain, in their order.
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
    /// source.drain("10s").wait()?;
    /// assert_eq!(list.to_vec(), [vec![0, 2], vec![4, 6]]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn filter(&self, predicate: impl Fn(&T) -> bool + Send + Sync + 'static) -> Self {
        let keyed = self.resolved(move |x| predicate(x));
        self.with(keyed.filter_map(|(x, keep)| keep.then_some(x)))
    }

    /// Keeps the elements that have not come before, by what a function returns for them, on the client.
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
    /// source.drain("10s").wait()?;
    /// assert_eq!(list.to_vec(), [0, 1, 2]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn unique_by<K>(&self, key: impl Fn(&T) -> K + Send + Sync + 'static) -> Self
    where
        K: Element + Sync + Clone + Eq + Hash,
    {
        let keyed = self.resolved(key).unique_by(|(_, key)| key.clone());
        self.with(keyed.map(|(x, _)| x))
    }

    /// Futures with what a function returns for their values, in order.
    fn resolved<K: Element + Sync + Clone>(
        &self,
        f: impl Fn(&T) -> K + Send + Sync + 'static,
    ) -> Stream<(Future<T>, K)> {
        let (client, f) = (self.client.clone(), std::sync::Arc::new(f));
        self.futures.try_map_async(self.client.width(), move |x| {
            let f = f.clone();
            let found = client.submit_with(&x, move |x| f(&x));
            async move { found.await.map(|found| (x, found)) }
        })
    }

    /// Goes through the elements with a state that stays on the client: each time a function makes the next
    /// state of it, which is sent.
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
    /// source.drain("10s").wait()?;
    /// assert_eq!(list.to_vec(), [1, 3, 6, 10]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn scan<S: Element + Sync + Clone>(
        &self,
        state: S,
        f: impl Fn(S, T) -> S + Send + Sync + 'static,
    ) -> ParallelStream<S> {
        let (client, f) = (self.client.clone(), std::sync::Arc::new(f));
        let mut state = client.scatter(state);
        self.with(self.futures.map(move |x| {
            let f = f.clone();
            let next = client.submit_with((&state, &x), move |(state, x)| f(state, x));
            state = client.or_else(&next, &state);
            next
        }))
    }

    /// Brings the elements back, in their order.
    pub fn gather(&self) -> Stream<T> {
        self.futures
            .try_map_async(self.client.width(), |future| future)
    }

    /// Brings the elements back, each as soon as it is done.
    pub fn gather_unordered(&self) -> Stream<T> {
        self.futures
            .try_map_async_unordered(self.client.width(), |future| future)
    }

    fn with<U>(&self, futures: Stream<Future<U>>) -> ParallelStream<U> {
        ParallelStream {
            futures,
            client: self.client.clone(),
        }
    }
}

impl<T> std::fmt::Debug for ParallelStream<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ParallelStream")
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}
