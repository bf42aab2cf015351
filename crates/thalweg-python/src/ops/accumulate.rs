use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};
use thalweg::ops::{Accumulate, Step, Then};

use crate::blueprint::{Blueprint, Made, State};
use crate::event_loop::Awaited;
use crate::function::Function;
use crate::gil;
use crate::lock::lock;
use crate::node::Placement;
use crate::value::Value;

/// Options of the results, which may change while elements pass.
#[derive(Clone)]
struct Shape(Arc<(AtomicBool, AtomicBool)>);

impl Shape {
    fn new(returns_state: bool, with_state: bool) -> Self {
        Self(Arc::new((returns_state.into(), with_state.into())))
    }

    fn set(&self, returns_state: bool, with_state: bool) {
        self.0.0.store(returns_state, Ordering::Relaxed);
        self.0.1.store(with_state, Ordering::Relaxed);
    }

    /// The next state, and the result to send.
    fn split(&self, result: &Bound<'_, PyAny>) -> PyResult<(Value, Value)> {
        let (state, result) = if self.0.0.load(Ordering::Relaxed) {
            unpack(result)?
        } else {
            (result.clone(), result.clone())
        };
        let py = result.py();
        self.send(Value::from(state), Value::from(result), py)
    }

    fn send(&self, state: Value, result: Value, py: Python<'_>) -> PyResult<(Value, Value)> {
        if !self.0.1.load(Ordering::Relaxed) {
            return Ok((state, result));
        }
        let pair = PyTuple::new(py, [state.object(), result.object()])?;
        Ok((state, Value::from(pair.into_any())))
    }
}

/// The two items of a pair, as unpacked by Python.
fn unpack<'py>(pair: &Bound<'py, PyAny>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
    let Ok(mut parts) = pair.try_iter() else {
        let class = pair.get_type().name()?;
        let message = format!("cannot unpack non-iterable {class} object");
        return Err(PyTypeError::new_err(message));
    };
    let (one, two) = (parts.next().transpose()?, parts.next().transpose()?);
    let message = match (one, two) {
        (Some(one), Some(two)) => match parts.next().transpose()? {
            None => return Ok((one, two)),
            Some(_) => "too many values to unpack (expected 2)",
        },
        (Some(_), None) => "not enough values to unpack (expected 2, got 1)",
        (None, _) => "not enough values to unpack (expected 2, got 0)",
    };
    Err(PyValueError::new_err(message))
}

/// Resets a state to its start.
#[pyclass(frozen, module = "thalweg._thalweg")]
pub(crate) struct Reset {
    asked: Arc<AtomicBool>,
    shape: Shape,
}

#[pymethods]
impl Reset {
    #[pyo3(signature = (*_ignored))]
    fn __call__(&self, _ignored: &Bound<'_, PyTuple>) {
        self.asked.store(true, Ordering::Relaxed);
    }

    fn _set_shape(&self, returns_state: bool, with_state: bool) {
        self.shape.set(returns_state, with_state);
    }
}

/// `accumulate`: keeps a state, and sends a result for every element.
#[pyfunction]
#[pyo3(signature = (placement, function, kwargs, start, *, returns_state=false, with_state=false, awaited=false))]
pub(super) fn accumulate(
    placement: Placement<'_>,
    function: &Bound<'_, PyAny>,
    kwargs: &Bound<'_, PyDict>,
    start: Option<(Py<PyAny>,)>,
    returns_state: bool,
    with_state: bool,
    awaited: bool,
) -> PyResult<(Reset, Py<PyList>)> {
    let py = function.py();
    let function = Function::new(function, None, Some(kwargs));
    let shape = Shape::new(returns_state, with_state);
    let start: State = Arc::new(Mutex::new(start.map(|(start,)| Value::new(start))));
    let reset = Arc::new(AtomicBool::new(false));
    let handle = Reset {
        asked: reset.clone(),
        shape: shape.clone(),
    };
    let called = function.clone();
    let state = PyList::new(py, lock(&start).as_ref().map(Value::object))?;
    let kept = Value::from(state.clone().into_any());
    let kept = Kept(Arc::new(Mutex::new(Some(kept))));
    let blueprint = if awaited {
        in_turn(called, shape, start.clone(), kept.clone(), reset)
    } else {
        at_once(called, shape, start.clone(), kept.clone(), reset)
    };
    let blueprint = blueprint.keeping([start, kept.0]);
    placement.apply(blueprint.calling(function))?;
    Ok((handle, state.unbind()))
}

/// The state, in a list shared with a compiled chain; empty before the first element.
#[derive(Clone)]
struct Kept(State);

impl Kept {
    fn list<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let list = lock(&self.0).as_ref().map(|list| list.bind(py).clone());
        Ok(list.map_or_else(|| Ok(PyList::empty(py)), |list| list.cast_into())?)
    }

    fn get(&self, py: Python<'_>) -> PyResult<Option<Value>> {
        let list = self.list(py)?;
        Ok((!list.is_empty())
            .then(|| list.get_item(0))
            .transpose()?
            .map(Value::from))
    }

    fn set(&self, py: Python<'_>, state: Option<&Value>) -> PyResult<()> {
        let list = self.list(py)?;
        match state {
            Some(state) if list.is_empty() => list.append(state.object()),
            Some(state) => list.set_item(0, state.object()),
            None => list.set_slice(0, 1, PyList::empty(py).as_any()),
        }
    }
}

fn at_once(
    called: Function,
    shape: Shape,
    start: State,
    kept: Kept,
    reset: Arc<AtomicBool>,
) -> Blueprint {
    Blueprint::transform(move |current| {
        let step = move |(): &(), x: &Value| {
            gil::held(|py| {
                if reset.swap(false, Ordering::Relaxed) {
                    let begin = lock(&start).clone();
                    kept.set(py, begin.as_ref())?;
                }
                let (state, sent) = match kept.get(py)? {
                    Some(state) => shape.split(&called.call_on(py, &state, x)?)?,
                    None => shape.send(x.clone(), x.clone(), py)?,
                };
                kept.set(py, Some(&state))?;
                Ok::<_, PyErr>(((), current.note(py, sent)))
            })
        };
        Accumulate::new((), step)
    })
}

/// Awaits one call after the other.
fn in_turn(
    called: Function,
    shape: Shape,
    start: State,
    kept: Kept,
    reset: Arc<AtomicBool>,
) -> Blueprint {
    Blueprint::new(move |context| {
        let then = Then::new(move |x: &Value| {
            gil::held(|py| {
                if reset.swap(false, Ordering::Relaxed) {
                    let begin = lock(&start).clone();
                    kept.set(py, begin.as_ref())?;
                }
                let Some(state) = kept.get(py)? else {
                    kept.set(py, Some(x))?;
                    let (_, sent) = shape.send(x.clone(), x.clone(), py)?;
                    return Ok::<_, PyErr>(Step::Done(Some(sent)));
                };
                let awaited = called.call_on(py, &state, x).map(Awaited::new)?;
                let (kept, shape) = (kept.clone(), shape.clone());
                Ok(Step::Pending(async move {
                    let result = awaited.await?;
                    gil::held(|py| {
                        let (state, sent) = shape.split(result.bind(py))?;
                        kept.set(py, Some(&state))?;
                        Ok(Some(sent))
                    })
                }))
            })
        });
        let stream = context.upstream.apply(then);
        Made::finished(stream, context.current, |_, x| Ok(x))
    })
    .on_loop()
}
