//! Chains of nodes whose functions are called by one compiled Python function.
//!
//! `thalweg.stream.compiled` writes the function: a generator that receives an element, calls all functions on its way,
//! and waits for the next one. Its variables hold the nodes' last values and counts of dropped elements, so that
//! nothing is recorded per element; whoever asks reads its frame. What the generator cannot do itself it hands out:
//! elements that leave the chain, exceptions, and results of sinks that may have to be awaited.

mod batch;
mod frame;
mod join;
mod plan;
mod progress;
mod signal;
mod values;

use std::any::Any;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};
use pyo3::{PyTraverseError, PyVisit};
use thalweg::{AtWork, EmitResult, Fused, FusedContext, Progress};

use self::batch::Batch;
use self::join::Join;
pub(crate) use self::plan::settle;
pub(crate) use self::signal::{Signal, Signals};
use self::values::known;
use crate::call;
use crate::failure::set_traceback;
use crate::gil::{self, Place};
use crate::interrupt;
use crate::iterable::SequenceBatch;
use crate::last_value::LastValue;
use crate::pipeline::Pipeline;
use crate::value::Value;

/// What a node does with an element.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Sends one element.
    Sends,
    /// Sends it or drops it.
    Keeps,
    /// Sends any number of elements.
    Each,
    /// Sends nothing.
    Ends,
    /// Sends one element for one of each upstream, or leaves that to the engine's node. What makes its result follows.
    Joins,
    /// Stands for the way behind a node that the engine runs.
    Fork,
}

impl Kind {
    /// Whether its last value is the one that the node in Python shows.
    fn is_seen(self) -> bool {
        !matches!(self, Self::Joins | Self::Fork)
    }
}

/// A node of a chain.
struct Part {
    parent: Option<usize>,
    kind: Kind,
    /// Whether it has several downstreams.
    is_fan: bool,
    current: Option<LastValue>,
    /// Place for the result of a sink's function.
    result: Option<Arc<Place>>,
    /// Name of the variable with its last value.
    value: String,
    /// Name of the variable that counts dropped or produced elements.
    count: String,
    /// Number of elements sent by the node above that did not arrive, because another branch failed.
    missed: AtomicU64,
}

/// A position in a chain's code.
#[derive(Clone, Copy)]
struct Position {
    node: usize,
    /// Whether the node's element leaves the chain here, or an exception is handled; otherwise its function is called.
    is_behind: bool,
    /// Number of nodes that have been called so far.
    reached: usize,
}

/// A running chain.
pub(crate) struct Compiled {
    generator: Py<PyAny>,
    signals: &'static Signals,
    /// Not empty if elements arrived at busy nodes.
    left: Py<PyList>,
    parts: Vec<Part>,
    /// The position of each line of the code.
    lines: Vec<Option<Position>>,
    exits: usize,
    joins: Vec<Join>,
    /// Whether the chain has one exit, which comes last.
    is_last: bool,
    /// Number of elements received outside batches.
    received: AtomicU64,
    batch: Mutex<Option<Batch>>,
    /// Where the nodes' last values are: see [`known`].
    known: AtomicU8,
    /// The variables' contents when nodes began to send elements in the middle of a run.
    before: Mutex<Vec<Option<Py<PyAny>>>>,
    /// Whether an element or a batch is being processed.
    is_running: AtomicBool,
    /// Number of the node that is handling something, plus one.
    attended: AtomicUsize,
    /// Whether the chain runs in place of its nodes.
    is_installed: AtomicBool,
    pipeline: Py<Pipeline>,
}

/// What a chain tells of a failure: the exception, the elements of all nodes, and those held for joins, with their
/// exits.
type Failed<'py> = (Bound<'py, PyAny>, Bound<'py, PyTuple>, Held<'py>);

/// What a chain tells of elements that arrived at busy nodes: a range of nodes, one that makes many elements of one, and
/// what is held for joins.
type Left<'py> = (usize, usize, Option<usize>, Held<'py>);

/// What a chain tells of elements that join the engine's: an exit and an element, and what is held for that join.
type Joined<'py> = (Option<usize>, Bound<'py, PyAny>, Held<'py>);

/// Exits and elements.
type Held<'py> = Vec<(usize, Bound<'py, PyAny>)>;

/// A chain as the engine holds it.
struct Body(Arc<Compiled>);

/// The chain was undone: the pipeline has to be compiled again.
impl Drop for Body {
    fn drop(&mut self) {
        if self.0.is_installed.load(Ordering::Relaxed) {
            Pipeline::root(&self.0.pipeline).get().note_change();
        }
    }
}

impl Fused<Value> for Body {
    #[inline]
    fn run(&self, x: Value, cx: &mut FusedContext<'_, Value>) -> EmitResult {
        let chain = &*self.0;
        gil::held(|py| {
            if chain.known.load(Ordering::Relaxed) != known::BY_CHAIN {
                chain.take_over(py, cx);
            }
            let received = chain.received.load(Ordering::Relaxed);
            chain.received.store(received + 1, Ordering::Relaxed);
            chain.is_running.store(true, Ordering::Relaxed);
            let answer = call::resume(chain.generator.bind(py), x.bind(py));
            let result = chain.follow(answer, &x, false, cx);
            chain.stops(py);
            result
        })
    }

    fn run_many(&self, xs: &mut Vec<Value>, cx: &mut FusedContext<'_, Value>) {
        gil::held(|py| {
            let objects: Vec<_> = xs.drain(..).map(Value::into_object).collect();
            if let Ok(list) = PyList::new(py, objects) {
                let rest = self.0.run_batch(list.as_any(), cx);
                self.0.hand_back(rest, cx);
            }
        });
    }

    fn takes(&self, batch: &dyn Any) -> bool {
        batch.is::<SequenceBatch>()
    }

    fn run_host_batch(&self, batch: &mut dyn Any, cx: &mut FusedContext<'_, Value>) {
        if let Some(SequenceBatch(batch)) = batch.downcast_ref() {
            let rest = gil::held(|py| self.0.run_batch(batch.bind(py), cx));
            cx.leave(rest.len());
        }
    }

    fn let_go(&self) -> Vec<(usize, Value)> {
        gil::attach(|py| self.0.let_go(py))
    }

    fn stop(&self) {
        gil::attach(|py| self.0.stop_batch(py));
    }

    fn progress(&self) -> Vec<Progress> {
        gil::attach(|py| self.0.progress(py))
    }

    fn at_work(&self) -> AtWork {
        gil::attach(|py| self.0.at_work(py))
    }

    fn set_aside(&self) {
        gil::attach(|py| {
            self.0.leave_joins(py);
            self.0.set_aside(py);
            self.0.note_left(py);
        });
    }
}

impl Compiled {
    /// Prepares the chain for elements after the nodes have processed some by themselves.
    #[cold]
    fn take_over(&self, py: Python<'_>, cx: &FusedContext<'_, Value>) {
        self.forget_values(py);
        self.look_at_joins(py, cx);
    }

    /// Handles what a chain hands out until it waits for the next element.
    #[inline]
    fn follow(
        &self,
        answer: PyResult<Bound<'_, PyAny>>,
        x: &Value,
        is_batch: bool,
        cx: &mut FusedContext<'_, Value>,
    ) -> EmitResult {
        match answer {
            Ok(answer) if self.is_done(&answer) => Ok(()),
            Ok(answer) if !is_batch && self.is_final(&answer) => self.send_last(answer, cx),
            answer => self.attend(answer, x, is_batch, cx),
        }
    }

    #[inline(always)]
    fn is_done(&self, answer: &Bound<'_, PyAny>) -> bool {
        answer.is(&self.signals.done)
    }

    /// Whether this is the last item that an element's way hands out.
    #[inline(always)]
    fn is_final(&self, answer: &Bound<'_, PyAny>) -> bool {
        self.is_last && !answer.is_instance_of::<Signal>()
    }

    /// Records that it waits for an element. Elements that arrived at its nodes meanwhile are now sent by the nodes
    /// themselves.
    #[inline(always)]
    fn stops(&self, py: Python<'_>) {
        self.is_running.store(false, Ordering::Relaxed);
        if self.known.load(Ordering::Relaxed) == known::BY_BOTH {
            self.set_aside(py);
        }
    }

    #[inline(always)]
    fn send_last(&self, answer: Bound<'_, PyAny>, cx: &mut FusedContext<'_, Value>) -> EmitResult {
        self.stops(answer.py());
        cx.send_last(0, Value::from(answer))
    }

    #[inline(never)]
    fn attend(
        &self,
        mut answer: PyResult<Bound<'_, PyAny>>,
        x: &Value,
        is_batch: bool,
        cx: &mut FusedContext<'_, Value>,
    ) -> EmitResult {
        let mut result = Ok(());
        loop {
            let told = match answer {
                Ok(told) => told,
                // Left by an exception that the code does not catch, or what it has handed out could not be handled.
                Err(error) => {
                    self.pipeline.get().note_change();
                    return gil::held(|py| {
                        self.recover(py);
                        interrupt::note(py, &error);
                        cx.fail(0, x.clone(), error)
                    });
                }
            };
            let py = told.py();
            let generator = self.generator.bind(py);
            let none = py.None().into_bound(py);
            if self.is_done(&told) {
                return result;
            }
            if !is_batch && self.is_final(&told) {
                return self.send_last(told, cx);
            }
            answer = match self.handle(&told, result.is_err(), cx) {
                Ok((went, reply)) => {
                    let is_abandoned = went.is_err() && !self.has_failed(&told);
                    result = result.and(went);
                    if is_abandoned {
                        self.abandon(py)
                    } else {
                        call::resume(generator, reply.as_ref().unwrap_or(&none))
                    }
                }
                Err(error) => Err(error),
            };
        }
    }

    fn has_failed(&self, told: &Bound<'_, PyAny>) -> bool {
        told.is(&self.signals.failed)
    }

    /// Handles one item that a chain has handed out; returns the reply.
    fn handle<'py>(
        &self,
        told: &Bound<'py, PyAny>,
        is_abandoned: bool,
        cx: &mut FusedContext<'_, Value>,
    ) -> PyResult<(EmitResult, Option<Bound<'py, PyAny>>)> {
        let py = told.py();
        let signals = self.signals;
        let generator = self.generator.bind(py);
        let none = py.None().into_bound(py);
        if told.is(&signals.failed) {
            let (error, elements, held) =
                call::resume(generator, &none)?.extract::<Failed<'_>>()?;
            self.send_held(&held, py, cx);
            let emitted = match is_abandoned {
                true => Ok(()),
                false => match self.fail(&error, &elements, cx) {
                    Ok(emitted) => emitted,
                    Err(problem) => cx.fail(0, Value::from(elements.get_item(0)?), problem),
                },
            };
            self.forget_held(&held);
            return Ok((emitted, None));
        }
        if told.is(&signals.ended) {
            let (node, x, result) =
                call::resume(generator, &none)?
                    .extract::<(usize, Bound<'_, PyAny>, Bound<'_, PyAny>)>()?;
            let class = result.get_type().into_any();
            let is_plain = !class.hasattr("__await__")?;
            if let Some(place) = &self.parts[node].result {
                drop(place.replace(py, Some(result.unbind())));
            }
            let emitted = self.attending(node, || cx.take(node, Value::from(x)));
            return Ok((emitted, is_plain.then_some(class)));
        }
        if told.is(&signals.left) {
            let (begin, end, node, held) = call::resume(generator, &none)?.extract::<Left<'_>>()?;
            self.send_held(&held, py, cx);
            let is_left = match node {
                Some(node) => self.attending(node, || cx.take_up(begin..end, Some(node))),
                None => cx.take_up(begin..end, None),
            };
            if !is_left {
                self.forget_left(py);
            }
            self.forget_held(&held);
            return Ok((Ok(()), None));
        }
        if told.is(&signals.joined) {
            let (exit, x, held) = call::resume(generator, &none)?.extract::<Joined<'_>>()?;
            self.send_held(&held, py, cx);
            let result = match exit {
                Some(exit) => self.send_to_join(exit, Value::from(x), py, cx),
                None => Ok(()),
            };
            // Otherwise the chain tells of them once more, with its failure.
            if result.is_ok() {
                self.forget_held(&held);
            }
            return Ok((result, None));
        }
        let (exit, x) = if self.exits == 1 {
            (0, told.clone())
        } else {
            told.extract()?
        };
        Ok((cx.send(exit, Value::from(x)), None))
    }

    /// Ends the way of the current element after a downstream node failed.
    fn abandon<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        if let Some(position) = self.position(py) {
            self.miss(position);
        }
        let reason = PyRuntimeError::new_err("a node behind has failed").into_value(py);
        self.generator.bind(py).call_method1("throw", (reason,))
    }

    /// Has a chain that is in the middle of an element wait for the next one. One that has ended stays so.
    fn recover(&self, py: Python<'_>) {
        let none = py.None().into_bound(py);
        let mut answer = self.abandon(py);
        while let Ok(told) = answer {
            if self.is_done(&told) {
                return;
            }
            answer = call::resume(self.generator.bind(py), &none);
        }
    }

    /// Lets a node handle the exception of its function.
    fn fail(
        &self,
        error: &Bound<'_, PyAny>,
        elements: &Bound<'_, PyTuple>,
        cx: &mut FusedContext<'_, Value>,
    ) -> PyResult<EmitResult> {
        let py = error.py();
        let (line, rest) = frame::split_traceback(error)?;
        set_traceback(error, &rest)?;
        let Some(position) = line.and_then(|line| self.position_at(line)) else {
            // Raised by a signal handler between two elements.
            interrupt::keep(PyErr::from_value(error.clone()));
            return Ok(Ok(()));
        };
        let node = position.node;
        let place = self.parts[node].parent.map_or(0, |parent| parent + 1);
        let x = Value::from(elements.get_item(place)?);
        let error = PyErr::from_value(error.clone());
        interrupt::note(py, &error);
        let result = self.attending(node, || cx.fail(node, x, error));
        self.miss(position);
        Ok(result)
    }

    /// Runs `f`, which handles something for a node.
    fn attending<R>(&self, node: usize, f: impl FnOnce() -> R) -> R {
        self.attended.store(node + 1, Ordering::Relaxed);
        let result = f();
        self.attended.store(0, Ordering::Relaxed);
        result
    }

    /// Records that the current element goes no further.
    fn miss(&self, position: Position) {
        for node in self.outstanding(position) {
            self.parts[node].missed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Records that elements arrive at nodes that may be busy.
    fn note_left(&self, py: Python<'_>) {
        let left = self.left.bind(py);
        if self.is_running.load(Ordering::Relaxed) && left.is_empty() {
            // Memory for another record was reserved.
            let _ = left.append(true);
        }
    }

    /// Records that none are left.
    fn forget_left(&self, py: Python<'_>) {
        let left = self.left.bind(py);
        // Slices of lists can be deleted.
        let _ = left.del_slice(0, left.len());
    }

    /// Whether it is this node that shows the garbage collector what the chain holds: the first that knows the chain.
    pub(crate) fn is_shown_by(&self, place: usize) -> bool {
        self.parts.iter().position(|part| part.kind.is_seen()) == Some(place)
    }

    /// Shows the garbage collector what the chain holds.
    pub(crate) fn visit(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.generator)
    }
}
