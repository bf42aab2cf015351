use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};
use thalweg::ops::TryMap;

use crate::blueprint::Blueprint;
use crate::gil;
use crate::node::Placement;
use crate::value::Value;

/// `pluck`: sends an item of every element; for a list, a tuple of the items.
#[pyfunction]
pub(super) fn pluck(placement: Placement<'_>, pick: Bound<'_, PyAny>) -> PyResult<()> {
    let several = pick.cast::<PyList>().ok().map(|list| {
        let picks = list.iter().map(Bound::unbind);
        picks.collect::<Vec<_>>()
    });
    let pick = pick.unbind();
    let pluck = Blueprint::transform(move |current| {
        TryMap::new(move |x: &Value| {
            gil::held(|py| {
                let x = x.bind(py);
                let item = match &several {
                    None => x.get_item(pick.bind(py))?,
                    Some(picks) => {
                        let items = picks.iter().map(|pick| x.get_item(pick.bind(py)));
                        PyTuple::new(py, items.collect::<PyResult<Vec<_>>>()?)?.into_any()
                    }
                };
                Ok::<_, PyErr>(current.note(py, Value::from(item)))
            })
        })
    });
    placement.apply(pluck)
}
