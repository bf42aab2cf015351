//! Workers, and the scheduler before them.

use std::ffi::OsString;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyTuple, PyWeakrefReference};
use thalweg_tasks::host::{Ending, Options, Slot, TaskEngine, TaskSpec, ThreadPool, spec};
use thalweg_tasks::process::{Payload, Pool, PoolConfig, worker_resource};

use super::arguments::Search;
use super::errors;
use super::future::{self, Future};
use super::info;
use super::names::Names;
use super::options::{limit, options, resources};
use super::processes::sending::{self, Functions};
use super::processes::serving::Reply;
use super::rows::Rows;
use super::stack;
use super::task_types::{Calls, Program, Value};
use super::threads::{self, Caller, Turn};
use crate::{call, event_loop, gil};

/// An engine: workers and their scheduler.
#[pyclass(module = "thalweg._thalweg.tasks", frozen, weakref)]
pub(crate) struct Engine {
    pub(crate) task_engine: Arc<TaskEngine<Calls>>,
    workers: Workers,
    width: usize,
    names: Names,
    asynchronous: AtomicBool,
}

/// Weak reference to the engine's Python object.
#[derive(Clone, Default)]
pub(crate) struct Me(Arc<OnceLock<Py<PyWeakrefReference>>>);

impl Me {
    pub(crate) fn get<'py>(&self, py: Python<'py>) -> Option<Bound<'py, Engine>> {
        use pyo3::types::PyWeakrefMethods;
        self.0.get()?.bind(py).upgrade()?.cast_into().ok()
    }
}

/// The workers.
enum Workers {
    Threads(Arc<ThreadPool<Calls>>),
    Processes(Arc<Pool<Calls>>, Functions),
}

/// A future for each task.
fn futures<'py>(
    engine: &Bound<'py, Engine>,
    slots: Vec<Arc<Slot<Calls>>>,
) -> PyResult<Vec<Bound<'py, Future>>> {
    let each = slots.into_iter();
    each.map(|slot| Future::new(engine, slot)).collect()
}

/// Number of tasks submitted under one lock.
const AT_ONCE: usize = 256;

#[pymethods]
impl Engine {
    /// An engine with this number of threads.
    #[staticmethod]
    #[pyo3(signature = (n, *, resources = None))]
    fn threads<'py>(
        py: Python<'py>,
        n: usize,
        resources: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, Self>> {
        if n == 0 {
            return Err(PyValueError::new_err(
                "at least one thread is needed, not 0",
            ));
        }
        stack::set_size(py)?;
        let me = Me::default();
        let task_engine = TaskEngine::threads();
        let pool = ThreadPool::start(
            &task_engine,
            n,
            self::resources(resources)?,
            Caller(me.clone()),
        )?;
        threads::note(&pool);
        Self::new(py, task_engine, Workers::Threads(pool), n, me)
    }

    /// An engine with this number of processes, each with a number of threads.
    ///
    /// `command` starts a process. `memory_limit` is in bytes, per process. A process that does not answer for
    /// `worker_ttl` seconds is replaced.
    #[staticmethod]
    #[pyo3(signature = (
        n_workers, threads_per_worker, *, command, memory_limit = None, worker_ttl = None, resources = None
    ))]
    fn processes<'py>(
        py: Python<'py>,
        n_workers: usize,
        threads_per_worker: usize,
        command: Vec<OsString>,
        memory_limit: Option<u64>,
        worker_ttl: Option<f64>,
        resources: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, Self>> {
        if n_workers == 0 || threads_per_worker == 0 {
            let message = "at least one worker with one thread is needed";
            return Err(PyValueError::new_err(message));
        }
        let Some((program, args)) = command.split_first() else {
            return Err(PyValueError::new_err(
                "command: what starts a worker is needed",
            ));
        };
        stack::set_size(py)?;
        let (program, args) = (program.clone(), args.to_vec());
        let config = PoolConfig {
            workers: n_workers,
            threads: threads_per_worker,
            memory: memory_limit,
            ttl: limit("worker_ttl", worker_ttl)?,
            resources: self::resources(resources)?,
            command: Box::new(move || {
                let mut command = Command::new(&program);
                command.args(&args);
                command
            }),
        };
        let (task_engine, pool) =
            gil::detach(py, || Pool::start(config)).map_err(errors::not_started)?;
        let workers = Workers::Processes(pool, Functions::default());
        Self::new(
            py,
            task_engine,
            workers,
            n_workers * threads_per_worker,
            Me::default(),
        )
    }

    #[getter]
    fn kind(&self) -> &'static str {
        match self.workers {
            Workers::Threads(_) => "threads",
            Workers::Processes(..) => "processes",
        }
    }

    #[getter]
    fn width(&self) -> usize {
        self.width
    }

    #[getter]
    fn closed(&self) -> bool {
        self.task_engine.owner_elsewhere().is_some() || self.task_engine.is_closed()
    }

    #[getter]
    fn asynchronous(&self) -> bool {
        self.asynchronous.load(Ordering::Relaxed)
    }

    #[setter]
    fn set_asynchronous(&self, asynchronous: bool) {
        self.asynchronous.store(asynchronous, Ordering::Relaxed);
    }

    /// Submits a call. A future among the arguments stands for its result.
    ///
    /// If a live task has this key, its future is returned. `call` distinguishes calls with the same key.
    #[pyo3(signature = (
        function, args, kwargs = None, *, key = None, call = None, priority = 0.0, retries = 0, resources = None,
        time_limit = None
    ))]
    #[expect(
        clippy::too_many_arguments,
        reason = "they are the keywords of a Python function"
    )]
    fn submit<'py>(
        slf: &Bound<'py, Self>,
        function: Bound<'py, PyAny>,
        args: Bound<'py, PyTuple>,
        kwargs: Option<Bound<'py, PyDict>>,
        key: Option<String>,
        call: Option<i64>,
        priority: f64,
        retries: i64,
        resources: Option<&Bound<'py, PyDict>>,
        time_limit: Option<f64>,
    ) -> PyResult<Bound<'py, Future>> {
        let py = slf.py();
        let engine = slf.get();
        engine.check_open(py)?;
        if let Some(key) = &key
            && let Some(slot) = engine.names.find_call(key, call)?
        {
            return Future::new(slf, slot);
        }
        let options = options(key, priority, retries, resources, time_limit)?;
        let mut search = Search::default();
        let mut found = search.look(args.as_any())?;
        if let Some(kwargs) = &kwargs {
            found |= search.look(kwargs.as_any())?;
        }
        let code = engine.code(&function)?;
        let program = Program::of(&function, code.as_ref(), args, kwargs.as_ref(), found)?;
        let slot = engine.send(py, spec(program, search.dependencies, options));
        engine.names.note(&slot, call);
        Future::new(slf, slot)
    }

    /// Submits a call for each tuple of arguments. `key` is the prefix of the tasks' names.
    #[pyo3(signature = (
        function, iterables, kwargs = None, *, key = None, priority = 0.0, retries = 0, resources = None, time_limit = None
    ))]
    #[expect(
        clippy::too_many_arguments,
        reason = "they are the keywords of a Python function"
    )]
    fn map<'py>(
        slf: &Bound<'py, Self>,
        function: Bound<'py, PyAny>,
        iterables: Bound<'py, PyTuple>,
        kwargs: Option<Bound<'py, PyDict>>,
        key: Option<String>,
        priority: f64,
        retries: i64,
        resources: Option<&Bound<'py, PyDict>>,
        time_limit: Option<f64>,
    ) -> PyResult<Bound<'py, PyList>> {
        let py = slf.py();
        let engine = slf.get();
        engine.check_open(py)?;
        let options = options(None, priority, retries, resources, time_limit)?;
        let mut shared = Search::default();
        if let Some(kwargs) = &kwargs {
            shared.look(kwargs.as_any())?;
        }
        let rows = Rows::of(&iterables)?;
        let code = engine.code(&function)?;
        let futures = PyList::empty(py);
        let mut turn = Turn::begin();
        let mut specs = Vec::with_capacity(AT_ONCE);
        let mut number = 0;
        loop {
            let row = rows.next()?;
            let is_last = row.is_none();
            if let Some(args) = row {
                let mut search = Search::default();
                let found = search.look(args.as_any())?;
                search
                    .dependencies
                    .extend(shared.dependencies.iter().cloned());
                let found = found || !shared.dependencies.is_empty();
                let program = Program::of(&function, code.as_ref(), args, kwargs.as_ref(), found)?;
                let options = match &key {
                    None => options.clone(),
                    Some(prefix) => {
                        let key = Some(engine.names.free(format!("{prefix}-{number}")).into());
                        let like = options.as_deref().cloned().unwrap_or_default();
                        Some(Arc::new(Options { key, ..like }))
                    }
                };
                specs.push(spec(program, search.dependencies, options));
                number += 1;
            }
            if specs.len() == AT_ONCE || is_last {
                let some = std::mem::replace(&mut specs, Vec::with_capacity(AT_ONCE));
                let slots = engine.send_all(py, some);
                for slot in slots {
                    engine.names.note(&slot, None);
                    futures.append(Future::new(slf, slot)?)?;
                }
                turn.yield_if_over(py);
                py.check_signals()?;
            }
            if is_last {
                return Ok(futures);
            }
        }
    }

    /// A future of an existing value.
    #[pyo3(signature = (value, *, key = None))]
    fn scatter<'py>(
        slf: &Bound<'py, Self>,
        value: Bound<'py, PyAny>,
        key: Option<String>,
    ) -> PyResult<Bound<'py, Future>> {
        let engine = slf.get();
        engine.check_open(slf.py())?;
        let value = match engine.workers {
            Workers::Threads(_) => Value::Object(value.unbind()),
            Workers::Processes(..) => Value::Payload(Arc::new(sending::value(&value)?)),
        };
        let key = key.map(|key| engine.names.free(key).into());
        let slot = engine.task_engine.place(value, key);
        engine.names.note(&slot, None);
        Future::new(slf, slot)
    }

    /// The future of the live task with a name, if there is one.
    fn find<'py>(slf: &Bound<'py, Self>, key: &str) -> PyResult<Option<Bound<'py, Future>>> {
        slf.get()
            .names
            .find(key)
            .map(|slot| Future::new(slf, slot))
            .transpose()
    }

    /// The futures of all named live tasks.
    fn named_futures<'py>(slf: &Bound<'py, Self>) -> PyResult<Vec<Bound<'py, Future>>> {
        futures(slf, slf.get().names.all())
    }

    /// The futures of detached tasks that have not ended.
    fn detached<'py>(slf: &Bound<'py, Self>) -> PyResult<Vec<Bound<'py, Future>>> {
        futures(slf, slf.get().task_engine.detached())
    }

    /// Waits for all futures, and returns their results in order; raises the first failure as soon as it occurs.
    fn gather<'py>(
        &self,
        py: Python<'py>,
        futures: Vec<Bound<'py, Future>>,
    ) -> PyResult<Bound<'py, PyList>> {
        let slots: Vec<_> = futures
            .iter()
            .map(|future| future.get().slot())
            .collect::<PyResult<_>>()?;
        future::wait_or_fail(py, &slots)?;
        future::bring(py, &slots)?;
        let results = PyList::empty(py);
        for slot in &slots {
            results.append(future::result(py, slot)?)?;
        }
        Ok(results)
    }

    /// Submits one call per worker process; in a single process, one call.
    #[pyo3(signature = (function, args, kwargs = None))]
    fn run<'py>(
        slf: &Bound<'py, Self>,
        function: Bound<'py, PyAny>,
        args: Bound<'py, PyTuple>,
        kwargs: Option<Bound<'py, PyDict>>,
    ) -> PyResult<Vec<Bound<'py, Future>>> {
        let urgent = f64::INFINITY;
        let call = |workers: Option<&Bound<'py, PyDict>>| {
            let (function, args, kwargs) = (function.clone(), args.clone(), kwargs.clone());
            Self::submit(
                slf, function, args, kwargs, None, None, urgent, 0, workers, None,
            )
        };
        let Workers::Processes(pool, _) = &slf.get().workers else {
            return Ok(vec![call(None)?]);
        };
        let on_each = (0..pool.size()).map(|index| {
            let there = PyDict::new(slf.py());
            there.set_item(&*worker_resource(index), 0.0)?;
            call(Some(&there))
        });
        on_each.collect()
    }

    /// Submits a graph of tasks, see `graph.rs`.
    #[pyo3(signature = (
        tasks, wanted, *, given = Vec::new(), keys = None, priority = 0.0, retries = 0, resources = None, time_limit = None
    ))]
    #[expect(
        clippy::too_many_arguments,
        reason = "they are the keywords of a Python function"
    )]
    fn run_graph<'py>(
        slf: &Bound<'py, Self>,
        tasks: Bound<'py, PyList>,
        wanted: Vec<usize>,
        given: Vec<Bound<'py, Future>>,
        keys: Option<Vec<String>>,
        priority: f64,
        retries: i64,
        resources: Option<&Bound<'py, PyDict>>,
        time_limit: Option<f64>,
    ) -> PyResult<Vec<Bound<'py, Future>>> {
        let engine = slf.get();
        engine.check_open(slf.py())?;
        if let Workers::Processes(..) = engine.workers {
            return Err(PyTypeError::new_err(
                "run_graph: an engine with threads is needed",
            ));
        }
        let options = options(None, priority, retries, resources, time_limit)?;
        let slots = super::graph::submit(engine, &tasks, &wanted, &given, keys, options.as_ref())?;
        for slot in &slots {
            engine.names.note(slot, None);
        }
        futures(slf, slots)
    }

    /// Calls `callable(worker, question, reply)` for questions of tasks in other processes; `reply(answer)` answers.
    /// `lose(worker)` is called when a process has died.
    fn on_ask(&self, callable: Bound<'_, PyAny>, lose: Bound<'_, PyAny>) {
        let Workers::Processes(pool, _) = &self.workers else {
            return;
        };
        let (callable, lose) = (callable.unbind(), lose.unbind());
        let answer = move |worker, question: Vec<u8>, answer| {
            gil::attach(|py| {
                let question = PyBytes::new(py, &question);
                let reply = Reply(Mutex::new(Some(answer)));
                call::reporting(callable.bind(py), (worker, question, reply));
            });
        };
        let lost = move |worker| {
            gil::attach(|py| call::reporting(lose.bind(py), (worker,)));
        };
        pool.on_question(answer, lost);
    }

    /// Calls `callable()` soon, on a thread that may block.
    fn call_soon(&self, callable: Bound<'_, PyAny>) {
        if self.task_engine.owner_elsewhere().is_some() {
            return;
        }
        let callable = callable.unbind();
        let call = move || {
            gil::attach(|py| {
                call::reporting(callable.bind(py), ());
                drop(callable);
            });
        };
        match &self.workers {
            Workers::Threads(_) => self.task_engine.call_soon(call),
            Workers::Processes(pool, _) => pool.call_soon(call),
        }
    }

    /// Description of the workers and their tasks; with `runs`, also of the tasks of the last minute, whose recording
    /// begins with the first call.
    #[pyo3(signature = (*, runs = false))]
    fn info<'py>(&self, py: Python<'py>, runs: bool) -> PyResult<Bound<'py, PyDict>> {
        self.check_here()?;
        let workers = match &self.workers {
            Workers::Threads(_) => None,
            Workers::Processes(pool, _) => Some((pool.processes(), pool.deaths())),
        };
        info::info(py, &self.task_engine, self.width, runs, workers)
    }

    /// Accepts no more tasks, and drops those that have not begun. Waits for callbacks, for a second at most; with
    /// `wait`, for running tasks as well. `replaced`: another engine follows, and unfinished tasks are cancelled.
    #[pyo3(signature = (*, wait = false, replaced = false))]
    fn close(&self, py: Python<'_>, wait: bool, replaced: bool) -> PyResult<()> {
        if self.task_engine.owner_elsewhere().is_some() {
            return Ok(());
        }
        let ending = match replaced {
            true => Ending::Replaced,
            false => Ending::Closed,
        };
        gil::detach(py, || self.task_engine.end(ending));
        match &self.workers {
            Workers::Threads(pool) if wait => gil::detach(py, || pool.join()),
            Workers::Threads(_) => {}
            Workers::Processes(pool, _) => gil::detach(py, || {
                pool.close();
                pool.join();
            }),
        }
        // A callback may wait for the loop, if this thread runs it.
        if wait || !self.is_awaited_here(py)? {
            gil::detach(py, || self.task_engine.settle_callbacks());
        }
        py.check_signals()
    }

    fn __repr__(&self) -> String {
        if let Some(owner) = self.task_engine.owner_elsewhere() {
            return format!("<Engine: {} threads, of process {owner}>", self.width);
        }
        let (waiting, running) = self.task_engine.counts();
        let closed = if self.task_engine.is_closed() {
            ", closed"
        } else {
            ""
        };
        format!(
            "<Engine: {} threads, {running} tasks running, {waiting} waiting{closed}>",
            self.width
        )
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.task_engine.close();
        if let Workers::Processes(pool, _) = &self.workers {
            pool.close();
        }
    }
}

impl Engine {
    fn new(
        py: Python<'_>,
        task_engine: Arc<TaskEngine<Calls>>,
        workers: Workers,
        width: usize,
        me: Me,
    ) -> PyResult<Bound<'_, Self>> {
        let (names, asynchronous) = (Names::default(), AtomicBool::new(false));
        let engine = Bound::new(
            py,
            Self {
                task_engine,
                workers,
                width,
                names,
                asynchronous,
            },
        )?;
        // It was just created, and is not shared yet.
        let _ = me.0.set(PyWeakrefReference::new(&engine)?.unbind());
        Ok(engine)
    }

    /// Payload of a function for another process.
    fn code(&self, function: &Bound<'_, PyAny>) -> PyResult<Option<Arc<Payload>>> {
        match &self.workers {
            Workers::Threads(_) => Ok(None),
            Workers::Processes(_, functions) => functions.payload(function).map(Some),
        }
    }

    fn send(&self, py: Python<'_>, spec: TaskSpec<Calls>) -> Arc<Slot<Calls>> {
        match &self.workers {
            Workers::Threads(_) => self.task_engine.submit(spec),
            // Releases the GIL for writing to sockets.
            Workers::Processes(..) => gil::detach(py, || self.task_engine.submit(spec)),
        }
    }

    fn send_all(&self, py: Python<'_>, specs: Vec<TaskSpec<Calls>>) -> Vec<Arc<Slot<Calls>>> {
        let mut slots = Vec::with_capacity(specs.len());
        match &self.workers {
            Workers::Threads(_) => self.task_engine.submit_all(specs, |slot| slots.push(slot)),
            Workers::Processes(..) => {
                gil::detach(py, || {
                    self.task_engine.submit_all(specs, |slot| slots.push(slot))
                });
            }
        }
        slots
    }

    /// Number of concurrent calls.
    pub(crate) fn threads_at_a_time(&self) -> usize {
        self.width
    }

    /// Fails in a process that was forked from the engine's.
    pub(crate) fn check_here(&self) -> PyResult<()> {
        self.task_engine
            .owner_elsewhere()
            .map_or(Ok(()), |owner| Err(errors::forked(owner)))
    }

    fn check_open(&self, py: Python<'_>) -> PyResult<()> {
        self.check_here()?;
        if self.task_engine.is_closed() {
            Err(errors::closed(py))
        } else {
            Ok(())
        }
    }

    /// Whether waiting in this thread has to poll: futures of an asynchronous client are waited for on a loop.
    pub(crate) fn is_awaited_here(&self, py: Python<'_>) -> PyResult<bool> {
        if !self.asynchronous() {
            return Ok(false);
        }
        Ok(event_loop::running(py)?.is_some())
    }
}
