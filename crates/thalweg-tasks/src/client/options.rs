//! Options of tasks.

use super::closure::Closure;
use super::{Client, Future, Inputs};
use crate::error::TaskError;
use crate::scheduler::{Dependencies, Options};
use std::sync::Arc;
use std::time::Duration;

/// Sets options of a task before it is submitted. Returned by [`Client::task`] and `Processes::task`.
///
/// ```
/// use std::time::Duration;
/// use thalweg_tasks::{Client, Error, Failure, token};
///
/// let client = Client::threads(1)?;
/// let task = client.task().key("for ever").time_limit(Duration::from_millis(5)).submit(|| {
///     while !token().is_cancelled() {
///         std::thread::yield_now();
///     }
/// });
/// assert_eq!(task.key(), Some("for ever"));
/// let error = task.result().unwrap_err();
/// assert_eq!(error.to_string(), "the task ran for longer than 5ms");
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "it does nothing until something is submitted"]
pub struct TaskBuilder<'a, C = Client> {
    client: &'a C,
    options: Options,
}

impl<'a, C> TaskBuilder<'a, C> {
    pub(crate) fn new(client: &'a C) -> Self {
        Self {
            client,
            options: Options::default(),
        }
    }

    /// Names the task.
    pub fn key(mut self, key: impl Into<Box<str>>) -> Self {
        self.options.key = Some(key.into());
        self
    }

    /// Tasks with a higher priority run first; the default is 0.
    pub fn priority(mut self, priority: f64) -> Self {
        self.options.priority = priority;
        self
    }

    /// Number of retries if it fails, or its process dies. A closure must be repeatable: see
    /// [`repeat`](TaskBuilder::repeat).
    pub fn retries(mut self, retries: u32) -> Self {
        self.options.retries = retries;
        self
    }

    /// Time limit of a run: after that its future fails. A process that runs it is killed; on a thread its
    /// [token](crate::Token) is cancelled.
    pub fn time_limit(mut self, time_limit: Duration) -> Self {
        self.options.time_limit = Some(time_limit);
        self
    }

    /// Amount of a resource of its [worker](Client::threads_with) that it takes while it runs. If no worker has as much,
    /// it fails at once with [`Failure::NoResources`](crate::Failure::NoResources).
    ///
    /// ```
    /// use thalweg_tasks::{Client, Error, Failure};
    ///
    /// let client = Client::threads_with(4, [("card", 2.0)])?;
    /// let twice = |x: u32| move || 2 * x;
    /// let futures: Vec<_> = (0..5).map(|x| client.task().resource("card", 1.0).submit(twice(x))).collect();
    /// assert_eq!(client.gather(&futures)?, [0, 2, 4, 6, 8]);
    /// let refused = client.task().resource("card", 3.0).submit(twice(5)).result();
    /// let Err(Error::Task(failure)) = refused else { panic!("no worker has three") };
    /// assert!(failure.to_string().contains("3 of `card`"), "{failure}");
    /// # Ok::<(), Error>(())
    /// ```
    pub fn resource(mut self, name: impl Into<Box<str>>, amount: f64) -> Self {
        self.options.resources.push((name.into(), amount));
        self
    }

    /// The client, and the options if any were set.
    pub(crate) fn into_parts(self) -> (&'a C, Option<Arc<Options>>) {
        let options = (self.options != Options::default()).then(|| Arc::new(self.options));
        (self.client, options)
    }
}

impl TaskBuilder<'_> {
    /// Runs a closure.
    pub fn submit<T: Send + Sync + 'static>(
        self,
        f: impl FnOnce() -> T + Send + 'static,
    ) -> Future<T> {
        self.send(Closure::once(move |_| Ok(f())), Vec::new())
    }

    /// Runs a closure with the results of other tasks.
    pub fn submit_with<I: Inputs, T: Send + Sync + 'static>(
        self,
        inputs: I,
        f: impl FnOnce(I::Values) -> T + Send + 'static,
    ) -> Future<T> {
        self.try_submit_with(inputs, move |values| {
            Ok::<_, std::convert::Infallible>(f(values))
        })
    }

    /// Runs a closure that may fail with the results of other tasks.
    pub fn try_submit_with<I: Inputs, T, E>(
        self,
        inputs: I,
        f: impl FnOnce(I::Values) -> Result<T, E> + Send + 'static,
    ) -> Future<T>
    where
        T: Send + Sync + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let mut dependencies = Vec::new();
        inputs.dependencies(&mut dependencies);
        let values = inputs.values();
        let body = Closure::once(move |dependencies: &Dependencies<super::Closures>| {
            let mut found = dependencies
                .iter()
                .filter_map(|slot| slot.look(|value| value.cloned().ok())?);
            f(values(&mut found)).map_err(TaskError::new)
        });
        self.send(body, dependencies)
    }

    /// Runs a repeatable closure that may fail: for [`retries`](Self::retries) and [`Future::retry`].
    ///
    /// ```
    /// use thalweg_tasks::Client;
    ///
    /// let client = Client::threads(1)?;
    /// let mut calls = 0;
    /// let task = client.task().retries(2).repeat(move || {
    ///     calls += 1;
    ///     if calls == 3 { Ok(calls) } else { Err("not yet") }
    /// });
    /// assert_eq!(task.result()?, 3);
    /// # Ok::<(), thalweg_tasks::Error>(())
    /// ```
    pub fn repeat<T, E>(self, mut f: impl FnMut() -> Result<T, E> + Send + 'static) -> Future<T>
    where
        T: Send + Sync + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.send(
            Closure::often(move |_| f().map_err(TaskError::new)),
            Vec::new(),
        )
    }

    fn send<T: Send + Sync + 'static>(
        self,
        body: Closure,
        dependencies: Dependencies<super::Closures>,
    ) -> Future<T> {
        let (client, options) = self.into_parts();
        client.send(body, dependencies, options)
    }
}
