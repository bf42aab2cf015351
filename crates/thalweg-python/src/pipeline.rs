//! State that the nodes of one pipeline share on Python's side.

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
    /// On the thread that emits: there is no event loop.
    NoLoop,
    /// On the event loop the user runs; `emit` is awaited.
    Here,
    /// On an event loop that runs on another thread; `emit` blocks.
    Elsewhere,
    /// The pipeline has become part of another.
    Joined,
    /// The process has been forked: the pipeline runs in its parent.
    InParent,
    /// Pipelines are being drained together: elements come from their functions, and from nobody else.
    Ending,
    /// The program is ending, and the pipeline has been drained.
    Ended,
}

/// How an element gets into a pipeline from a thread.
pub(crate) enum Way {
    /// The thread enters the pipeline itself: it runs the pipeline's event loop, or there is none.
    Here(Option<EventLoop>),
    /// The loop's thread goes in, and this one blocks.
    Blocking(EventLoop),
    /// The loop's thread goes in; this one, which runs another loop or must not block, gets something to
    /// await.
    Across(EventLoop),
}

/// A pipeline: its event loop, and its nodes as Python knows them.
///
/// It keeps none of them: nodes keep each other.
#[pyclass(frozen, weakref, module = "thalweg._thalweg")]
pub(crate) struct Pipeline {
    mode: AtomicU8,
    joined: OnceLock<Py<Pipeline>>,
    event_loop: OnceLock<EventLoop>,
    /// Whether there are nodes that cannot do without an event loop.
    needs_loop: AtomicBool,
    /// Whether it has changed since its chains were compiled.
    is_unsettled: AtomicBool,
    /// Elements that have come since then, and how many are worth compiling it.
    settling: Mutex<Settling>,
    /// The thread that made it.
    maker: ThreadId,
    state: Mutex<State>,
}

/// How often a pipeline is compiled: a change costs as much as it has nodes, which elements have to earn.
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
    /// The numbers of those that are sinks.
    sinks: HashSet<u64>,
    /// The nodes by the engine's number of the one that elements come in by.
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

    /// Takes note that an edge, a policy or a function has changed: chains are to be compiled anew.
    pub(crate) fn note_change(&self) {
        self.is_unsettled.store(true, Ordering::Relaxed);
    }

    #[inline(always)]
    pub(crate) fn is_unsettled(&self) -> bool {
        self.is_unsettled.load(Ordering::Relaxed)
    }

    /// Whether so many elements more are worth compiling it now; then it counts as compiled.
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
        self.is_unsettled.store(false, Ordering::Relaxed);
        true
    }

    /// The pipeline this one has become part of, or itself.
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

    /// Says whether `emit` is awaited or blocks.
    ///
    /// # Errors
    /// It has been said otherwise.
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

    /// Gives the pipeline an event loop.
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

    /// The event loop for nodes that need one; without one, the one the user runs, if the pipeline is
    /// asynchronous, else one on a thread of its own.
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

    /// Gives an asynchronous pipeline, which has begun where no loop runs, a loop on a thread of its own: nobody may ever run
    /// another. A loop that others expect to run is left to them.
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

    /// How an element gets in from this thread; `asynchronous` if the thread must not block.
    ///
    /// # Errors
    /// The pipeline runs in another process, or on an event loop that nobody runs.
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
            // A clock's loop runs on the thread that needs it.
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

    /// The same for a pipeline on the event loop that the user runs.
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

    /// Takes elements again after the end.
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

    /// The numbers of the nodes, in the order in which they were made, and whether each is a sink.
    pub(crate) fn ids(&self) -> Vec<(u64, bool)> {
        let state = lock(&self.state);
        let is_sink = |id: &u64| (*id, state.sinks.contains(id));
        let mut ids: Vec<_> = state.nodes.keys().map(is_sink).collect();
        ids.sort_unstable();
        ids
    }

    /// Takes note that a node is no longer a sink.
    pub(crate) fn release_sink(&self, id: u64) {
        lock(&self.state).sinks.remove(&id);
    }

    /// The nodes with these numbers, as far as Python knows them.
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

/// The last node is gone.
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
    /// Every node with its number, the numbers of those behind it, how many ways lead to it, whether it is one node of
    /// the engine's, and its policy: 0 for `"raise"`, 2 for one that tries again, 1 for others.
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

    /// All nodes, as far as they are alive.
    #[pyo3(name = "nodes")]
    fn all_nodes<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, PyAny>> {
        let mut ids: Vec<_> = lock(&self.state).nodes.keys().copied().collect();
        ids.sort_unstable();
        self.find(py, &ids)
    }

    /// Leaves the pipeline to the process that was forked: called in the new one.
    fn _leave_to_parent(&self) {
        if self.mode() != Mode::Joined {
            self.mode.store(Mode::InParent as u8, Ordering::Relaxed);
        }
    }

    /// Takes note that it is about to be drained with others: elements come from their functions, and from nobody
    /// else.
    fn _begin_end(&self) {
        if self.is_open() {
            self.mode.store(Mode::Ending as u8, Ordering::Relaxed);
        }
    }

    /// Takes note that this is over.
    fn _cease_end(&self) {
        if self.mode() == Mode::Ending {
            self.mode.store(self.decided() as u8, Ordering::Relaxed);
        }
    }

    /// Takes note that it has been drained because the program is ending.
    #[pyo3(name = "_end")]
    fn end(&self) {
        if !matches!(self.mode(), Mode::Joined | Mode::InParent) {
            self.mode.store(Mode::Ended as u8, Ordering::Relaxed);
        }
    }

    /// Whether it has become part of another.
    #[getter]
    fn is_joined(&self) -> bool {
        self.joined.get().is_some()
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(self.joined.get())?;
        // What is being changed right now is not visited, and so taken to be in use.
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
