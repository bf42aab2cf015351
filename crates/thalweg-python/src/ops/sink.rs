use std::sync::Arc;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use thalweg::ops::{SinkAsync, Step, Then};

use super::map::build_error;
use crate::awaiting::Awaiting;
use crate::blueprint::{Blueprint, Made};
use crate::event_loop::Awaited;
use crate::function::Function;
use crate::gil::{self, Place};
use crate::value::Value;

/// `sink` and `starsink`: calls the function with every element. What it returns is awaited if it can
/// be; an `async def`, `in_turn`, one call after the other.
#[pyfunction]
#[pyo3(signature = (function, args, kwargs, *, splayed=false, in_turn=false, concurrency=None))]
pub(super) fn sink(
    function: &Bound<'_, PyAny>,
    args: &Bound<'_, PyTuple>,
    kwargs: &Bound<'_, PyDict>,
    splayed: bool,
    in_turn: bool,
    concurrency: Option<usize>,
) -> PyResult<Blueprint> {
    let function = Function::new(function, Some(args), Some(kwargs)).splayed(splayed);
    let called = function.clone();
    let blueprint = if let Some(calls) = concurrency {
        awaited(called, Some(calls))?
    } else if in_turn {
        awaited(called, None)?
    } else {
        together(called)
    };
    Ok(blueprint.calling(function).sink())
}

fn together(function: Function) -> Blueprint {
    let place = Arc::new(Place::empty());
    let given = place.clone();
    let blueprint = Blueprint::new(move |site| {
        let mut awaiting = Awaiting::new(site.node);
        let sink = SinkAsync::stepwise(move |x: &Value| {
            let step = gil::held(|py| match given.replace(py, None) {
                Some(result) => awaiting.step(result.into_bound(py)),
                None => awaiting.step(function.call(py, x)?),
            })?;
            Ok::<_, PyErr>(match step {
                Step::Done(()) => Step::Done(()),
                Step::Pending(awaited) => Step::Pending(async move { awaited.await.map(drop) }),
            })
        });
        let ends = site.upstream.apply(sink.runtime_on_demand());
        // Nothing comes out of a sink, but everything has an outlet for Python.
        let out = site.upstream.filter(|_| true);
        out.destroy();
        Made {
            inlet: Box::new(ends),
            between: None,
            out,
        }
    });
    blueprint.taking_results(place)
}

/// Awaits what the function returns: one call after the other, or up to so many at a time.
fn awaited(function: Function, calls: Option<usize>) -> PyResult<Blueprint> {
    let then = Then::new(move |x: &Value| {
        gil::held(|py| {
            let result = function.call(py, x)?;
            if calls.is_some() && !result.get_type().hasattr(intern!(py, "__await__"))? {
                return Ok(Step::Done(None));
            }
            let awaited = Awaited::new(result);
            Ok::<_, PyErr>(Step::Pending(async move { awaited.await.map(|_| None) }))
        })
    });
    let then = match calls {
        Some(calls) => then.at_most(calls).map_err(build_error)?,
        None => then,
    };
    let blueprint = Blueprint::new(move |site| {
        let stream = site.upstream.apply(then);
        Made {
            inlet: Box::new(stream.clone()),
            between: None,
            out: stream,
        }
    });
    Ok(blueprint.on_loop())
}
