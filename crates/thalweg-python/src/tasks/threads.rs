//! Threads that call Python functions.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use pyo3::exceptions::{PyOSError, PyRuntimeError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use thalweg_tasks::Token;
use thalweg_tasks::host::{self, Assignment, Deferred, TaskEngine, ThreadPool, Work, as_task};

use super::arguments::Fill;
use super::engine::{Engine, Me};
use super::names::unnamed;
use super::task_types::{Call, Calls, Inputs, Program, PyTaskError, Raised, Value, values};
use crate::lock::lock;
use crate::upcalls::TASKS;
use crate::{call, gil};

/// How long a thread runs tasks before it offers the GIL: the interpreter's switch interval.
const TURN: Duration = Duration::from_millis(5);

thread_local! {
    static ENGINE: RefCell<Option<Me>> = const { RefCell::new(None) };
}

/// Calls functions, one after the other.
pub(crate) struct Caller(pub(crate) Me);

impl Work<Calls> for Caller {
    fn work(&self, pool: &Arc<ThreadPool<Calls>>) {
        ENGINE.set(Some(self.0.clone()));
        // A thread keeps its interpreter state while it is attached: attaching anew for each task would cost more
        // than a small task.
        gil::attach(|py| {
            let mut deferred = Deferred::default();
            let mut next = gil::detach(py, || take(pool));
            let mut turn = Turn::begin();
            while let Some(mut assignment) = next {
                let result = run(py, &mut assignment, &mut turn);
                if pool.may_have_ready() {
                    next = pool.finish(assignment, result, &mut deferred);
                    turn.yield_if_over(py);
                    if next.is_some() {
                        continue;
                    }
                    next = gil::detach(py, || take(pool));
                } else {
                    // So that the thread waiting for this task finds the GIL free.
                    next = gil::detach(py, || {
                        let next = pool.finish(assignment, result, &mut deferred);
                        next.or_else(|| take(pool))
                    });
                }
                turn = Turn::begin();
            }
        });
    }
}

/// Waits for a task, without the GIL.
fn take(pool: &Arc<ThreadPool<Calls>>) -> Option<Assignment<Calls>> {
    let next = pool.take();
    let is_call = |next: &Assignment<Calls>| matches!(next.program, Program::Here(_));
    if next.as_ref().is_some_and(is_call) {
        gil::await_handover();
    }
    next
}

/// Time for which a thread has held the GIL.
pub(crate) struct Turn {
    began: Instant,
    /// Tasks until the next look at the clock.
    looks: u32,
}

impl Turn {
    pub(crate) fn begin() -> Self {
        Self {
            began: Instant::now(),
            looks: 0,
        }
    }

    /// Offers the GIL for a moment if this thread has held it for long.
    pub(crate) fn yield_if_over(&mut self, py: Python<'_>) {
        self.looks += 1;
        if self.looks.is_multiple_of(64) && self.began.elapsed() > TURN {
            gil::detach(py, std::thread::yield_now);
            self.began = Instant::now();
        }
    }
}

fn run(
    py: Python<'_>,
    assignment: &mut Assignment<Calls>,
    turn: &mut Turn,
) -> Result<Value, PyTaskError> {
    let token = Token::of(assignment);
    if let Program::Stream(streaming) = &mut assignment.program {
        if let Some(streaming) = streaming.take() {
            as_task(token, || gil::unawaited(|| streaming(py, turn)));
        }
        return Ok(Value::Object(py.None()));
    }
    let Program::Here(call) = &assignment.program else {
        let error = PyRuntimeError::new_err("this is to be called in another process");
        return Err(PyTaskError::Error(Raised::new(py, error)));
    };
    let call = || match call.inputs {
        Inputs::None => call_plain(py, call),
        Inputs::Futures => call_filled(py, call, values(py, &assignment.dependencies)?),
        Inputs::Places(ref places) => {
            call_placed(py, call, places, values(py, &assignment.dependencies)?)
        }
    };
    as_task(token, call)
        .map(|object| Value::Object(object.unbind()))
        .map_err(|error| PyTaskError::Error(Raised::new(py, error)))
}

fn call_plain<'py>(py: Python<'py>, call: &Call) -> PyResult<Bound<'py, PyAny>> {
    let kwargs = call.kwargs.as_ref().map(|kwargs| kwargs.bind(py));
    call::task(call.function.bind(py), call.args.bind(py), kwargs)
}

fn call_filled<'py>(
    py: Python<'py>,
    call: &Call,
    values: Vec<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let mut values = values.into_iter();
    let mut fill = Fill::new(&mut values);
    let args = fill
        .fill(call.args.bind(py).clone().into_any())?
        .cast_into::<PyTuple>()?;
    let kwargs = match &call.kwargs {
        None => None,
        Some(kwargs) => Some(
            fill.fill(kwargs.bind(py).clone().into_any())?
                .cast_into::<PyDict>()?,
        ),
    };
    call::task(call.function.bind(py), &args, kwargs.as_ref())
}

fn call_placed<'py>(
    py: Python<'py>,
    call: &Call,
    places: &[u32],
    values: Vec<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let mut args: Vec<_> = call.args.bind(py).iter().collect();
    for (place, value) in places.iter().zip(values) {
        args[*place as usize] = value;
    }
    let kwargs = call.kwargs.as_ref().map(|kwargs| kwargs.bind(py));
    call::task(call.function.bind(py), &PyTuple::new(py, args)?, kwargs)
}

/// The engine whose task runs in this thread.
#[pyfunction]
pub(crate) fn current_engine(py: Python<'_>) -> Option<Bound<'_, Engine>> {
    ENGINE.with_borrow(|me| me.as_ref().and_then(|me| me.get(py)))
}

/// Logs a message about tasks that wait without a thread for others.
pub(super) fn warn_of_shortage(message: &str) {
    gil::attach(|py| {
        let logger = TASKS.call(py, "logger", ());
        if let Err(error) = logger.and_then(|logger| logger.call_method1("warning", (message,))) {
            error.write_unraisable(py, None);
        }
    });
}

/// Gives this thread's place to another one, so that a waiting task keeps none from running.
#[pyfunction]
pub(crate) fn secede() -> PyResult<()> {
    let is_task = host::secede().map_err(|error| {
        PyOSError::new_err(format!(
            "secede: the system can't start a thread to run other tasks: {error}"
        ))
    })?;
    within_task("secede", is_task)
}

/// Takes the place back.
#[pyfunction]
pub(crate) fn rejoin() -> PyResult<()> {
    within_task("rejoin", host::rejoin())
}

fn within_task(what: &str, is_task: bool) -> PyResult<()> {
    match is_task {
        true => Ok(()),
        false => Err(PyRuntimeError::new_err(format!(
            "{what}: there is no task running in this thread"
        ))),
    }
}

/// A thread's place, given to another thread for the length of a `with` block: if a task runs here, and the place has
/// not been given away already.
#[pyclass(frozen, module = "thalweg._thalweg")]
#[derive(Default)]
pub(crate) struct OutOfTheWay(AtomicBool);

#[pymethods]
impl OutOfTheWay {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    fn __enter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf.give();
        slf
    }

    /// Gives the place away if the system had no thread for another before.
    fn give(&self) {
        if let Some(aside) = host::aside() {
            std::mem::forget(aside);
            self.0.store(true, Ordering::Relaxed);
        }
    }

    #[pyo3(signature = (*_error))]
    fn __exit__(&self, _error: &Bound<'_, PyTuple>) {
        if self.0.swap(false, Ordering::Relaxed) {
            host::rejoin();
        }
    }
}

/// Thread pools whose threads may be in the interpreter.
static THREAD_POOLS: Mutex<Vec<Weak<ThreadPool<Calls>>>> = Mutex::new(Vec::new());

/// Registers a thread pool for those who wait for all.
pub(crate) fn note(pool: &Arc<ThreadPool<Calls>>) {
    let mut pools = lock(&THREAD_POOLS);
    pools.retain(|pool| pool.strong_count() > 0);
    pools.push(Arc::downgrade(pool));
}

/// The names of the running tasks.
pub(crate) fn names_of_running(
    task_engine: &TaskEngine<Calls>,
) -> impl Iterator<Item = (u64, String)> {
    let name = |(number, key): (u64, Option<Box<str>>)| {
        (number, key.map_or_else(|| unnamed(number), String::from))
    };
    task_engine.names_of_running().into_iter().map(name)
}

/// Waits until the threads of all closed engines have ended, for this number of seconds at most. Returns the names of
/// tasks that are still running.
///
/// A thread that returns to an interpreter being torn down would crash the program.
#[pyfunction]
pub(crate) fn wait_for_threads(py: Python<'_>, seconds: f64) -> PyResult<Vec<String>> {
    let deadline = Instant::now()
        + super::options::limit("seconds", Some(seconds))?.unwrap_or(Duration::MAX / 4);
    loop {
        let pools: Vec<_> = lock(&THREAD_POOLS)
            .iter()
            .filter_map(Weak::upgrade)
            .collect();
        let left = || {
            pools
                .iter()
                .filter(|pool| pool.engine().is_closed() && !pool.has_gone())
        };
        if left().next().is_none() {
            return Ok(Vec::new());
        }
        if Instant::now() >= deadline {
            let names = left().flat_map(|pool| names_of_running(pool.engine()));
            return Ok(names.map(|(_, name)| name).collect());
        }
        gil::detach(py, || std::thread::sleep(Duration::from_millis(2)));
        py.check_signals()?;
    }
}
