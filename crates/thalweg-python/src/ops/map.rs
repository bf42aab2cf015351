use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use thalweg::ops::{Step, Then, TryMap};

use crate::blueprint::{Blueprint, Made};
use crate::event_loop::Awaited;
use crate::function::Function;
use crate::gil;
use crate::value::Value;

/// `map` and `starmap`: sends what the function returns.
#[pyfunction]
#[pyo3(signature = (function, args, kwargs, *, splayed=false, awaited=false, logged=true))]
pub(super) fn map(
    function: &Bound<'_, PyAny>,
    args: &Bound<'_, PyTuple>,
    kwargs: &Bound<'_, PyDict>,
    splayed: bool,
    awaited: bool,
    logged: bool,
) -> Blueprint {
    let function = Function::new(function, Some(args), Some(kwargs))
        .splayed(splayed)
        .logged(logged);
    let called = function.clone();
    if awaited {
        return in_turn(called).calling(function);
    }
    Blueprint::transform(move |current| {
        TryMap::new(move |x: &Value| {
            gil::held(|py| {
                let y = called.call(py, x)?;
                Ok::<_, PyErr>(current.note(py, Value::from(y)))
            })
        })
    })
    .calling(function)
}

/// Awaits one call after the other.
fn in_turn(function: Function) -> Blueprint {
    Blueprint::new(move |site| {
        let then = Then::new(move |x: &Value| {
            let awaited = gil::held(|py| function.call(py, x).map(Awaited::new))?;
            Ok::<_, PyErr>(Step::Pending(async move {
                awaited.await.map(|y| Some(Value::new(y)))
            }))
        });
        let stream = site.upstream.apply(then);
        Made::finished(stream, site.current, |_, y| Ok(y))
    })
    .on_loop()
}
