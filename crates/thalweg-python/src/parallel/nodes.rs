//! The nodes between `scatter` and `gather`.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use thalweg::ops::{Buffer, Settle};
use thalweg::{Context, EmitResult, Never, Operator, OperatorError, Transform};
use thalweg_tasks::parallel::{self, Outcome, Part};

use super::element::{Element, element_of};
use super::engines::Queue;
use super::fold::Accumulation;
use super::step::{CallOfNode, Failed, Objects, Step};
use crate::blueprint::{Blueprint, Made, Passage};
use crate::gil;
use crate::last_value::LastValue;
use crate::node::Node;
use crate::node::Placement;
use crate::value::Value;

/// A function from elements to elements.
///
/// The last value is not recorded: an element is processed even if nothing references it, see [`Part`].
struct Making<F> {
    queue: Arc<parallel::Queue<Objects>>,
    /// Number of objects received that were not elements.
    count: u64,
    make: F,
}

impl<F> Transform for Making<F>
where
    F: FnMut(&Element) -> Option<Element> + Send + 'static,
{
    type In = Value;
    type Out = Value;
    const KIND: &'static str = "on_engine";
    const CLOSES: bool = false;

    fn apply(&mut self, x: Value) -> Result<Option<Value>, OperatorError<Value>> {
        gil::held(|py| {
            let made = match element_of(x.bind(py)) {
                Some(element) => match (self.make)(element.get()) {
                    Some(made) => made,
                    None => return Ok(Some(x)),
                },
                None => {
                    self.count += 1;
                    let element = Element::bare(&self.queue, x.clone(), self.count);
                    (self.make)(&element).unwrap_or(element)
                }
            };
            match Bound::new(py, made) {
                Ok(made) => Ok(Some(Value::from(made.into_any()))),
                Err(error) => Err(OperatorError::new(x, error)),
            }
        })
    }
}

/// A node from elements to elements that calls no user function in this process. `call` is for its functions on the
/// engine.
fn making<F>(queue: &Bound<'_, Queue>, call: CallOfNode, make: F) -> Blueprint
where
    F: FnMut(&Element) -> Option<Element> + Send + 'static,
{
    let queue = queue.get().0.clone();
    let blueprint = Blueprint::new(move |context| {
        let out = context.upstream.transform(Making {
            queue,
            count: 0,
            make,
        });
        // A step belongs to one node.
        let _ = call.set(out.outside_call());
        Made {
            inlet: Box::new(out.clone()),
            between: None,
            out,
        }
    });
    blueprint.passage(Passage::NoFunctions)
}

/// `scatter`: turns objects into elements.
#[pyfunction]
pub(super) fn scatter(placement: Placement<'_>, queue: &Bound<'_, Queue>) -> PyResult<()> {
    placement.apply(making(queue, CallOfNode::default(), |_| None))
}

/// Applies a step to each element; in a call of its own if it has a time limit in seconds.
#[pyfunction]
#[pyo3(signature = (placement, queue, step, limit=None))]
pub(super) fn through(
    placement: Placement<'_>,
    queue: &Bound<'_, Queue>,
    step: &Bound<'_, Step>,
    limit: Option<f64>,
) -> PyResult<()> {
    let action = step.get().action.clone();
    let call = action.get().call.clone();
    let limit = limit.map(crate::interval::seconds).transpose()?;
    let make = move |x: &Element| {
        let part: Part<Objects> = match limit {
            None => x.then(&action.get()),
            Some(limit) => within(x, &action.get(), limit),
        };
        Some(Element::of(part, x.ordinal))
    };
    placement.apply(making(queue, call, make).keeping(Step::states(step)))
}

fn within(x: &Element, action: &Arc<super::step::Action>, limit: Duration) -> Part<Objects> {
    x.part().then_within(action.clone(), limit)
}

/// Launches an element. On a loop that waiting threads drive, waits for the outcome: no time passes meanwhile.
fn begin(x: &Value, is_driven: bool) {
    gil::held(|py| {
        if let Some(element) = element_of(x.bind(py)) {
            let element = element.get();
            element.launch();
            if is_driven {
                element.wait(py);
            }
        }
    });
}

/// Launches elements onto the engine.
struct Launching {
    is_driven: bool,
    current: LastValue,
}

impl Transform for Launching {
    type In = Value;
    type Out = Value;
    const KIND: &'static str = "launch";
    const CLOSES: bool = false;

    fn apply(&mut self, x: Value) -> Result<Option<Value>, OperatorError<Value>> {
        begin(&x, self.is_driven);
        gil::held(|py| Ok(Some(self.current.note(py, x))))
    }
}

/// Launches each element.
#[pyfunction]
pub(super) fn launch(placement: Placement<'_>, driven: bool) -> PyResult<()> {
    let blueprint = Blueprint::transform(move |current| Launching {
        is_driven: driven,
        current,
    });
    placement.apply(blueprint.passage(Passage::NoFunctions))
}

/// `accumulate`: folds a state over the elements.
#[pyfunction]
pub(super) fn accumulate(
    placement: Placement<'_>,
    queue: &Bound<'_, Queue>,
    accumulation: &Bound<'_, Accumulation>,
) -> PyResult<()> {
    let accumulation = accumulation.get();
    let strand = accumulation.strand.clone();
    let make = move |x: &Element| Some(Element::of(strand.push(x.part()), x.ordinal));
    placement.apply(
        making(queue, accumulation.call_of_node.clone(), make)
            .calling(accumulation.function.clone())
            .keeping(accumulation.states.clone()),
    )
}

/// Waits for the values of elements and sends them in order. `report` handles failures. With `buffers`, emitters wait for
/// one of the `places` only.
#[pyfunction]
#[pyo3(signature = (placement, report, places, *, ordered, driven, buffers=false))]
pub(super) fn settle(
    placement: Placement<'_>,
    report: Bound<'_, PyAny>,
    places: usize,
    ordered: bool,
    driven: bool,
    buffers: bool,
) -> PyResult<()> {
    let settle = move || {
        let settle = match ordered {
            true => Settle::<Value>::ordered(places),
            false => Settle::unordered(places),
        };
        settle.map(|settle| settle.buffering(buffers))
    };
    let settling = settle().map_err(|error| PyValueError::new_err(error.to_string()))?;
    let settling = settling.beginning(move |x| begin(x, driven));
    let report = report.unbind();
    let blueprint = Blueprint::new(move |context| {
        let settled = context.upstream.apply(settling);
        let out = settled.apply(Unwrap {
            report,
            current: context.current,
        });
        Made {
            inlet: Box::new(settled),
            between: None,
            out,
        }
    });
    let blueprint = blueprint.renewing::<Settle<Value>, Value>(settle);
    placement.apply(blueprint.on_loop().passage(Passage::Ends))
}

/// Takes the values out of finished elements.
struct Unwrap {
    report: Py<PyAny>,
    current: LastValue,
}

impl Unwrap {
    /// Handles a failure.
    fn failed(
        &self,
        x: Value,
        failed: &Failed,
        ordinal: u64,
        cx: &mut Context<'_, Self>,
    ) -> EmitResult {
        if failed.is_told.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        let reported = gil::held(|py| {
            let site = match &failed.site {
                Some(site) => crate::lock::lock(site).clone().map(Value::into_object),
                None => None,
            };
            let element = failed.element.clone().map(Value::into_object);
            let error = failed.exception.value(py);
            let result = self
                .report
                .bind(py)
                .call1((site, error, ordinal, element))?;
            result
                .extract::<Option<(Bound<'_, Node>, Bound<'_, PyAny>)>>()
                .map(|routed| routed.map(|(node, failure)| (node.unbind(), Value::from(failure))))
        });
        match reported {
            Err(error) => cx.fail(x, error),
            Ok(None) => Ok(()),
            Ok(Some((node, failure))) => {
                let emit = match node.get().parts() {
                    Ok(parts) => parts.out.emit_internal(failure, cx.acks()),
                    Err(error) => return cx.fail(x, error),
                };
                // The element's own awaiter waits for it.
                drop(emit.wait_within());
                Ok(())
            }
        }
    }
}

/// Kind of the nodes that take values out of finished elements.
pub(crate) const UNWRAP: &str = "value";

impl Operator for Unwrap {
    type In = Value;
    type Out = Value;
    type Event = Never;
    const KIND: &'static str = UNWRAP;
    const CLOSES: bool = false;

    fn update(&mut self, x: Value, cx: &mut Context<'_, Self>) -> EmitResult {
        let known = gil::held(|py| {
            element_of(x.bind(py)).map(|element| (element.get().outcome(), element.get().ordinal))
        });
        let value = match known {
            None => x,
            Some((Some(Outcome::Value(value)), _)) => value,
            Some((Some(Outcome::Failed(failed)), ordinal)) => {
                return self.failed(x, &failed, ordinal, cx);
            }
            Some((Some(Outcome::Dropped) | None, _)) => return Ok(()),
        };
        gil::held(|py| self.current.set(py, value.object()));
        cx.emit(value)
    }
}

/// Removes the tags of tagged values.
#[pyfunction]
pub(super) fn untag(placement: Placement<'_>, number: usize) -> PyResult<()> {
    let untag = Blueprint::transform(move |current| {
        thalweg::ops::TryFilterMap::new(move |x: &Value| {
            gil::held(|py| {
                let pair = x.bind(py).cast::<PyTuple>()?;
                if pair.get_item(0)?.extract::<usize>()? != number {
                    return Ok(None);
                }
                let value = Value::from(pair.get_item(1)?);
                Ok::<_, PyErr>(Some(current.note(py, value)))
            })
        })
    });
    placement.apply(untag)
}

/// `buffer`: launches elements, lets up to `n` wait, and sends them on in the call that brings them.
#[pyfunction]
#[pyo3(signature = (placement, n, *, driven))]
pub(super) fn buffer(placement: Placement<'_>, n: usize, driven: bool) -> PyResult<()> {
    let buffer =
        Buffer::<Value>::new(n).map_err(|error| PyValueError::new_err(error.to_string()))?;
    let blueprint = Blueprint::new(move |context| {
        let launched = context.upstream.transform(Launching {
            is_driven: driven,
            current: context.current,
        });
        Made {
            out: launched.apply(buffer),
            inlet: Box::new(launched),
            between: None,
        }
    });
    placement.apply(blueprint.on_loop().passage(Passage::NoFunctions))
}

/// Whether elements emitted at a node reach the event loop or an engine before any user function is called. For tests.
#[pyfunction]
pub(super) fn passage(node: &Bound<'_, Node>) -> PyResult<bool> {
    node.get().parts()?.is_callback_free(node.py())
}
