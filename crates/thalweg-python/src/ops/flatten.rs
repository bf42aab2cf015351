use std::sync::Arc;

use pyo3::prelude::*;
use thalweg::{Context, EmitResult, Never, Operator};

use crate::blueprint::{Blueprint, Made};
use crate::call;
use crate::gil;
use crate::last_value::LastValue;
use crate::node::Placement;
use crate::value::Value;

/// `flatten`: sends the items of every element.
#[pyfunction]
pub(super) fn flatten(placement: Placement<'_>) -> PyResult<()> {
    let flatten = Blueprint::new(|context| {
        let current = context.current;
        let stream = context.upstream.apply(FlattenIterable { current });
        Made {
            inlet: Box::new(stream.clone()),
            between: None,
            out: stream,
        }
    });
    placement.apply(flatten)
}

/// Sends the items of a Python iterable until it raises, which is the failure of its element.
struct FlattenIterable {
    current: LastValue,
}

impl Operator for FlattenIterable {
    type In = Value;
    type Out = Value;
    type Event = Never;
    const KIND: &'static str = "flatten";
    const CLOSES: bool = false;

    fn update(&mut self, x: Value, cx: &mut Context<'_, Self>) -> EmitResult {
        let iterator = gil::held(|py| {
            let iterator = x.bind(py).try_iter();
            iterator.map(|iterator| Value::from(iterator.into_any()))
        });
        let iterator = match iterator {
            Ok(iterator) => iterator,
            Err(error) => return fail(x, error, cx),
        };
        loop {
            let next = gil::held(|py| {
                let next = call::next(iterator.bind(py))?;
                PyResult::Ok(next.map(|y| self.current.note(py, Value::from(y))))
            });
            match next {
                Ok(Some(y)) => cx.emit(y)?,
                Ok(None) => return Ok(()),
                Err(error) => return fail(x, error, cx),
            }
        }
    }
}

fn fail(x: Value, error: PyErr, cx: &mut Context<'_, FlattenIterable>) -> EmitResult {
    gil::held(|py| crate::interrupt::note(py, &error));
    cx.fail(x, error)
}

/// A Python iterator. If it raises, it ends with the exception.
#[derive(Clone)]
pub(crate) struct Elements(pub(crate) Value);

impl IntoIterator for Elements {
    type Item = Result<Value, Arc<PyErr>>;
    type IntoIter = Iter;

    fn into_iter(self) -> Iter {
        Iter(Some(self.0))
    }
}

/// `None` once it is exhausted.
pub(crate) struct Iter(Option<Value>);

impl Iterator for Iter {
    type Item = Result<Value, Arc<PyErr>>;

    fn next(&mut self) -> Option<Self::Item> {
        let iterator = self.0.as_ref()?;
        let next = gil::held(|py| call::next(iterator.bind(py)).map(|x| x.map(Value::from)));
        match next {
            Ok(Some(x)) => Some(Ok(x)),
            Ok(None) => None,
            Err(error) => {
                self.0 = None;
                Some(Err(Arc::new(error)))
            }
        }
    }
}
