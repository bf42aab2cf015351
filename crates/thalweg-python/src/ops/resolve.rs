use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use thalweg::ops::{Flatten, MapAsync};

use super::flatten::Elements;
use crate::blueprint::{Blueprint, Made};
use crate::event_loop::Awaited;
use crate::function::Function;
use crate::gil;
use crate::value::Value;

/// `resolve`: calls a function that says what an element comes to, with several elements at a time,
/// and sends each of that, none or many. It returns a tuple, or something to await that comes to one.
#[pyfunction]
#[pyo3(signature = (function, places, *, ordered=true))]
pub(super) fn resolve(
    function: &Bound<'_, PyAny>,
    places: usize,
    ordered: bool,
) -> PyResult<Blueprint> {
    let function = Function::new(function, None, None);
    let called = function.clone();
    let call = move |x: Value| {
        gil::held(|py| match called.call(py, &x) {
            Ok(result) if result.is_instance_of::<PyTuple>() => Answer::ready(elements(&result)),
            Ok(awaitable) => Answer::Awaited(Awaited::new(awaitable)),
            Err(error) => Answer::ready(Err(error)),
        })
    };
    let resolving = match ordered {
        true => MapAsync::ordered(places, call),
        false => MapAsync::unordered(places, call),
    };
    let resolving = resolving.map_err(|error| PyValueError::new_err(error.to_string()))?;
    let blueprint = Blueprint::new(move |site| {
        let resolved = site.upstream.apply(resolving);
        let parts = resolved.apply(Flatten::<Elements>::new());
        let Made { out, .. } = Made::finished(parts.clone(), site.current, |py, element| {
            element.map_err(|error: Arc<PyErr>| error.clone_ref(py))
        });
        Made {
            inlet: Box::new(resolved),
            between: Some(Box::new(parts)),
            out,
        }
    });
    Ok(blueprint.on_loop().calling(function))
}

fn elements(result: &Bound<'_, PyAny>) -> PyResult<Elements> {
    Ok(Elements(Value::from(result.try_iter()?.into_any())))
}

/// What the function returned.
enum Answer {
    Ready(Option<PyResult<Elements>>),
    Awaited(Awaited),
}

impl Answer {
    fn ready(result: PyResult<Elements>) -> Self {
        Self::Ready(Some(result))
    }
}

impl Future for Answer {
    type Output = PyResult<Elements>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Self::Ready(result) => result.take().map_or(Poll::Pending, Poll::Ready),
            Self::Awaited(awaited) => Pin::new(awaited)
                .poll(cx)
                .map(|result| result.and_then(|it| gil::held(|py| elements(it.bind(py))))),
        }
    }
}
