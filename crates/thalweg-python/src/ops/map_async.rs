use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use thalweg::ops::MapAsync;

use crate::blueprint::Blueprint;
use crate::event_loop::Awaited;
use crate::function::Function;
use crate::gil;
use crate::node::Placement;
use crate::value::Value;

/// `map_async`: runs several calls of an asynchronous function concurrently, and sends the results in order.
#[pyfunction]
pub(super) fn map_async(
    placement: Placement<'_>,
    function: &Bound<'_, PyAny>,
    args: &Bound<'_, PyTuple>,
    kwargs: &Bound<'_, PyDict>,
    calls: usize,
) -> PyResult<()> {
    let function = Function::new(function, Some(args), Some(kwargs));
    let called = function.clone();
    let map = MapAsync::ordered(calls, move |x: Value| {
        gil::held(|py| match called.call(py, &x) {
            Ok(awaitable) => Call::Awaited(called.clone(), Awaited::new(awaitable)),
            Err(error) => Call::Failed(Some(error)),
        })
    })
    .map_err(|error| PyValueError::new_err(error.to_string()))?;
    placement.apply(Blueprint::passing(map).on_loop().calling(function))
}

/// A call, or the exception instead of one.
enum Call {
    Awaited(Function, Awaited),
    Failed(Option<PyErr>),
}

impl Future for Call {
    type Output = PyResult<Value>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Self::Awaited(function, awaited) => Pin::new(awaited).poll(cx).map(|result| {
                let failed = |error| gil::held(|py| function.failed(py, error));
                result.map(Value::new).map_err(failed)
            }),
            Self::Failed(error) => match error.take() {
                Some(error) => Poll::Ready(Err(error)),
                None => Poll::Pending,
            },
        }
    }
}
