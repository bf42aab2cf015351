use std::sync::Arc;

use pyo3::prelude::*;
use thalweg::ops::{Flatten, TryMap};

use crate::blueprint::{Blueprint, Made};
use crate::call;
use crate::gil;
use crate::value::Value;

/// `flatten`: sends the elements of every element.
#[pyfunction]
pub(super) fn flatten() -> Blueprint {
    Blueprint::new(|site| {
        let iterables = site.upstream.transform(TryMap::new(|x: &Value| {
            gil::held(|py| {
                let iterator = x.bind(py).try_iter()?;
                Ok::<_, PyErr>(Elements(Value::from(iterator.into_any())))
            })
        }));
        let elements = iterables.apply(Flatten::<Elements>::new());
        let Made { out, .. } = Made::finished(elements.clone(), site.current, |py, element| {
            element.map_err(|error: Arc<PyErr>| error.clone_ref(py))
        });
        Made {
            inlet: Box::new(iterables),
            between: Some(Box::new(elements)),
            out,
        }
    })
}

/// An iterator of Python's. One that fails ends with its error.
#[derive(Clone)]
pub(crate) struct Elements(pub(crate) Value);

impl IntoIterator for Elements {
    type Item = Result<Value, Arc<PyErr>>;
    type IntoIter = Iter;

    fn into_iter(self) -> Iter {
        Iter(Some(self.0))
    }
}

/// `None` once it has ended.
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
