//! State shared by the nodes of one pipeline on Python's side.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Mutex, OnceLock};
use std::thread::ThreadId;

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyWeakrefMethods, PyWeakrefReference};
use pyo3::{PyTraverseError, PyVisit};

use crate::event_loop::{self, EventLoop};
use crate::failure;
use crate::lock::lock;
use crate::node::Node;
use crate::upcalls;

/// Where the functions of a pipeline are called.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Mode {
    /// On the emitting thread: there is no event loop.
    NoLoop,
    /// On the user's event loop; `emit` is awaited.
    Here,
    /// On an event loop on another thread; `emit` blocks.
    Elsewhere,
    /// The pipeline has become part of another one.
    Joined,
    /// The process was forked: the pipeline runs in its parent.
    InParent,
    /// Pipelines are being drained together: only their functions may emit.
    Ending,
    /// The program is ending, and the pipeline has been drained.
    Ended,
}

/// How an element enters a pipeline from a thread.
pub(crate) enum Way {
    /// The thread enters the pipeline itself: it runs the pipeline's event loop, or there is none.
    Here(Option<EventLoop>),
    /// The loop's thread enters, and this thread blocks.
    Blocking(EventLoop),
    /// The loop's thread enters; this thread, which runs another loop or must not block, gets an awaitable.
    Across(EventLoop),
}

/// A pipeline: its event loop, and its nodes in Python.
///
/// It keeps none of them alive: nodes keep each other.
#[pyclass(frozen, weakref, module = "thalweg._thalweg")]
pub(crate) struct Pipeline {
    mode: AtomicU8,
    joined: OnceLock<Py<Pipeline>>,
    event_loop: OnceLock<EventLoop>,
    /// Whether it has nodes that need an event loop.
    needs_loop: AtomicBool,
    /// Whether it has changed since its chains were compiled.
    is_unsettled: AtomicBool,
    /// Elements received since the last change, and the number from which compiling pays.
    settling: Mutex<Settling>,
    /// The thread that made it.
    maker: ThreadId,
    state: Mutex<State>,
}

/// Elements per node that must have been received before a pipeline is compiled again, since compiling costs in
/// proportion to its nodes.
#[derive(Default)]
struct Settling {
    elements: usize,
    has_settled: bool,
}

/// Pipelines with fewer nodes are compiled for their first element.
const SMALL: usize = 32;

#[derive(Default)]
struct State {
    asynchronous: Option<bool>,
    /// Ids of the sinks.
    sinks: HashSet<u64>,
    /// The nodes by the id of their inlet in the engine.
    nodes: HashMap<u64, Py<PyWeakrefReference>>,
}

impl Pipeline {
    pub(crate) fn create(py: Python<'_>) -> PyResult<Py<Self>> {
        let pipeline = Py::new(
            py,
            Self {
                mode: AtomicU8::new(Mode::NoLoop as u8),
                joined: OnceLock::new(),
                event_loop: OnceLock::new(),
                needs_loop: AtomicBool::new(false),
                is_unsettled: AtomicBool::new(true),
                settling: Mutex::default(),
                maker: std::thread::current().id(),
                state: Mutex::default(),
            },
        )?;
        upcalls::STREAMS.call(py, "register", (&pipeline,))?;
        Ok(pipeline)
    }

    #[inline(always)]
    pub(crate) fn mode(&self) -> Mode {
        match self.mode.load(Ordering::Relaxed) {
            0 => Mode::NoLoop,
            1 => Mode::Here,
            2 => Mode::Elsewhere,
            3 => Mode::Joined,
            4 => Mode::InParent,
            5 => Mode::Ending,
            _ => Mode::Ended,
        }
    }

    /// Records that an edge, a policy or a function has changed: chains have to be compiled again.
    pub(crate) fn note_change(&self) {
        self.is_unsettled.store(true, Ordering::Relaxed);
    }

    #[inline(always)]
    pub(crate) fn is_unsettled(&self) -> bool {
        self.is_unsettled.load(Ordering::Relaxed)
    }

    /// Adds elements to the count; returns whether compiling pays now, and counts it as compiled.
    pub(crate) fn begin_to_settle(&self, elements: usize) -> bool {
        let nodes = lock(&self.state).nodes.len();
        let mut settling = lock(&self.settling);
        settling.elements = settling.elements.saturating_add(elements);
        let worth = match settling.has_settled {
            false if nodes <= SMALL => 0,
            _ => nodes,
        };
        if settling.elements < worth {
            return false;
        }
        *settling = Settling {
            elements: 0,
            has_settled: true,
        };
        true
    }

    /// Records that the pipeline is about to be compiled as it is now.
    pub(crate) fn note_settled(&self) {
        self.is_unsettled.store(false, Ordering::Relaxed);
    }

    /// The pipeline that this one has become part of, or itself.
    pub(crate) fn root(slf: &Py<Self>) -> &Py<Self> {
        let mut root = slf;
        while let Some(into) = root.get().joined.get() {
            root = into;
        }
        root
    }

    pub(crate) fn event_loop(&self) -> Option<&EventLoop> {
        self.event_loop.get()
    }

    pub(crate) fn asynchronous(&self) -> Option<bool> {
        lock(&self.state).asynchronous
    }

    /// Sets whether `emit` is awaited or blocks.
    ///
    /// # Errors
    /// It has been set otherwise.
    pub(crate) fn set_asynchronous(&self, asynchronous: bool) -> PyResult<()> {
        let mut state = lock(&self.state);
        if state
            .asynchronous
            .is_some_and(|before| before != asynchronous)
        {
            return Err(PyValueError::new_err(
                "Stream has both asynchronous and synchronous elements",
            ));
        }
        state.asynchronous = Some(asynchronous);
        drop(state);
        self.decide();
        Ok(())
    }

    /// Assigns an event loop to the pipeline.
    ///
    /// # Errors
    /// It has another.
    pub(crate) fn set_event_loop(&self, py: Python<'_>, event_loop: &EventLoop) -> PyResult<()> {
        let mine = self.event_loop.get_or_init(|| {
            event_loop.enter();
            event_loop.clone()
        });
        if !mine.is_same(event_loop) {
            return Err(PyValueError::new_err("Two different event loops active"));
        }
        self.decide();
        if event_loop.is_here(py) {
            event_loop.watch(py)?;
        }
        Ok(())
    }

    /// The event loop for nodes that need one. Without one: the running loop if the pipeline is asynchronous, otherwise
    /// one on a separate thread.
    ///
    /// # Errors
    /// No loop is running.
    pub(crate) fn need_loop(&self, py: Python<'_>) -> PyResult<EventLoop> {
        self.needs_loop.store(true, Ordering::Relaxed);
        self.find_loop(py)
    }

    /// The event loop; without one, as [`need_loop`](Self::need_loop).
    ///
    /// # Errors
    /// No loop is running.
    pub(crate) fn find_loop(&self, py: Python<'_>) -> PyResult<EventLoop> {
        if let Some(event_loop) = self.event_loop.get() {
            return Ok(event_loop.clone());
        }
        let found = upcalls::STREAMS.call(py, "find_loop", (self.asynchronous(),))?;
        let is_guess = self.asynchronous() == Some(true) && event_loop::running(py)?.is_none();
        let event_loop = if is_guess {
            EventLoop::guess(&found)?
        } else {
            EventLoop::of(&found)?
        };
        self.set_event_loop(py, &event_loop)?;
        Ok(event_loop)
    }

    /// Assigns a loop on a separate thread to an asynchronous pipeline that was started where no loop runs, since none
    /// may ever run. A loop that is expected to run is left alone.
    pub(crate) fn begin_without_loop(&self, py: Python<'_>) -> PyResult<()> {
        let expected = self.event_loop.get();
        let is_settled = expected.is_some_and(|it| !it.is_guess() || it.is_shared());
        if self.asynchronous() != Some(true) || is_settled || event_loop::running(py)?.is_some() {
            return Ok(());
        }
        let found = upcalls::STREAMS.call(py, "find_loop", (false,))?;
        match expected {
            Some(expected) => expected.move_to(py, &found),
            None => self.set_event_loop(py, &EventLoop::of(&found)?),
        }
    }

    /// How an element enters from this thread; `asynchronous` if the thread must not block.
    ///
    /// # Errors
    /// The pipeline runs in another process, or its event loop is not running.
    pub(crate) fn way_in(&self, py: Python<'_>, asynchronous: bool) -> PyResult<Way> {
        match (self.place(), self.event_loop.get()) {
            (Mode::InParent, _) => Err(in_parent()),
            (Mode::Ended, _) => Err(failure::closed(py)),
            (Mode::Here, Some(event_loop)) => self.way_to_users(py, event_loop),
            (Mode::Here, None) => match event_loop::running(py)? {
                Some(_) => Ok(Way::Here(Some(self.find_loop(py)?))),
                None if self.is_makers_thread() => Ok(Way::Here(None)),
                None => Err(not_running()),
            },
            // A virtual clock's loop runs on the thread that needs it.
            (_, Some(event_loop))
                if event_loop.is_here(py) || asynchronous && event_loop.is_driven() =>
            {
                Ok(Way::Here(Some(event_loop.clone())))
            }
            (_, Some(event_loop)) if asynchronous => Ok(Way::Across(event_loop.clone())),
            (_, Some(event_loop)) => Ok(Way::Blocking(event_loop.clone())),
            (_, None) => Ok(Way::Here(None)),
        }
    }

    /// The same for a pipeline on the user's event loop.
    fn way_to_users(&self, py: Python<'_>, event_loop: &EventLoop) -> PyResult<Way> {
        if event_loop.is_here(py) {
            return Ok(Way::Here(Some(event_loop.clone())));
        }
        let running = event_loop::running(py)?;
        let here = || Ok(Way::Here(Some(event_loop.clone())));
        match &running {
            Some(running) if event_loop.is(running) => return here(),
            Some(running) if event_loop.is_over(py) => {
                event_loop.move_to(py, running)?;
                return here();
            }
            _ => {}
        }
        if event_loop.is_running(py) {
            return Ok(match running {
                Some(_) => Way::Across(event_loop.clone()),
                None => Way::Blocking(event_loop.clone()),
            });
        }
        match &running {
            Some(running) => {
                let idle = upcalls::STREAMS.call(py, "are_idle_on", (event_loop.object(py),))?;
                if !idle.is_truthy()? {
                    return Err(stopped());
                }
                event_loop.move_to(py, running)?;
                here()
            }
            None if event_loop.is_guess() && self.is_makers_thread() => here(),
            None if event_loop.is_guess() => Err(not_running()),
            None if self.needs_loop.load(Ordering::Relaxed) || !self.is_makers_thread() => {
                event_loop.check_open(py)?;
                if self.is_makers_thread() {
                    here()
                } else {
                    Err(not_running())
                }
            }
            None => here(),
        }
    }

    /// Accepts elements again after the end.
    pub(crate) fn reopen(&self) {
        if self.mode() == Mode::Ended {
            self.mode.store(Mode::NoLoop as u8, Ordering::Relaxed);
            self.decide();
        }
    }

    fn is_makers_thread(&self) -> bool {
        self.maker == std::thread::current().id()
    }

    /// Where its functions are called, also while it is being drained.
    pub(crate) fn place(&self) -> Mode {
        match self.mode() {
            Mode::Ending => self.decided(),
            mode => mode,
        }
    }

    fn decided(&self) -> Mode {
        match (self.event_loop.get(), self.asynchronous()) {
            (_, Some(true)) => Mode::Here,
            (None, _) => Mode::NoLoop,
            (Some(_), _) => Mode::Elsewhere,
        }
    }

    fn decide(&self) {
        if self.is_open() {
            self.mode.store(self.decided() as u8, Ordering::Relaxed);
        }
    }

    /// Whether this pipeline takes elements itself, from any thread.
    fn is_open(&self) -> bool {
        matches!(self.mode(), Mode::NoLoop | Mode::Here | Mode::Elsewhere)
    }

    /// Takes over another pipeline.
    ///
    /// # Errors
    /// They run on different event loops.
    pub(crate) fn join(slf: &Py<Self>, other: &Py<Self>, py: Python<'_>) -> PyResult<()> {
        let (into, from) = (Self::root(slf), Self::root(other));
        if into.is(from) {
            return Ok(());
        }
        let (one, two) = (into.get(), from.get());
        if let Some(asynchronous) = two.asynchronous() {
            one.set_asynchronous(asynchronous)?;
        }
        if let Some(event_loop) = two.event_loop() {
            one.set_event_loop(py, event_loop)?;
        }
        if two.needs_loop.load(Ordering::Relaxed) {
            one.needs_loop.store(true, Ordering::Relaxed);
        }
        let theirs = std::mem::take(&mut *lock(&two.state));
        let mut mine = lock(&one.state);
        mine.sinks.extend(theirs.sinks);
        mine.nodes.extend(theirs.nodes);
        drop(mine);
        let _ = two.joined.set(into.clone_ref(py));
        two.mode.store(Mode::Joined as u8, Ordering::Relaxed);
        Ok(())
    }

    pub(crate) fn add(&self, id: u64, node: &Bound<'_, Node>, is_sink: bool) -> PyResult<()> {
        let reference = PyWeakrefReference::new(node.as_any())?.unbind();
        let mut state = lock(&self.state);
        state.nodes.insert(id, reference);
        if is_sink {
            state.sinks.insert(id);
        }
        Ok(())
    }

    pub(crate) fn forget(&self, id: u64) {
        let mut state = lock(&self.state);
        state.sinks.remove(&id);
        let gone = state.nodes.remove(&id);
        drop(state);
        drop(gone);
    }

    /// Ids of the nodes, in order of creation, and whether each is a sink.
    pub(crate) fn ids(&self) -> Vec<(u64, bool)> {
        let state = lock(&self.state);
        let is_sink = |id: &u64| (*id, state.sinks.contains(id));
        let mut ids: Vec<_> = state.nodes.keys().map(is_sink).collect();
        ids.sort_unstable();
        ids
    }

    /// Records that a node is no longer a sink.
    pub(crate) fn release_sink(&self, id: u64) {
        lock(&self.state).sinks.remove(&id);
    }

    /// The nodes with these ids, if they exist in Python.
    pub(crate) fn find<'py>(&self, py: Python<'py>, ids: &[u64]) -> Vec<Bound<'py, PyAny>> {
        let state = lock(&self.state);
        let found: Vec<_> = ids
            .iter()
            .filter_map(|id| state.nodes.get(id))
            .map(|reference| reference.clone_ref(py))
            .collect();
        drop(state);
        found
            .iter()
            .filter_map(|reference| reference.bind(py).upgrade())
            .collect()
    }
}

/// The last node was dropped.
impl Drop for Pipeline {
    fn drop(&mut self) {
        if let Some(event_loop) = self.event_loop.get() {
            event_loop.leave();
        }
    }
}

#[cold]
pub(crate) fn in_parent() -> PyErr {
    PyRuntimeError::new_err(
        "the pipeline was built before the process was forked, and runs in its parent: build it in the new process",
    )
}

#[cold]
fn not_running() -> PyErr {
    PyRuntimeError::new_err(
        "the pipeline is asynchronous, and no event loop runs that it belongs to: build it, or emit once, \
         inside a coroutine before other threads emit, or give it its loop, `Stream(asynchronous=True, loop=loop)`",
    )
}

#[cold]
fn stopped() -> PyErr {
    PyRuntimeError::new_err(
        "elements are on their way on the event loop that the pipeline ran on, which has stopped: run that loop \
         again, or drain the pipeline before its loop ends",
    )
}

#[pymethods]
impl Pipeline {
    /// For every node: its id, ids of its downstreams, number of edges to it, whether it is one node of the engine, and
    /// its policy: 0 for `"raise"`, 2 for one that retries, 1 for others.
    #[pyo3(name = "_wiring")]
    #[expect(clippy::type_complexity, reason = "a table")]
    fn wiring<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<Vec<(Bound<'py, PyAny>, u64, Vec<u64>, usize, bool, u8)>> {
        let rows = self.all_nodes(py).into_iter().map(|node| {
            let parts = node.cast::<Node>()?.get().parts()?;
            let (id, behind, ways, is_single, policy) = parts.wiring();
            Ok((node.clone(), id, behind, ways, is_single, policy))
        });
        rows.collect()
    }

    /// All live nodes.
    #[pyo3(name = "nodes")]
    fn all_nodes<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, PyAny>> {
        let mut ids: Vec<_> = lock(&self.state).nodes.keys().copied().collect();
        ids.sort_unstable();
        self.find(py, &ids)
    }

    /// Marks the pipeline as belonging to the parent process: called in a forked one.
    fn _leave_to_parent(&self) {
        if self.mode() != Mode::Joined {
            self.mode.store(Mode::InParent as u8, Ordering::Relaxed);
        }
    }

    /// Records that it is being drained together with others: only their functions may emit.
    fn _begin_end(&self) {
        if self.is_open() {
            self.mode.store(Mode::Ending as u8, Ordering::Relaxed);
        }
    }

    /// Ends that state.
    fn _cease_end(&self) {
        if self.mode() == Mode::Ending {
            self.mode.store(self.decided() as u8, Ordering::Relaxed);
        }
    }

    /// Records that it has been drained because the program is ending.
    #[pyo3(name = "_end")]
    fn end(&self) {
        if !matches!(self.mode(), Mode::Joined | Mode::InParent) {
            self.mode.store(Mode::Ended as u8, Ordering::Relaxed);
        }
    }

    /// Whether it has become part of another one.
    #[getter]
    fn is_joined(&self) -> bool {
        self.joined.get().is_some()
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(self.joined.get())?;
        // What is locked right now is not visited, and so counts as in use.
        if let Ok(state) = self.state.try_lock() {
            for node in state.nodes.values() {
                visit.call(node)?;
            }
        }
        Ok(())
    }

    fn __clear__(&self) {
        let state = std::mem::take(&mut *lock(&self.state));
        drop(state);
    }
}
