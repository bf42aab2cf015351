use std::sync::Arc;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use thalweg::ops::{Flatten, MapAsync, Step};

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
    let resolving = MapAsync::stepwise(places, ordered, move |x: &Value| {
        gil::held(|py| {
            let result = called.call(py, x)?;
            if result.is_instance_of::<PyTuple>() {
                return elements(&result).map(Step::Done);
            }
            let awaited = Awaited::new(result);
            Ok::<_, PyErr>(Step::Pending(async move {
                let result = awaited.await?;
                gil::held(|py| elements(result.bind(py)))
            }))
        })
    });
    let resolving = resolving.map(MapAsync::holding_emitters);
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
