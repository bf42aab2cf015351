//! Conversion of `on_error` to the engine's policy.

use std::sync::atomic::Ordering;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use thalweg::{Context, EmitResult, Failure, Never, OnError, Operator, Retry, Stream};

use crate::failure;
use crate::gil;
use crate::node::Node;
use crate::pipeline::Pipeline;
use crate::upcalls;

/// Sets a node's policy: `"raise"`, `"skip"`, a `Retry`, or a stream to send failures to.
///
/// # Errors
/// The object is none of these.
pub(crate) fn set(node: &Bound<'_, Node>, on_error: &Bound<'_, PyAny>) -> PyResult<()> {
    let parts = node.get().parts()?;
    let mut joins = Vec::new();
    let mut pauses = false;
    let policy = parse(on_error, &mut joins, &mut pauses)?;
    if pauses {
        Node::need_loop(node)?;
    }
    for target in &joins {
        Pipeline::join(&parts.pipeline, &target.get().parts()?.pipeline, node.py())?;
    }
    let kind = match &policy {
        OnError::Raise => 0,
        OnError::Retry(_) => 2,
        _ => 1,
    };
    parts.policy.store(kind, Ordering::Relaxed);
    parts.inlet.set_policy(policy);
    parts.pipeline().note_change();
    Node::set_targets(node, &joins)?;
    parts
        .out
        .check()
        .map_err(|error| failure::raise(node.py(), &error))
}

/// The engine's policy; adds the nodes that it leads to, and notes whether it needs a clock.
fn parse<'py>(
    on_error: &Bound<'py, PyAny>,
    joins: &mut Vec<Bound<'py, Node>>,
    pauses: &mut bool,
) -> PyResult<OnError> {
    if let Ok(name) = on_error.extract::<String>() {
        return match name.as_str() {
            "raise" => Ok(OnError::Raise),
            "skip" => Ok(OnError::Skip),
            "log" => Ok(OnError::Route(logged())),
            other => Err(PyValueError::new_err(format!(
                "on_error: \"raise\", \"skip\", a Retry or a stream, not {other:?}"
            ))),
        };
    }
    if let Ok(target) = on_error.cast::<Node>() {
        let failures = Stream::new();
        route(failures.clone(), target)?;
        joins.push(target.clone());
        return Ok(OnError::Route(failures));
    }
    let retry = upcalls::STREAMS.get(on_error.py(), "Retry")?;
    if !on_error.is_instance(&retry)? {
        return Err(PyTypeError::new_err(format!(
            "on_error: \"raise\", \"skip\", a Retry or a stream, not {}",
            on_error.repr()?
        )));
    }
    let mut policy = Retry::times(on_error.getattr("times")?.extract()?);
    if let Some(backoff) = on_error.getattr("backoff")?.extract::<Option<f64>>()? {
        policy = policy.backoff(crate::interval::seconds(backoff)?);
        *pauses = true;
    }
    if let Some(at_most) = on_error.getattr("at_most")?.extract::<Option<f64>>()? {
        policy = policy.at_most(crate::interval::seconds(at_most)?);
    }
    let then = parse(&on_error.getattr("then")?, joins, pauses)?;
    Ok(policy.then(then).into())
}

/// A stream that logs failures. Their elements are dropped without acknowledgement.
fn logged() -> Stream<Failure> {
    let failures = Stream::new();
    drop(thalweg::Sink::from(failures.apply(LogFailure)));
    failures
}

struct LogFailure;

impl Operator for LogFailure {
    type In = Failure;
    type Out = Never;
    type Event = Never;
    const KIND: &'static str = "log";
    const SINK: bool = true;
    const CLOSES: bool = false;

    fn update(&mut self, failure: Failure, cx: &mut Context<'_, Self>) -> EmitResult {
        cx.acks().fail();
        gil::attach(|py| failure::log(py, &failure));
        Ok(())
    }
}

/// Routes failures to a node, as elements.
pub(crate) fn route(failures: Stream<Failure>, target: &Bound<'_, Node>) -> PyResult<()> {
    let values = failures.try_map(|failure| gil::attach(|py| failure::to_value(py, failure)));
    target.get().parts()?.take_from(target.py(), &values)
}
