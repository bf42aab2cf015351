//! Chains of nodes whose functions are called by one compiled Python function.
//!
//! `thalweg.stream.compiled` writes the function: a generator, which gets an element, calls all functions on its way, and
//! waits for the next. Its variables keep what the nodes have sent and how many they have dropped, so that nothing is
//! noted per element; who asks looks into its frame. Whatever it can't do itself it hands out: elements that leave the
//! chain, exceptions, and results of sinks that may have to be awaited.

mod frame;
mod plan;
mod progress;
mod signal;
mod values;

use std::any::Any;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use pyo3::exceptions::PyRuntimeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};
use pyo3::{PyTraverseError, PyVisit};
use thalweg::{AtWork, EmitResult, Fused, FusedContext, Progress};

pub(crate) use self::plan::settle;
pub(crate) use self::signal::{Signal, Signals};
use self::values::known;
use crate::call;
use crate::gil::{self, Place};
use crate::interrupt;
use crate::iterable::ListBatch;
use crate::last_value::LastValue;
use crate::lock::lock;
use crate::pipeline::Pipeline;
use crate::value::Value;

/// What becomes of an element at a node.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// One element goes on.
    Sends,
    /// It goes on, or is dropped.
    Keeps,
    /// Any number of elements go on.
    Each,
    /// None goes on.
    Ends,
}

/// A node of a chain.
struct Part {
    parent: Option<usize>,
    kind: Kind,
    /// Whether its elements go to several nodes.
    is_fan: bool,
    current: LastValue,
    /// Where the result of a sink's function is put for the node to look at.
    result: Option<Arc<Place>>,
    /// The name of the variable that holds what it has sent.
    value: String,
    /// The name of the one that counts what it has dropped, or made.
    count: String,
    /// How many elements have left the node above without getting here, since another has failed.
    missed: AtomicU64,
}

/// A place in a chain's code.
#[derive(Clone, Copy)]
struct Position {
    node: usize,
    /// Whether the node's element leaves the chain there, or something is done about it; else its function is called.
    is_behind: bool,
    /// How many nodes have had their turn.
    reached: usize,
}

/// A chain that runs.
pub(crate) struct Compiled {
    generator: Py<PyAny>,
    signals: &'static Signals,
    /// Has something in it if elements have come to nodes at work.
    left: Py<PyList>,
    parts: Vec<Part>,
    /// For every line of the code, its place.
    lines: Vec<Option<Position>>,
    exits: usize,
    /// Whether the one exit comes after everything else.
    is_last: bool,
    /// Elements that have come, but for those of the batch.
    received: AtomicU64,
    batch: Mutex<Option<Batch>>,
    /// Who knows what the nodes have sent last: see [`known`].
    known: AtomicU8,
    /// What the variables held when nodes began to send elements in the middle of a run.
    before: Mutex<Vec<Option<Py<PyAny>>>>,
    /// Whether an element or a batch is on its way here.
    is_running: AtomicBool,
    /// The node that something is done about, plus one.
    attended: AtomicUsize,
    /// Whether it runs in the place of the nodes.
    is_installed: AtomicBool,
    pipeline: Py<Pipeline>,
}

/// A batch under way.
struct Batch {
    len: usize,
    list: Py<PyList>,
    iterator: Py<PyAny>,
    /// Elements that have been taken out of the list.
    rest: Vec<Value>,
}

/// A batch that is about to be sent.
struct Begun<'py> {
    iterator: Bound<'py, PyAny>,
    /// The list for what comes out.
    made: Option<Bound<'py, PyList>>,
    /// What the chain is sent.
    message: Bound<'py, PyAny>,
}

/// A chain as the engine holds it.
struct Body(Arc<Compiled>);

/// The chain is undone: the pipeline is to be looked at again.
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
                chain.forget_values(py);
            }
            let received = chain.received.load(Ordering::Relaxed);
            chain.received.store(received + 1, Ordering::Relaxed);
            chain.is_running.store(true, Ordering::Relaxed);
            let answer = call::resume(chain.generator.bind(py), x.bind(py));
            let flow = chain.follow(answer, &x, false, cx);
            chain.stops(py);
            flow
        })
    }

    fn run_many(&self, xs: &mut Vec<Value>, cx: &mut FusedContext<'_, Value>) {
        gil::held(|py| {
            let objects: Vec<_> = xs.drain(..).map(Value::into_object).collect();
            if let Ok(list) = PyList::new(py, objects) {
                self.0.run_batch(&list, cx);
            }
        });
    }

    fn takes(&self, batch: &dyn Any) -> bool {
        batch.is::<ListBatch>()
    }

    fn run_host_batch(&self, batch: &mut dyn Any, cx: &mut FusedContext<'_, Value>) {
        if let Some(ListBatch(list)) = batch.downcast_ref() {
            gil::held(|py| self.0.run_batch(list.bind(py), cx));
        }
    }

    fn progress(&self) -> Vec<Progress> {
        gil::attach(|py| self.0.progress(py))
    }

    fn at_work(&self) -> AtWork {
        gil::attach(|py| self.0.at_work(py))
    }

    fn set_aside(&self) {
        gil::attach(|py| {
            self.0.set_aside(py);
            self.0.note_left(py);
        });
    }
}

impl Compiled {
    /// Does what a chain says until it waits for the next element.
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

    /// Whether something handed out by one element's way is the last that is done about it.
    #[inline(always)]
    fn is_final(&self, answer: &Bound<'_, PyAny>) -> bool {
        self.is_last && !answer.is_instance_of::<Signal>()
    }

    /// Takes note that it waits for an element. What came to its nodes meanwhile, they send by themselves now.
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
        let mut flow = Ok(());
        loop {
            let told = match answer {
                Ok(told) => told,
                // Its code has been left by something that it does not catch.
                Err(error) => {
                    self.pipeline.get().note_change();
                    return gil::held(|py| {
                        interrupt::note(py, &error);
                        cx.fail(0, x.clone(), error)
                    });
                }
            };
            let py = told.py();
            let generator = self.generator.bind(py);
            let none = py.None().into_bound(py);
            if self.is_done(&told) {
                return flow;
            }
            if !is_batch && self.is_final(&told) {
                return self.send_last(told, cx);
            }
            answer = match self.handle(&told, flow.is_err(), cx) {
                Ok((went, reply)) => {
                    let is_abandoned = went.is_err() && !self.has_failed(&told);
                    flow = flow.and(went);
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

    /// Sees to one thing that a chain has handed out; returns what to reply.
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
            let (error, elements) = call::resume(generator, &none)?
                .extract::<(Bound<'_, PyAny>, Bound<'_, PyTuple>)>()?;
            if is_abandoned {
                return Ok((Ok(()), None));
            }
            return self.fail(&error, &elements, cx).map(|flow| (flow, None));
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
            let flow = self.attending(node, || cx.take(node, Value::from(x)));
            return Ok((flow, is_plain.then_some(class)));
        }
        if told.is(&signals.left) {
            let (begin, end, node) =
                call::resume(generator, &none)?.extract::<(usize, usize, Option<usize>)>()?;
            let left = self.left.bind(py);
            left.set_slice(0, left.len(), PyList::empty(py).as_any())?;
            match node {
                Some(node) => self.attending(node, || cx.take_up(begin..end, Some(node))),
                None => cx.take_up(begin..end, None),
            }
            return Ok((Ok(()), None));
        }
        let (exit, x) = if self.exits == 1 {
            (0, told.clone())
        } else {
            told.extract()?
        };
        Ok((cx.send(exit, Value::from(x)), None))
    }

    /// Ends the way of the element that is being sent on: a node behind has failed.
    fn abandon<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        if let Some(position) = self.position(py) {
            self.miss(position);
        }
        let reason = PyRuntimeError::new_err("a node behind has failed").into_value(py);
        self.generator.bind(py).call_method1("throw", (reason,))
    }

    /// Has a node handle the exception of its function.
    fn fail(
        &self,
        error: &Bound<'_, PyAny>,
        elements: &Bound<'_, PyTuple>,
        cx: &mut FusedContext<'_, Value>,
    ) -> PyResult<EmitResult> {
        let py = error.py();
        let (line, rest) = frame::split_traceback(error)?;
        error.setattr("__traceback__", rest)?;
        let Some(position) = line.and_then(|line| self.position_at(line)) else {
            // A signal handler has raised it, between two elements.
            interrupt::keep(PyErr::from_value(error.clone()));
            return Ok(Ok(()));
        };
        let node = position.node;
        let place = self.parts[node].parent.map_or(0, |parent| parent + 1);
        let x = Value::from(elements.get_item(place)?);
        let error = PyErr::from_value(error.clone());
        interrupt::note(py, &error);
        let flow = self.attending(node, || cx.fail(node, x, error));
        self.miss(position);
        Ok(flow)
    }

    /// Runs `f`, in which something is done about a node.
    fn attending<R>(&self, node: usize, f: impl FnOnce() -> R) -> R {
        self.attended.store(node + 1, Ordering::Relaxed);
        let result = f();
        self.attended.store(0, Ordering::Relaxed);
        result
    }

    /// Takes note that the current element gets no further.
    fn miss(&self, position: Position) {
        for node in self.outstanding(position) {
            self.parts[node].missed.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[inline(never)]
    fn run_batch(&self, list: &Bound<'_, PyList>, cx: &mut FusedContext<'_, Value>) {
        let (py, len) = (list.py(), list.len());
        let last = list.get_item(len.wrapping_sub(1)).map(Value::from);
        let (Ok(last), Ok(begun)) = (last, self.begin_batch(list)) else {
            return;
        };
        let Begun {
            iterator,
            made,
            message,
        } = begun;
        *lock(&self.batch) = Some(Batch {
            len,
            list: list.clone().unbind(),
            iterator: iterator.clone().unbind(),
            rest: Vec::new(),
        });
        let mut rest = Vec::new();
        if self.known.load(Ordering::Relaxed) != known::BY_CHAIN {
            self.forget_values(py);
        }
        self.is_running.store(true, Ordering::Relaxed);
        loop {
            let answer = self.send_batch(&message);
            let has_ended = answer.is_err();
            let flow = self.follow(answer, &last, true, cx);
            cx.keep_failure(flow);
            if has_ended {
                rest.extend(
                    std::iter::from_fn(|| call::next(&iterator).ok().flatten()).map(Value::from),
                );
                break;
            }
            if frame::remaining(&iterator) == 0 {
                break;
            }
        }
        self.stops(py);
        let batch = lock(&self.batch).take();
        let len = batch.as_ref().map_or(len, |batch| batch.len) - rest.len();
        let received = self.received.load(Ordering::Relaxed);
        self.received
            .store(received + len as u64, Ordering::Relaxed);
        rest.extend(batch.into_iter().flat_map(|batch| batch.rest));
        if let Some(made) = made {
            let mut made: Vec<_> = made.iter().map(Value::from).collect();
            if !made.is_empty() {
                cx.send_many(0, &mut made);
            }
        }
        for x in rest {
            let flow = cx.hand_back(x);
            cx.keep_failure(flow);
        }
    }

    /// Has the nodes take what is left of a batch by themselves, once the current element has been everywhere.
    pub(crate) fn stop_batch(&self, py: Python<'_>) -> PyResult<()> {
        if let Some(batch) = &mut *lock(&self.batch) {
            let list = batch.list.bind(py);
            let next = list.len() - frame::remaining(batch.iterator.bind(py));
            let left = list.get_slice(next, list.len());
            list.set_slice(next, list.len(), PyList::empty(py).as_any())?;
            batch.len = next;
            batch.rest.splice(0..0, left.iter().map(Value::from));
        }
        Ok(())
    }

    fn begin_batch<'py>(&self, list: &Bound<'py, PyList>) -> PyResult<Begun<'py>> {
        let py = list.py();
        let iterator = list.try_iter()?.into_any();
        let made = self.is_last.then(|| PyList::empty(py));
        let message = match &made {
            Some(made) => {
                let append = made.getattr(intern!(py, "append"))?;
                (iterator.clone(), append).into_pyobject(py)?.into_any()
            }
            None => iterator.clone(),
        };
        Ok(Begun {
            iterator,
            made,
            message,
        })
    }

    fn send_batch<'py>(&self, message: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = message.py();
        let generator = self.generator.bind(py);
        let answer = call::resume(generator, self.signals.many.bind(py).as_any())?;
        if self.is_done(&answer) {
            call::resume(generator, message)
        } else {
            // An interrupt has come.
            Ok(answer)
        }
    }

    /// Takes note that elements come to nodes that may be at work.
    fn note_left(&self, py: Python<'_>) {
        let left = self.left.bind(py);
        if self.is_running.load(Ordering::Relaxed) && left.is_empty() {
            // There is memory for one more.
            let _ = left.append(true);
        }
    }

    /// Shows the collector what the chain keeps.
    pub(crate) fn visit(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.generator)
    }
}
