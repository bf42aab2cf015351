//! A node of a pipeline as held by Python: the base of the class `Stream`.

mod callback_free;
mod emit;
pub(crate) mod fast_emit;
mod inspection;
mod keeping;
mod lifecycle;
mod making;
pub(crate) mod picture;
mod placement;
pub(crate) mod traverse;
mod wiring;

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, Weak};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple, PyType};
use pyo3::{PyTraverseError, PyVisit};
use thalweg::Stream;

use crate::blueprint::{Passage, State, UpstreamRefs};
use crate::compiled::Compiled;
use crate::event_loop::EventLoop;
use crate::function::Function;
use crate::gil::{Contents, Place};
use crate::inlet::{Inlet, Traverse};
use crate::interpreter;
use crate::last_value::LastValue;
use crate::lock::lock;
use crate::pipeline::{self, Mode, Pipeline};
use crate::value::Value;

use self::callback_free::CallbackFree;
pub(crate) use self::emit::stop_at_end;
use self::keeping::Below;
pub(crate) use self::placement::Placement;

/// A node of a pipeline. Use the class `Stream`, which derives from it.
#[pyclass(subclass, frozen, weakref, module = "thalweg._thalweg")]
pub(crate) struct Node(Contents<Parts>);

pub(crate) struct Parts {
    pub(crate) out: Stream<Value>,
    pub(crate) inlet: Box<dyn Inlet>,
    between: Option<Box<dyn Traverse>>,
    pub(crate) pipeline: Py<Pipeline>,
    upstreams: Mutex<Vec<Py<Node>>>,
    below: Mutex<Below>,
    function: Option<Function>,
    state: Vec<State>,
    callers: UpstreamRefs,
    pub(crate) current: LastValue,
    /// An entry that comes from no other node.
    door: Option<Stream<Value>>,
    /// Whether its inlets are distinct, while an upstream attached twice has one.
    is_once: bool,
    passage: Passage,
    callback_free: CallbackFree,
    /// Place for the result of a sink's function.
    pub(crate) sink_result: Option<Arc<Place>>,
    /// The compiled chain of the node, and its index there.
    chain: Mutex<Option<(Weak<Compiled>, usize)>>,
    /// Whether it has ever been part of one.
    is_chained: AtomicBool,
    /// Policy for elements that its function fails on.
    pub(crate) policy: AtomicU8,
}

impl Parts {
    #[inline(always)]
    pub(crate) fn pipeline(&self) -> &Pipeline {
        let pipeline = self.pipeline.get();
        if pipeline.mode() == Mode::Joined {
            return Pipeline::root(&self.pipeline).get();
        }
        pipeline
    }

    pub(crate) fn set_chain(&self, chain: Weak<Compiled>, place: usize) {
        *lock(&self.chain) = Some((chain, place));
        self.is_chained.store(true, Ordering::Relaxed);
    }

    /// Records an element emitted here.
    #[inline]
    pub(crate) fn note_current(&self, py: Python<'_>, x: &Py<PyAny>) {
        self.set_chain_aside(py);
        self.current.set(py, x);
    }

    /// Prepares the node's compiled chain for an element that does not come through it.
    #[inline]
    fn set_chain_aside(&self, py: Python<'_>) {
        if self.is_chained.load(Ordering::Relaxed)
            && let Some((chain, _)) = self.chain()
        {
            chain.set_aside(py);
        }
    }

    pub(super) fn chain(&self) -> Option<(Arc<Compiled>, usize)> {
        // What is locked right now is skipped: the garbage collector must not wait.
        let chain = self.chain.try_lock().ok()?;
        let (chain, place) = chain.as_ref()?;
        Some((chain.upgrade()?, *place))
    }

    /// Compiles the pipeline, if it has changed and this number of elements is worth it.
    ///
    /// # Errors
    /// An interrupt arrived.
    #[inline]
    pub(crate) fn settle(&self, py: Python<'_>, elements: usize) -> PyResult<()> {
        let pipeline = Pipeline::root(&self.pipeline);
        if !pipeline.get().is_unsettled()
            || thalweg::is_inside_pipeline()
            // Nothing can be imported any more.
            || interpreter::is_finalizing()
            || !pipeline.get().begin_to_settle(elements)
        {
            return Ok(());
        }
        self.out.unfuse();
        // Only now: that chains are undone counts as a change.
        pipeline.get().note_settled();
        crate::compiled::settle(py, pipeline)
    }

    /// Number of elements in flight in the engine's nodes behind this one; `None` if a thread is inside.
    fn in_flight(&self) -> Option<usize> {
        let mut count = self.inlet.in_flight()?;
        if let Some(between) = &self.between {
            count += between.in_flight()?;
        }
        if self.out.node_id() != self.inlet.id() {
            count += self.out.in_flight()?;
        }
        Some(count)
    }

    /// Number of elements that the engine's nodes behind this one keep; `None` if a thread is inside.
    fn kept(&self) -> Option<usize> {
        let mut count = self.inlet.kept()?;
        if let Some(between) = &self.between {
            count += between.kept()?;
        }
        if self.out.node_id() != self.inlet.id() {
            count += self.out.kept()?;
        }
        Some(count)
    }

    /// Number of elements that it keeps, and a drain would send to a sink.
    fn kept_for_sink(&self) -> usize {
        match self.leads_to_sink() {
            true => self.kept().unwrap_or_default(),
            false => 0,
        }
    }

    /// Whether nothing is in flight in the engine's nodes behind this one, and no thread is inside the pipeline.
    fn is_idle(&self) -> bool {
        self.in_flight() == Some(0) && self.out.is_idle()
    }
}

/// The Python object has been finalized; nothing can refer to it any more.
impl Drop for Parts {
    fn drop(&mut self) {
        self.pipeline().forget(self.inlet.id());
    }
}

impl Node {
    /// # Errors
    /// A subclass did not call `super().__init__()`, or this is a forked process: threads inside the pipeline at that
    /// time never leave it here.
    pub(crate) fn parts(&self) -> PyResult<&Parts> {
        let parts = self.parts_anywhere()?;
        if parts.pipeline().mode() == Mode::InParent {
            return Err(pipeline::in_parent());
        }
        Ok(parts)
    }

    /// The parts of the node, once it has been built.
    pub(crate) fn made(&self) -> Option<&Parts> {
        self.0.get()
    }

    /// # Errors
    /// A subclass did not call `super().__init__()`.
    #[inline(always)]
    pub(crate) fn parts_anywhere(&self) -> PyResult<&Parts> {
        self.0.get().ok_or_else(unmade)
    }
}

#[cold]
fn unmade() -> PyErr {
    if crate::interpreter::is_finalizing() {
        // The garbage collector has cleared it.
        return PyRuntimeError::new_err(crate::interpreter::ENDING.to_string_lossy());
    }
    PyRuntimeError::new_err(
        "the stream has not been made yet: a subclass calls `super().__init__()` first",
    )
}

#[pymethods]
impl Node {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> Self {
        Self(Contents::empty())
    }

    /// `Stream[int]`, for type annotations.
    #[classmethod]
    fn __class_getitem__(cls: &Bound<'_, PyType>, of: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let alias = cls.py().import("types")?.getattr("GenericAlias")?;
        Ok(alias.call1((cls, of))?.unbind())
    }

    /// The last element sent.
    #[getter]
    fn current_value(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        let parts = self.parts_anywhere()?;
        let known = parts
            .chain()
            .and_then(|(chain, place)| chain.current(py, place));
        Ok(known.or_else(|| parts.current.get(py)))
    }

    /// The pipeline the node belongs to.
    #[getter]
    fn _pipeline(&self, py: Python<'_>) -> PyResult<Py<Pipeline>> {
        Ok(Pipeline::root(&self.parts()?.pipeline).clone_ref(py))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        let Some(parts) = self.0.get() else {
            return Ok(());
        };
        // Elements in flight complete even if all nodes are dropped: the engine then needs the functions, which
        // count as referenced.
        let event_loop = parts.pipeline().event_loop();
        if !parts.out.is_pipeline_idle() && !event_loop.is_some_and(EventLoop::has_closed) {
            return Ok(());
        }
        visit.call(&parts.pipeline)?;
        // What is locked right now is not visited, and so counts as in use.
        if let Ok(upstreams) = parts.upstreams.try_lock() {
            for upstream in upstreams.iter() {
                visit.call(upstream)?;
            }
        }
        if let Ok(below) = parts.below.try_lock() {
            below.visit(&visit)?;
        }
        if let Some(function) = &parts.function {
            function.visit(&visit)?;
        }
        for state in &parts.state {
            if let Ok(state) = state.try_lock() {
                visit.call(state.as_ref().map(Value::object))?;
            }
        }
        parts.current.visit(&visit)?;
        if let Some((chain, place)) = parts.chain()
            && chain.is_shown_by(place)
        {
            chain.visit(&visit)?;
        }
        parts.visit_kept(&visit)
    }

    fn __clear__(&self) {
        drop(self.0.clear());
    }

    /// Gives a class its own `emit`, which the interpreter calls more directly than an inherited one.
    #[staticmethod]
    fn _own_emit(class_: &Bound<'_, PyType>) -> PyResult<()> {
        fast_emit::install(class_)
    }

    /// Releases everything before the garbage collector clears objects: no timer may call a half-cleared function.
    /// Called only as `__del__`.
    fn _let_go(slf: &Bound<'_, Self>) {
        let kept = slf.get().0.get().map_or(0, |parts| parts.kept_for_sink());
        if kept > 0 {
            // A program that is being torn down has no such function any more.
            let _ = crate::upcalls::STREAMS.call(slf.py(), "warn_of_loss", (slf, kept));
        }
        drop(slf.get().0.clear());
    }
}
