use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use thalweg::ops::{Accumulate, Step, Then};

use crate::blueprint::{Blueprint, Made, State};
use crate::event_loop::Awaited;
use crate::function::Function;
use crate::gil;
use crate::lock::lock;
use crate::value::Value;

/// Parts of a call's result.
#[derive(Clone, Copy)]
struct Shape {
    returns_state: bool,
    with_state: bool,
}

impl Shape {
    /// The next state, and what to send.
    fn split(self, result: &Bound<'_, PyAny>) -> PyResult<(Value, Value)> {
        let (state, result) = if self.returns_state {
            result.extract::<(Bound<'_, PyAny>, Bound<'_, PyAny>)>()?
        } else {
            (result.clone(), result.clone())
        };
        let py = result.py();
        self.send(Value::from(state), Value::from(result), py)
    }

    fn send(self, state: Value, result: Value, py: Python<'_>) -> PyResult<(Value, Value)> {
        if !self.with_state {
            return Ok((state, result));
        }
        let pair = PyTuple::new(py, [state.object(), result.object()])?;
        Ok((state, Value::from(pair.into_any())))
    }
}

/// Sets a state back to its start.
#[pyclass(frozen, module = "thalweg._thalweg")]
pub(super) struct Reset(Arc<AtomicBool>);

#[pymethods]
impl Reset {
    #[pyo3(signature = (*_ignored))]
    fn __call__(&self, _ignored: &Bound<'_, PyTuple>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// `accumulate`: keeps a state, and sends something for every element.
#[pyfunction]
#[pyo3(signature = (function, kwargs, start, *, returns_state=false, with_state=false, awaited=false))]
pub(super) fn accumulate(
    function: &Bound<'_, PyAny>,
    kwargs: &Bound<'_, PyDict>,
    start: Option<(Py<PyAny>,)>,
    returns_state: bool,
    with_state: bool,
    awaited: bool,
) -> (Blueprint, Reset) {
    let function = Function::new(function, None, Some(kwargs));
    let shape = Shape {
        returns_state,
        with_state,
    };
    let start: State = Arc::new(Mutex::new(start.map(|(start,)| Value::new(start))));
    let reset = Arc::new(AtomicBool::new(false));
    let handle = Reset(reset.clone());
    let called = function.clone();
    let blueprint = if awaited {
        in_turn(called, shape, start.clone(), reset)
    } else {
        at_once(called, shape, start.clone(), reset)
    };
    let blueprint = blueprint.keeping([start]);
    (blueprint.calling(function), handle)
}

fn at_once(called: Function, shape: Shape, start: State, reset: Arc<AtomicBool>) -> Blueprint {
    Blueprint::transform(move |current| {
        let first = lock(&start).clone();
        let noted = current.clone();
        let step = move |state: &Value, x: &Value| {
            gil::held(|py| {
                let (state, sent) = if reset.swap(false, Ordering::Relaxed) {
                    let begin = lock(&start).clone();
                    match begin {
                        Some(start) => shape.split(&called.call_on(py, &start, x)?)?,
                        None => shape.send(x.clone(), x.clone(), py)?,
                    }
                } else {
                    shape.split(&called.call_on(py, state, x)?)?
                };
                Ok::<_, PyErr>((state, noted.note(py, sent)))
            })
        };
        match first {
            Some(first) => Accumulate::new(first, step),
            None => Accumulate::from_first(
                move |x: Value| {
                    gil::held(|py| {
                        let first = shape.send(x.clone(), x.clone(), py);
                        let (state, sent) = first.unwrap_or_else(|_| (x.clone(), x));
                        (state, current.note(py, sent))
                    })
                },
                step,
            ),
        }
    })
}

/// Awaits one call after the other.
fn in_turn(called: Function, shape: Shape, start: State, reset: Arc<AtomicBool>) -> Blueprint {
    let kept: State = Arc::new(Mutex::new(lock(&start).clone()));
    let shown = kept.clone();
    Blueprint::new(move |site| {
        let then = Then::new(move |x: &Value| {
            if reset.swap(false, Ordering::Relaxed) {
                let begin = lock(&start).clone();
                put(&kept, begin);
            }
            let state = lock(&kept).clone();
            let Some(state) = state else {
                put(&kept, Some(x.clone()));
                let first = gil::held(|py| shape.send(x.clone(), x.clone(), py));
                return Ok::<_, PyErr>(Step::Done(Some(first?.1)));
            };
            let awaited = gil::held(|py| called.call_on(py, &state, x).map(Awaited::new))?;
            let kept = kept.clone();
            Ok(Step::Pending(async move {
                let result = awaited.await?;
                let (state, sent) = gil::held(|py| shape.split(result.bind(py)))?;
                put(&kept, Some(state));
                Ok(Some(sent))
            }))
        });
        let stream = site.upstream.apply(then);
        Made::finished(stream, site.current, |_, x| Ok(x))
    })
    .keeping([shown])
    .on_loop()
}

/// Puts an object in the place of another, which is dropped outside of the lock.
fn put(state: &State, value: Option<Value>) {
    let before = std::mem::replace(&mut *lock(state), value);
    drop(before);
}
