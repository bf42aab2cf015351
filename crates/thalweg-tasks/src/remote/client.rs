//! A client whose tasks run in worker processes.

use super::Remote;
use super::args::{Arguments, Writing};
use super::task_types::{Remotes, WORKER_ARGUMENT};
use crate::client::{Future, TaskBuilder};
use crate::engine::{TaskEngine, spec};
use crate::error::Error;
use crate::history::TaskRun;
use crate::place::runs_task;
use crate::process::{Call, Deaths, Payload, Pool, PoolConfig, Portable};
use crate::scheduler::{Options, TaskSpec};
use crate::slot::wait_all;
use crate::sync::{Mutex, lock};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::io;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

/// More threads than the processes of a machine can run.
const MOST: usize = 1 << 20;

/// Runs [remote](crate::remote!) functions in worker processes, which run this program.
///
/// A function that takes too long, or is cancelled, [can be killed](Future::kill) there; one that crashes takes only
/// its process with it. Clones are the same client. When the last one is dropped, the processes end.
#[derive(Clone)]
pub struct Processes {
    inner: Arc<Inner>,
}

struct Inner {
    engine: Arc<TaskEngine<Remotes>>,
    pool: Arc<Pool<Remotes>>,
    width: usize,
    names: Mutex<HashMap<&'static str, Arc<Payload>>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.engine.close();
        self.pool.close();
    }
}

/// Configures worker processes.
///
/// Returned by [`Processes::builder`].
#[derive(Debug, Clone)]
#[must_use = "it does nothing until the processes are started"]
pub struct ProcessesBuilder {
    threads: usize,
    memory: Option<u64>,
    ttl: Option<Duration>,
    resources: Vec<(Box<str>, f64)>,
}

impl ProcessesBuilder {
    /// Number of tasks per process at a time; usually one.
    pub fn threads_per_worker(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// Memory limit of each process, in bytes. One that exceeds it is killed.
    pub fn memory_limit(mut self, bytes: u64) -> Self {
        self.memory = Some(bytes);
        self
    }

    /// Time without an answer after which a worker is killed and replaced; 30 seconds by default, `None` for no limit.
    /// Workers answer on a thread that no task can hold up.
    pub fn worker_ttl(mut self, ttl: impl Into<Option<Duration>>) -> Self {
        self.ttl = ttl.into();
        self
    }

    /// Amount of a resource of each process that tasks may [request](TaskBuilder::resource).
    pub fn resource(mut self, name: impl Into<Box<str>>, amount: f64) -> Self {
        self.resources.push((name.into(), amount));
        self
    }

    /// Starts this many processes.
    ///
    /// # Errors
    /// [`Error::NoWorkers`] for zero, [`Error::Start`] if the system cannot start them.
    pub fn start(self, workers: usize) -> Result<Processes, Error> {
        if workers == 0 || self.threads == 0 {
            return Err(Error::NoWorkers);
        }
        let failed = |error: io::Error| Error::Start(Arc::new(error));
        let width = workers.checked_mul(self.threads);
        let width = width.filter(|width| *width <= MOST).ok_or_else(|| {
            failed(io::Error::other(format!(
                "{workers} processes with {} threads each are more than any machine runs, {MOST} threads at most",
                self.threads
            )))
        })?;
        let program = std::env::current_exe().map_err(failed)?;
        let config = PoolConfig {
            workers,
            threads: self.threads,
            memory: self.memory,
            ttl: self.ttl,
            resources: self.resources,
            command: Box::new(move || {
                let mut command = Command::new(&program);
                command.arg(WORKER_ARGUMENT);
                command
            }),
        };
        let (engine, pool) = Pool::start(config).map_err(failed)?;
        let names = Mutex::new(HashMap::new());
        let inner = Inner {
            engine,
            pool,
            width,
            names,
        };
        Ok(Processes {
            inner: Arc::new(inner),
        })
    }
}

impl Processes {
    /// Creates a client with this many worker processes.
    ///
    /// # Errors
    /// [`Error::NoWorkers`] for zero, [`Error::Start`] if the system cannot start them.
    pub fn start(workers: usize) -> Result<Self, Error> {
        Self::builder().start(workers)
    }

    /// Configures the processes before they are started.
    pub fn builder() -> ProcessesBuilder {
        ProcessesBuilder {
            threads: 1,
            memory: None,
            ttl: Some(Duration::from_secs(30)),
            resources: Vec::new(),
        }
    }

    /// Number of tasks that run at a time.
    pub fn width(&self) -> usize {
        self.inner.width
    }

    /// Calls a function. Arguments may be futures of this client: it is called as soon as their results are available,
    /// which stay in their process if they are large.
    pub fn submit<F: Remote>(&self, args: impl Arguments<F::Params>) -> Future<F::Output, Remotes> {
        self.task().submit::<F>(args)
    }

    /// Calls a function of one parameter with each argument, and returns the futures in order.
    pub fn map<F, P>(&self, args: impl IntoIterator<Item = P>) -> Vec<Future<F::Output, Remotes>>
    where
        F: Remote<Params = (P,)>,
        P: Serialize,
    {
        let spec = |arg| self.spec::<F>(&(arg,), None);
        let specs: Vec<_> = args.into_iter().map(spec).collect();
        if specs.iter().any(Result::is_err) {
            return specs.into_iter().map(|spec| self.send(spec)).collect();
        }
        let mut futures = Vec::with_capacity(specs.len());
        self.inner
            .engine
            .submit_all(specs.into_iter().flatten(), |slot| {
                futures.push(Future::new(slot, self.inner.clone()));
            });
        futures
    }

    /// Waits for all results, and returns them in order.
    ///
    /// # Errors
    /// The error of a future that failed, as soon as it is known; of the first in order, if there are several.
    pub fn gather<'a, T: DeserializeOwned + 'a>(
        &self,
        futures: impl IntoIterator<Item = &'a Future<T, Remotes>>,
    ) -> Result<Vec<T>, Error> {
        let futures: Vec<_> = futures.into_iter().collect();
        let slots: Vec<_> = futures.iter().map(|future| future.slot().clone()).collect();
        crate::slot::wait_all_or_failure(slots.iter()).map_err(Error::Task)?;
        self.inner.engine.bring(&slots).wait(None);
        futures.into_iter().map(Future::result).collect()
    }

    /// Sets options of a task before it is submitted.
    pub fn task(&self) -> TaskBuilder<'_, Self> {
        TaskBuilder::new(self)
    }

    /// Waits for the tasks that have been [detached](Future::detach), unless a task calls it. Then accepts no more tasks,
    /// drops unfinished ones, and ends the processes; waits for calls of [`when_done`](Future::when_done), a second at
    /// most.
    pub fn close(&self) {
        if !runs_task() {
            wait_all(&self.inner.engine.detached(), None);
        }
        self.inner.engine.close();
        self.inner.pool.close();
        self.inner.pool.join();
        self.inner.engine.settle_callbacks();
    }

    /// The process ids.
    pub fn processes(&self) -> Vec<u32> {
        self.inner
            .pool
            .processes()
            .into_iter()
            .map(|process| process.pid)
            .collect()
    }

    /// How many processes have died, and why. Others have replaced them.
    pub fn deaths(&self) -> Deaths {
        self.inner.pool.deaths()
    }

    /// Number of tasks that exceeded their time limit.
    pub fn time_limits_struck(&self) -> usize {
        self.inner.engine.time_limits_struck()
    }

    /// The tasks that ran in the last minute, oldest first in each process, and those that are running. They are
    /// recorded from the first call on, until five minutes after the last; before that nothing is. Short tasks of one
    /// function in quick succession are one run.
    pub fn task_runs(&self) -> Vec<TaskRun> {
        let mut runs = self.inner.engine.task_runs();
        let processes = self.inner.pool.processes();
        runs.extend(processes.iter().flat_map(|process| process.runs()));
        runs
    }

    /// The task to submit.
    ///
    /// # Errors
    /// The arguments cannot be serialized.
    fn spec<F: Remote>(
        &self,
        args: &impl Arguments<F::Params>,
        options: Option<Arc<Options>>,
    ) -> io::Result<TaskSpec<Remotes>> {
        let mut writing = Writing::default();
        args.write(&mut writing).map_err(io::Error::other)?;
        let bytes = postcard::to_allocvec(&writing.written).map_err(io::Error::other)?;
        let args = Payload::new(bytes)?;
        let mut names = lock(&self.inner.names);
        let function = names
            .entry(F::NAME)
            .or_insert_with(|| Arc::new(Payload::small(F::NAME.into()).named(F::NAME)))
            .clone();
        drop(names);
        Ok(spec(Call { function, args }, writing.dependencies, options))
    }

    fn send<T>(&self, spec: io::Result<TaskSpec<Remotes>>) -> Future<T, Remotes> {
        let slot = match spec {
            Ok(spec) => self.inner.engine.submit(spec),
            Err(error) => self.inner.engine.refuse(Remotes::unsent(error)),
        };
        Future::new(slot, self.inner.clone())
    }
}

impl std::fmt::Debug for Processes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Processes")
            .field("width", &self.inner.width)
            .finish()
    }
}

impl TaskBuilder<'_, Processes> {
    /// Calls a function.
    pub fn submit<F: Remote>(self, args: impl Arguments<F::Params>) -> Future<F::Output, Remotes> {
        let (client, options) = self.into_parts();
        client.send(client.spec::<F>(&args, options))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_workers_than_a_machine_runs_are_an_error() {
        for (workers, threads) in [(usize::MAX, 1), (1, usize::MAX), (1 << 40, 1 << 40)] {
            let started = Processes::builder()
                .threads_per_worker(threads)
                .start(workers);
            let error = started.map(drop).expect_err("they are too many");
            let error = error.to_string();
            assert!(error.contains("more than any machine runs"), "{error}");
        }
    }
}
