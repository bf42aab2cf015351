use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use thalweg::ops::{Filter, Step, Then};

use crate::blueprint::{Blueprint, Made};
use crate::event_loop::Awaited;
use crate::function::Function;
use crate::gil;
use crate::node::Placement;
use crate::value::Value;

/// `filter`: passes on elements that the predicate is true of; without one, those that are true
/// themselves.
#[pyfunction]
#[pyo3(signature = (placement, predicate, args, kwargs, *, awaited=false))]
pub(super) fn filter(
    placement: Placement<'_>,
    predicate: &Bound<'_, PyAny>,
    args: &Bound<'_, PyTuple>,
    kwargs: &Bound<'_, PyDict>,
    awaited: bool,
) -> PyResult<()> {
    let predicate = Function::new(predicate, Some(args), Some(kwargs));
    let called = predicate.clone();
    if awaited {
        return placement.apply(in_turn(called).calling(predicate));
    }
    let filter = Blueprint::transform(move |current| {
        Filter::new(move |x: &Value| {
            gil::held(|py| {
                let passes = if called.is_none(py) {
                    x.bind(py).is_truthy()?
                } else {
                    called.call(py, x)?.is_truthy()?
                };
                if passes {
                    current.set(py, x.object());
                }
                Ok::<_, PyErr>(passes)
            })
        })
    });
    placement.apply(filter.calling(predicate))
}

/// Awaits one call after the other.
fn in_turn(predicate: Function) -> Blueprint {
    Blueprint::new(move |context| {
        let then = Then::new(move |x: &Value| {
            let awaited = gil::held(|py| predicate.call(py, x).map(Awaited::new))?;
            let x = x.clone();
            Ok::<_, PyErr>(Step::Pending(async move {
                let verdict = awaited.await?;
                let passes = gil::held(|py| verdict.bind(py).is_truthy())?;
                Ok(passes.then_some(x))
            }))
        });
        let stream = context.upstream.apply(then);
        Made::finished(stream, context.current, |_, x| Ok(x))
    })
    .on_loop()
}
