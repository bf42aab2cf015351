use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use thalweg::ops::{Step, Then, TryMap};

use crate::blueprint::{Blueprint, Made};
use crate::event_loop::Awaited;
use crate::function::Function;
use crate::gil;
use crate::node::Placement;
use crate::value::Value;

/// `map` and `starmap`: sends what the function returns.
#[pyfunction]
#[pyo3(signature = (placement, function, args, kwargs, *, splayed=false, awaited=false, concurrency=None))]
pub(super) fn map(
    placement: Placement<'_>,
    function: &Bound<'_, PyAny>,
    args: &Bound<'_, PyTuple>,
    kwargs: &Bound<'_, PyDict>,
    splayed: bool,
    awaited: bool,
    concurrency: Option<usize>,
) -> PyResult<()> {
    let function = Function::new(function, Some(args), Some(kwargs)).splayed(splayed);
    let called = function.clone();
    if let Some(calls) = concurrency {
        return placement.apply(concurrently(called, calls)?.calling(function));
    }
    if awaited {
        return placement.apply(in_turn(called).calling(function));
    }
    let map = Blueprint::transform(move |current| {
        TryMap::new(move |x: &Value| {
            gil::held(|py| {
                let y = called.call(py, x)?;
                Ok::<_, PyErr>(current.note(py, Value::from(y)))
            })
        })
    });
    placement.apply(map.calling(function))
}

/// Limits concurrent calls to this number; each emitter waits for its own call.
fn concurrently(function: Function, calls: usize) -> PyResult<Blueprint> {
    let then = Then::new(move |x: &Value| {
        gil::held(|py| {
            let y = function.call(py, x)?;
            if !y.get_type().hasattr(intern!(py, "__await__"))? {
                return Ok(Step::Done(Some(Value::from(y))));
            }
            let awaited = Awaited::new(y);
            Ok::<_, PyErr>(Step::Pending(async move {
                awaited.await.map(|y| Some(Value::new(y)))
            }))
        })
    });
    let then = then.at_most(calls).map_err(build_error)?;
    let blueprint = Blueprint::new(move |context| {
        let stream = context.upstream.apply(then);
        Made::finished(stream, context.current, |_, y| Ok(y))
    });
    Ok(blueprint.on_loop())
}

pub(super) fn build_error(error: thalweg::BuildError) -> PyErr {
    PyValueError::new_err(error.to_string())
}

/// Awaits one call after the other.
fn in_turn(function: Function) -> Blueprint {
    Blueprint::new(move |context| {
        let then = Then::new(move |x: &Value| {
            let awaited = gil::held(|py| function.call(py, x).map(Awaited::new))?;
            Ok::<_, PyErr>(Step::Pending(async move {
                awaited.await.map(|y| Some(Value::new(y)))
            }))
        });
        let stream = context.upstream.apply(then);
        Made::finished(stream, context.current, |_, y| Ok(y))
    })
    .on_loop()
}
