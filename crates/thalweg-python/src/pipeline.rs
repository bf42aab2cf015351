//! What the nodes of one pipeline have in common on Python's side.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, OnceLock};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyWeakrefMethods, PyWeakrefReference};
use pyo3::{PyTraverseError, PyVisit};

use crate::event_loop::EventLoop;
use crate::lock::lock;
use crate::node::Node;

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
}

/// A pipeline: its event loop, and its nodes as Python knows them.
///
/// Sinks are kept here, and each node keeps those above it: so whatever leads to a sink lives for as
/// long as anybody holds a node of the pipeline, and the collector sees all of it.
#[pyclass(frozen, weakref, module = "thalweg._thalweg")]
pub(crate) struct Pipeline {
    mode: AtomicU8,
    joined: OnceLock<Py<Pipeline>>,
    event_loop: OnceLock<EventLoop>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    asynchronous: Option<bool>,
    sinks: HashMap<u64, Py<Node>>,
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
                state: Mutex::default(),
            },
        )?;
        py.import("thalweg.lifecycle")?
            .call_method1("register", (&pipeline,))?;
        Ok(pipeline)
    }

    #[inline(always)]
    pub(crate) fn mode(&self) -> Mode {
        match self.mode.load(Ordering::Relaxed) {
            0 => Mode::NoLoop,
            1 => Mode::Here,
            2 => Mode::Elsewhere,
            _ => Mode::Joined,
        }
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
    pub(crate) fn set_event_loop(&self, event_loop: &EventLoop) -> PyResult<()> {
        let mine = self.event_loop.get_or_init(|| event_loop.clone());
        if !mine.is_same(event_loop) {
            return Err(PyValueError::new_err("Two different event loops active"));
        }
        self.decide();
        Ok(())
    }

    /// The event loop; without one, the one the user runs, if the pipeline is asynchronous, else one on
    /// a thread of its own.
    ///
    /// # Errors
    /// No loop is running.
    pub(crate) fn need_loop(&self, py: Python<'_>) -> PyResult<EventLoop> {
        if let Some(event_loop) = self.event_loop.get() {
            return Ok(event_loop.clone());
        }
        let loops = py.import("thalweg.loops")?;
        let found = loops.call_method1("find", (self.asynchronous(),))?;
        let is_guess = self.asynchronous() == Some(true);
        let event_loop = if is_guess
            && py
                .import("asyncio")?
                .call_method0("_get_running_loop")?
                .is_none()
        {
            EventLoop::guess(&found)?
        } else {
            EventLoop::of(&found)?
        };
        self.set_event_loop(&event_loop)?;
        Ok(event_loop)
    }

    fn decide(&self) {
        let mode = match (self.event_loop.get(), self.asynchronous()) {
            (None, _) => Mode::NoLoop,
            (Some(_), Some(true)) => Mode::Here,
            (Some(_), _) => Mode::Elsewhere,
        };
        if self.joined.get().is_none() {
            self.mode.store(mode as u8, Ordering::Relaxed);
        }
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
            one.set_event_loop(event_loop)?;
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
            state.sinks.insert(id, node.clone().unbind());
        }
        Ok(())
    }

    pub(crate) fn forget(&self, id: u64) {
        let mut state = lock(&self.state);
        let gone = (state.nodes.remove(&id), state.sinks.remove(&id));
        drop(state);
        drop(gone);
    }

    /// The numbers of the nodes, in the order in which they were made, and whether each is a sink.
    pub(crate) fn ids(&self) -> Vec<(u64, bool)> {
        let state = lock(&self.state);
        let is_sink = |id: &u64| (*id, state.sinks.contains_key(id));
        let mut ids: Vec<_> = state.nodes.keys().map(is_sink).collect();
        ids.sort_unstable();
        ids
    }

    /// No longer keeps a sink.
    pub(crate) fn release_sink(&self, id: u64) {
        let sink = lock(&self.state).sinks.remove(&id);
        drop(sink);
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

#[pymethods]
impl Pipeline {
    /// All nodes, as far as they are alive.
    #[pyo3(name = "nodes")]
    fn all_nodes<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, PyAny>> {
        let mut ids: Vec<_> = lock(&self.state).nodes.keys().copied().collect();
        ids.sort_unstable();
        self.find(py, &ids)
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
            for sink in state.sinks.values() {
                visit.call(sink)?;
            }
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
