use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};
use thalweg::Stream;
use thalweg::ops::{Batch, BatchSink, SinkAsync, SinkBatches, Step, Then};

use super::map::build_error;
use crate::awaiting::Awaiting;
use crate::blueprint::{Blueprint, Made};
use crate::event_loop::Awaited;
use crate::function::Function;
use crate::gil::{self, Place};
use crate::inlet::Inlet;
use crate::node::Placement;
use crate::value::Value;

/// `sink` and `starsink`: calls the function with every element, and awaits an awaitable result; with `in_turn`, one
/// call after the other.
#[pyfunction]
#[pyo3(signature = (placement, function, args, kwargs, *, splayed=false, in_turn=false, concurrency=None))]
pub(super) fn sink(
    placement: Placement<'_>,
    function: &Bound<'_, PyAny>,
    args: &Bound<'_, PyTuple>,
    kwargs: &Bound<'_, PyDict>,
    splayed: bool,
    in_turn: bool,
    concurrency: Option<usize>,
) -> PyResult<()> {
    let function = Function::new(function, Some(args), Some(kwargs)).splayed(splayed);
    let called = function.clone();
    let blueprint = if let Some(calls) = concurrency {
        awaited(called, Some(calls))?
    } else if in_turn {
        awaited(called, None)?
    } else {
        together(called)
    };
    placement.apply(blueprint.calling(function).sink())
}

fn together(function: Function) -> Blueprint {
    let place = Arc::new(Place::empty());
    let given = place.clone();
    let blueprint = Blueprint::new(move |context| {
        let mut awaiting = Awaiting::new(context.node);
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
        let ends = context.upstream.apply(sink.runtime_on_demand());
        sink_made(&context.upstream, Box::new(ends))
    });
    blueprint.taking_results(place)
}

/// The end of a branch. It sends nothing, but Python needs an outlet of every node.
pub(crate) fn sink_made(upstream: &Stream<Value>, inlet: Box<dyn Inlet>) -> Made {
    let out = upstream.filter(|_| true);
    out.destroy();
    Made {
        inlet,
        between: None,
        out,
    }
}

/// Awaits the function's results: one call after the other, or up to this number concurrently.
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
    let blueprint = Blueprint::new(move |context| {
        let stream = context.upstream.apply(then);
        Made {
            inlet: Box::new(stream.clone()),
            between: None,
            out: stream,
        }
    });
    Ok(blueprint.on_loop())
}

/// `sink_batches`: calls the function with lists of elements, and awaits an awaitable result; `waits` if the function
/// is an `async def`.
#[pyfunction]
pub(super) fn sink_batches(
    placement: Placement<'_>,
    function: &Bound<'_, PyAny>,
    args: &Bound<'_, PyTuple>,
    kwargs: &Bound<'_, PyDict>,
    waits: bool,
    max_len: usize,
) -> PyResult<()> {
    let function = Function::new(function, Some(args), Some(kwargs));
    let called = function.clone();
    let blueprint = Blueprint::new(move |context| {
        let function = BatchFunction {
            function: called,
            awaiting: Awaiting::new(context.node),
            waits,
        };
        let sink = context
            .upstream
            .apply(SinkBatches::new(function).max_len(max_len));
        sink_made(&context.upstream, Box::new(sink))
    });
    let blueprint = blueprint.calling(function).sink();
    placement.apply(match waits {
        true => blueprint.on_loop(),
        false => blueprint,
    })
}

/// A Python function that takes lists of elements.
struct BatchFunction {
    function: Function,
    awaiting: Awaiting,
    waits: bool,
}

impl BatchSink<Value> for BatchFunction {
    type Error = PyErr;
    const KIND: &'static str = "sink_batches";

    async fn write(&mut self, batch: Batch<Value>) -> PyResult<()> {
        let step = gil::attach(|py| {
            let list = PyList::new(py, batch.iter().map(|x| x.bind(py)))?;
            let result = self
                .function
                .call(py, &Value::new(list.into_any().unbind()))?;
            self.awaiting.step(result)
        })?;
        let Step::Pending(awaited) = step else {
            return Ok(());
        };
        // An awaitable belongs to the event loop, which has to poll it first.
        let mut is_on_loop = self.waits;
        poll_fn(|_| match std::mem::replace(&mut is_on_loop, true) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await;
        awaited.await.map(drop)
    }

    fn waits(&self) -> bool {
        self.waits
    }
}
