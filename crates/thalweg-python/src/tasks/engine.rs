//! Workers, and the scheduler before them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyIterator, PyList, PyTuple, PyWeakrefReference};
use thalweg_tasks::host::{Crew, Home, Options, Slot, spec};

use super::arguments::Search;
use super::errors;
use super::future::{self, Future};
use super::options::{options, resources};
use super::threads::{Caller, Turn};
use super::world::{Call, Calls, Inputs, Program, Value};
use crate::lock::lock;

/// Workers, and the scheduler before them.
#[pyclass(module = "thalweg._thalweg.tasks", frozen, weakref)]
pub(crate) struct Engine {
    pub(crate) home: Arc<Home<Calls>>,
    crew: Arc<Crew<Calls>>,
    width: usize,
    /// Tasks that were given a name, by that.
    named: Mutex<HashMap<Box<str>, Weak<Slot<Calls>>>>,
    asynchronous: AtomicBool,
}

/// The object of an engine, for those who are no reason for it to live.
#[derive(Clone, Default)]
pub(crate) struct Me(Arc<OnceLock<Py<PyWeakrefReference>>>);

impl Me {
    pub(crate) fn get<'py>(&self, py: Python<'py>) -> Option<Bound<'py, Engine>> {
        use pyo3::types::PyWeakrefMethods;
        self.0.get()?.bind(py).upgrade()?.cast_into().ok()
    }
}

/// How many tasks are sent under one lock.
const AT_ONCE: usize = 256;

#[pymethods]
impl Engine {
    /// An engine with so many threads.
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
        let me = Me::default();
        let home = Home::threads();
        let crew = Crew::start(&home, n, self::resources(resources)?, Caller(me.clone()))?;
        let named = Mutex::default();
        let asynchronous = AtomicBool::new(false);
        let engine = Self {
            home,
            crew,
            width: n,
            named,
            asynchronous,
        };
        let engine = Bound::new(py, engine)?;
        // It has just been made, and nobody else has seen it.
        let _ = me.0.set(PyWeakrefReference::new(&engine)?.unbind());
        Ok(engine)
    }

    #[getter]
    fn kind(&self) -> &'static str {
        "threads"
    }

    #[getter]
    fn width(&self) -> usize {
        self.width
    }

    #[getter]
    fn closed(&self) -> bool {
        self.home.is_closed()
    }

    #[getter]
    fn asynchronous(&self) -> bool {
        self.asynchronous.load(Ordering::Relaxed)
    }

    #[setter]
    fn set_asynchronous(&self, asynchronous: bool) {
        self.asynchronous.store(asynchronous, Ordering::Relaxed);
    }

    /// Calls a function with arguments. A future stands for the result.
    #[pyo3(signature = (
        function, args, kwargs = None, *, key = None, priority = 0.0, retries = 0, resources = None, timeout = None
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
        priority: f64,
        retries: u32,
        resources: Option<&Bound<'py, PyDict>>,
        timeout: Option<f64>,
    ) -> PyResult<Bound<'py, Future>> {
        let py = slf.py();
        let engine = slf.get();
        engine.check_open(py)?;
        if let Some(slot) = key.as_deref().and_then(|key| engine.named(key)) {
            return Future::new(slf, slot);
        }
        let options = options(key, priority, retries, resources, timeout)?;
        let mut search = Search::default();
        let mut found = search.look(args.as_any())?;
        if let Some(kwargs) = &kwargs {
            found |= search.look(kwargs.as_any())?;
        }
        let call = Call {
            function: function.unbind(),
            args: args.unbind(),
            kwargs: kwargs.map(Bound::unbind),
            inputs: if found { Inputs::Futures } else { Inputs::None },
        };
        let slot = engine
            .home
            .submit(spec(Program::Call(call), search.needs, options));
        engine.name(&slot);
        Future::new(slf, slot)
    }

    /// Calls a function for each tuple of elements. `key` begins the names of the tasks.
    #[pyo3(signature = (
        function, iterables, kwargs = None, *, key = None, priority = 0.0, retries = 0, resources = None, timeout = None
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
        retries: u32,
        resources: Option<&Bound<'py, PyDict>>,
        timeout: Option<f64>,
    ) -> PyResult<Bound<'py, PyList>> {
        let py = slf.py();
        let engine = slf.get();
        engine.check_open(py)?;
        let options = options(None, priority, retries, resources, timeout)?;
        let mut shared = Search::default();
        if let Some(kwargs) = &kwargs {
            shared.look(kwargs.as_any())?;
        }
        let rows = Rows::of(&iterables)?;
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
                search.needs.extend(shared.needs.iter().cloned());
                let call = Call {
                    function: function.clone().unbind(),
                    args: args.unbind(),
                    kwargs: kwargs.as_ref().map(|kwargs| kwargs.clone().unbind()),
                    inputs: if found || !shared.needs.is_empty() {
                        Inputs::Futures
                    } else {
                        Inputs::None
                    },
                };
                let options = match &key {
                    None => options.clone(),
                    Some(prefix) => {
                        let key = Some(format!("{prefix}-{number}").into());
                        let like = options.as_deref().cloned().unwrap_or_default();
                        Some(Arc::new(Options { key, ..like }))
                    }
                };
                specs.push(spec(Program::Call(call), search.needs, options));
                number += 1;
            }
            if specs.len() == AT_ONCE || is_last {
                let mut slots = Vec::with_capacity(specs.len());
                engine
                    .home
                    .submit_all(specs.drain(..), |slot| slots.push(slot));
                for slot in slots {
                    engine.name(&slot);
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

    /// A future of a value that is there already.
    #[pyo3(signature = (value, *, key = None))]
    fn scatter<'py>(
        slf: &Bound<'py, Self>,
        value: Bound<'py, PyAny>,
        key: Option<String>,
    ) -> PyResult<Bound<'py, Future>> {
        let engine = slf.get();
        engine.check_open(slf.py())?;
        let slot = engine
            .home
            .place(Value::Object(value.unbind()), key.map(Into::into));
        engine.name(&slot);
        Future::new(slf, slot)
    }

    /// The future of a task that was given that name, if there is one.
    fn find<'py>(slf: &Bound<'py, Self>, key: &str) -> PyResult<Option<Bound<'py, Future>>> {
        slf.get()
            .named(key)
            .map(|slot| Future::new(slf, slot))
            .transpose()
    }

    /// Waits for all, and returns their results in order.
    fn gather<'py>(
        &self,
        py: Python<'py>,
        futures: Vec<Bound<'py, Future>>,
    ) -> PyResult<Bound<'py, PyList>> {
        let slots: Vec<_> = futures
            .iter()
            .map(|future| future.get().slot())
            .collect::<PyResult<_>>()?;
        future::wait(py, &slots, None)?;
        let results = PyList::empty(py);
        for slot in &slots {
            results.append(future::result(py, slot)?)?;
        }
        Ok(results)
    }

    /// One call on each worker process; here, where all is one process, one call.
    #[pyo3(signature = (function, args, kwargs = None))]
    fn run<'py>(
        slf: &Bound<'py, Self>,
        function: Bound<'py, PyAny>,
        args: Bound<'py, PyTuple>,
        kwargs: Option<Bound<'py, PyDict>>,
    ) -> PyResult<Vec<Bound<'py, Future>>> {
        let urgent = f64::INFINITY;
        Ok(vec![Self::submit(
            slf, function, args, kwargs, None, urgent, 0, None, None,
        )?])
    }

    /// Runs a graph of tasks, see `graph.rs`.
    #[pyo3(signature = (
        tasks, wanted, *, given = Vec::new(), keys = None, priority = 0.0, retries = 0, resources = None, timeout = None
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
        retries: u32,
        resources: Option<&Bound<'py, PyDict>>,
        timeout: Option<f64>,
    ) -> PyResult<Vec<Bound<'py, Future>>> {
        let engine = slf.get();
        engine.check_open(slf.py())?;
        let options = options(None, priority, retries, resources, timeout)?;
        let slots = super::graph::submit(engine, &tasks, &wanted, &given, keys, options.as_ref())?;
        for slot in &slots {
            engine.name(slot);
        }
        slots
            .into_iter()
            .map(|slot| Future::new(slf, slot))
            .collect()
    }

    /// What there is to know of the workers and their tasks.
    fn info<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let (waiting, running) = self.home.counts();
        let info = PyDict::new(py);
        let worker = PyDict::new(py);
        worker.set_item("id", 0)?;
        worker.set_item("pid", std::process::id())?;
        worker.set_item("threads", self.width)?;
        worker.set_item("running", running)?;
        worker.set_item("stored", 0)?;
        info.set_item("workers", vec![worker])?;
        info.set_item("pending", waiting)?;
        info.set_item("running", running)?;
        Ok(info)
    }

    /// Takes no more tasks, and drops those that have not begun. With `wait`, waits for those that run.
    #[pyo3(signature = (*, wait = false))]
    fn close(&self, py: Python<'_>, wait: bool) -> PyResult<()> {
        py.detach(|| self.home.close());
        if wait {
            let crew = self.crew.clone();
            py.detach(|| crew.join());
        }
        py.check_signals()
    }

    fn __repr__(&self) -> String {
        let (waiting, running) = self.home.counts();
        let closed = if self.home.is_closed() {
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
        self.home.close();
    }
}

impl Engine {
    fn check_open(&self, py: Python<'_>) -> PyResult<()> {
        if self.home.is_closed() {
            Err(errors::closed(py))
        } else {
            Ok(())
        }
    }

    /// Whether who waits in this thread awaits: an asynchronous client's futures are waited for in a loop.
    pub(crate) fn is_awaited_here(&self, py: Python<'_>) -> PyResult<bool> {
        if !self.asynchronous() {
            return Ok(false);
        }
        let running = py.import("asyncio")?.call_method0("_get_running_loop")?;
        Ok(!running.is_none())
    }

    fn named(&self, key: &str) -> Option<Arc<Slot<Calls>>> {
        lock(&self.named).get(key)?.upgrade()
    }

    /// Takes note of a task's name, if it has one.
    fn name(&self, slot: &Arc<Slot<Calls>>) {
        let Some(key) = slot.key() else { return };
        let mut named = lock(&self.named);
        if named.len() == named.capacity() {
            named.retain(|_, slot| slot.strong_count() > 0);
        }
        named.insert(key.into(), Arc::downgrade(slot));
    }
}

/// The arguments of the calls that `map` makes.
enum Rows<'py> {
    Of(Bound<'py, PyIterator>),
    Zipped(Bound<'py, PyIterator>),
}

impl<'py> Rows<'py> {
    fn of(iterables: &Bound<'py, PyTuple>) -> PyResult<Self> {
        if iterables.len() == 1 {
            return Ok(Self::Of(iterables.get_item(0)?.try_iter()?));
        }
        let zip = iterables.py().import("builtins")?.getattr("zip")?;
        Ok(Self::Zipped(zip.call1(iterables)?.try_iter()?))
    }

    fn next(&self) -> PyResult<Option<Bound<'py, PyTuple>>> {
        match self {
            Self::Of(elements) => match elements.clone().next() {
                None => Ok(None),
                Some(element) => {
                    let element = element?;
                    PyTuple::new(element.py(), [element]).map(Some)
                }
            },
            Self::Zipped(rows) => match rows.clone().next() {
                None => Ok(None),
                Some(row) => Ok(Some(row?.cast_into()?)),
            },
        }
    }
}
