//! A client that runs closures on threads.

mod closure;
mod future;
mod inputs;
mod options;

pub use closure::{Closures, block_in_place};
pub use future::{Future, Opens, Shared};
pub use inputs::Inputs;
pub use options::TaskBuilder;

use crate::engine::{TaskEngine, spec};
use crate::error::{Error, TaskError};
use crate::history::TaskRun;
use crate::place::runs_task;
use crate::scheduler::{Dependencies, Options};
use crate::slot::{wait_all, wait_all_or_failure};
use crate::threads::ThreadPool;
use closure::{Closure, ClosureRunner, Held};
use std::sync::Arc;

/// Runs closures on its own threads, and returns [`Future`]s of their results.
///
/// Clones are the same client. When the last one is dropped, tasks that have not started are dropped: their futures
/// fail with [`Failure::Closed`](crate::Failure::Closed). Running ones are not waited for; [`close`](Self::close) does
/// that.
///
/// ```
/// use thalweg_tasks::Client;
///
/// let client = Client::threads(2)?;
/// let six = client.submit(|| 2 * 3);
/// let seven = client.submit_with(&six, |six| six + 1);
/// assert_eq!(seven.result()?, 7);
///
/// let squares = client.map(0..5, |x| x * x);
/// assert_eq!(client.gather(&squares)?, [0, 1, 4, 9, 16]);
/// # Ok::<(), thalweg_tasks::Error>(())
/// ```
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    pool: Arc<ThreadPool<Closures>>,
    width: usize,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.pool.engine().close();
    }
}

impl Client {
    /// Creates a client with this many threads.
    ///
    /// # Errors
    /// [`Error::NoWorkers`] if `count` is 0, [`Error::Start`] if the system cannot start the threads.
    pub fn threads(count: usize) -> Result<Self, Error> {
        Self::threads_with(count, [])
    }

    /// Creates a client with this many threads, and these amounts of the resources that tasks may
    /// [request](TaskBuilder::resource).
    ///
    /// # Errors
    /// Like those of [`threads`](Self::threads).
    ///
    /// ```
    /// use thalweg_tasks::Client;
    ///
    /// // Up to four tasks run at a time, at most two of them on the card.
    /// let client = Client::threads_with(4, [("card", 2.0)])?;
    /// let task = client.task().resource("card", 1.0).submit(|| 1);
    /// assert_eq!(task.result()?, 1);
    /// # Ok::<(), thalweg_tasks::Error>(())
    /// ```
    pub fn threads_with<'a>(
        count: usize,
        resources: impl IntoIterator<Item = (&'a str, f64)>,
    ) -> Result<Self, Error> {
        if count == 0 {
            return Err(Error::NoWorkers);
        }
        let resources = resources
            .into_iter()
            .map(|(name, amount)| (name.into(), amount))
            .collect();
        let engine = TaskEngine::threads();
        let pool = ThreadPool::start(&engine, count, resources, ClosureRunner)
            .map_err(|e| Error::Start(Arc::new(e)))?;
        Ok(Self {
            inner: Arc::new(Inner { pool, width: count }),
        })
    }

    /// Number of tasks that run at a time.
    pub fn width(&self) -> usize {
        self.inner.width
    }

    /// Runs a closure.
    pub fn submit<T: Send + Sync + 'static>(
        &self,
        f: impl FnOnce() -> T + Send + 'static,
    ) -> Future<T> {
        self.send(Closure::once(move |_| Ok(f())), Vec::new(), None)
    }

    /// Runs a closure that may fail.
    ///
    /// ```
    /// use thalweg_tasks::Client;
    ///
    /// let client = Client::threads(1)?;
    /// let number = client.try_submit(|| "one".parse::<i32>());
    /// assert_eq!(number.result().unwrap_err().to_string(), "invalid digit found in string");
    /// # Ok::<(), thalweg_tasks::Error>(())
    /// ```
    pub fn try_submit<T, E>(&self, f: impl FnOnce() -> Result<T, E> + Send + 'static) -> Future<T>
    where
        T: Send + Sync + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.send(
            Closure::once(move |_| f().map_err(TaskError::new)),
            Vec::new(),
            None,
        )
    }

    /// Runs a closure with the results of other tasks, as soon as they are available. It fails if one of them does.
    ///
    /// ```
    /// use thalweg_tasks::Client;
    ///
    /// let client = Client::threads(2)?;
    /// let (a, b) = (client.submit(|| 1), client.submit(|| 2));
    /// let sum = client.submit_with((&a, &b), |(a, b)| a + b);
    /// let all = client.submit_with([a, b, sum], |all| all.into_iter().max());
    /// assert_eq!(all.result()?, Some(3));
    /// # Ok::<(), thalweg_tasks::Error>(())
    /// ```
    pub fn submit_with<I: Inputs, T: Send + Sync + 'static>(
        &self,
        inputs: I,
        f: impl FnOnce(I::Values) -> T + Send + 'static,
    ) -> Future<T> {
        self.task().submit_with(inputs, f)
    }

    /// Runs a closure that may fail with the results of other tasks, as soon as they are available.
    pub fn try_submit_with<I: Inputs, T, E>(
        &self,
        inputs: I,
        f: impl FnOnce(I::Values) -> Result<T, E> + Send + 'static,
    ) -> Future<T>
    where
        T: Send + Sync + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.task().try_submit_with(inputs, f)
    }

    /// Runs a closure for each element, and returns the futures in order.
    pub fn map<A, T>(
        &self,
        elements: impl IntoIterator<Item = A>,
        f: impl Fn(A) -> T + Send + Sync + 'static,
    ) -> Vec<Future<T>>
    where
        A: Send + 'static,
        T: Send + Sync + 'static,
    {
        let f = Arc::new(f);
        let mut futures = Vec::new();
        let mut elements = elements.into_iter();
        loop {
            // Submitted in portions whose time under the lock is not noticeable.
            let some: Vec<_> = elements
                .by_ref()
                .take(256)
                .map(|x| {
                    let f = f.clone();
                    spec(Closure::once(move |_| Ok(f(x))), Vec::new(), None)
                })
                .collect();
            if some.is_empty() {
                return futures;
            }
            futures.reserve(some.len());
            self.engine().submit_all(some, |slot| {
                futures.push(Future::new(slot, self.inner.clone()))
            });
        }
    }

    /// Waits for all results, and returns them in order.
    ///
    /// # Errors
    /// The error of a future that failed, as soon as it is known; of the first in order, if there are several.
    pub fn gather<'a, T: Clone + Send + Sync + 'static>(
        &self,
        futures: impl IntoIterator<Item = &'a Future<T>>,
    ) -> Result<Vec<T>, Error> {
        let futures: Vec<_> = futures.into_iter().collect();
        let slots = futures.iter().map(|future| future.slot());
        wait_all_or_failure(slots).map_err(Error::Task)?;
        futures.into_iter().map(Future::result).collect()
    }

    /// Creates a future of an existing value, for tasks that need it.
    ///
    /// ```
    /// use thalweg_tasks::Client;
    ///
    /// let client = Client::threads(1)?;
    /// let table = client.scatter(vec![3, 1, 2]);
    /// let largest = client.submit_with(&table, |table| table.into_iter().max());
    /// assert_eq!(largest.result()?, Some(3));
    /// # Ok::<(), thalweg_tasks::Error>(())
    /// ```
    pub fn scatter<T: Send + Sync + 'static>(&self, value: T) -> Future<T> {
        Future::new(
            self.engine().place(Arc::new(Held(value)), None),
            self.inner.clone(),
        )
    }

    /// Runs a closure to its end, even if nobody waits for it.
    #[cfg(feature = "streams")]
    pub(crate) fn spawn(
        &self,
        f: impl FnOnce() + Send + 'static,
        options: Option<Arc<Options>>,
    ) -> Future<()> {
        let body = Closure::once(move |_| {
            f();
            Ok(())
        });
        let future: Future<()> = self.send(body, Vec::new(), options);
        self.engine().keep(future.slot());
        future
    }

    /// Sets options of a task before it is submitted.
    pub fn task(&self) -> TaskBuilder<'_> {
        TaskBuilder::new(self)
    }

    /// Waits for the tasks that have been [detached](Future::detach), unless a task calls it. Then accepts no more tasks,
    /// drops those that have not started, and waits for running ones; for calls of [`when_done`](Future::when_done), a
    /// second at most.
    ///
    /// Streams are to be [drained](thalweg::Stream::drain) before: elements that have come to the client are computed, but
    /// may be delivered after it returns, and later ones fail.
    pub fn close(&self) {
        if !runs_task() {
            wait_all(&self.engine().detached(), None);
        }
        self.engine().close();
        self.inner.pool.join();
        self.engine().settle_callbacks();
    }

    /// Number of tasks that exceeded their time limit. Closures that had started may still be running.
    ///
    /// ```
    /// use std::time::Duration;
    /// use thalweg_tasks::Client;
    ///
    /// let client = Client::threads(1)?;
    /// let (go_on, wait) = std::sync::mpsc::channel::<()>();
    /// let late = client.task().time_limit(Duration::from_millis(5)).submit(move || wait.recv().is_ok());
    /// assert!(late.result().is_err());
    /// assert_eq!(client.time_limits_struck(), 1);
    /// drop(go_on);
    /// # Ok::<(), thalweg_tasks::Error>(())
    /// ```
    pub fn time_limits_struck(&self) -> usize {
        self.engine().time_limits_struck()
    }

    /// The tasks that ran in the last minute, oldest first in each thread, and those that are running. They are
    /// recorded from the first call on, until five minutes after the last; before that nothing is. Short tasks of one
    /// name in quick succession are one run, so that memory does not grow with their number.
    ///
    /// ```
    /// use thalweg_tasks::{Client, RunOutcome};
    ///
    /// let client = Client::threads(1)?;
    /// assert!(client.task_runs().is_empty());
    /// client.task().key("six").submit(|| 2 * 3).result()?;
    /// let runs = client.task_runs();
    /// assert_eq!((&*runs[0].name, runs[0].outcome), ("six", RunOutcome::Done));
    /// # Ok::<(), thalweg_tasks::Error>(())
    /// ```
    pub fn task_runs(&self) -> Vec<TaskRun> {
        self.engine().task_runs()
    }

    fn engine(&self) -> &Arc<TaskEngine<Closures>> {
        self.inner.pool.engine()
    }

    fn send<T: Send + Sync + 'static>(
        &self,
        body: Closure,
        dependencies: Dependencies<Closures>,
        options: Option<Arc<Options>>,
    ) -> Future<T> {
        Future::new(
            self.engine().submit(spec(body, dependencies, options)),
            self.inner.clone(),
        )
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (waiting, running) = self.engine().counts();
        f.debug_struct("Client")
            .field("width", &self.inner.width)
            .field("waiting", &waiting)
            .field("running", &running)
            .finish()
    }
}
