//! Metadata of streamz, a list of dicts that accompanies an element, as acknowledgement tokens.

use pyo3::exceptions::{PyException, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use thalweg::{Ack, Acks, Outcome};

use crate::{gil, interrupt};

/// Contents of a token.
struct Tag(Py<PyDict>);

/// The tokens for an element's metadata, one for each dict. A counter under `ref` counts one while the token exists.
///
/// # Errors
/// The metadata is not a list of dicts, or a counter cannot count.
pub(crate) fn to_acks(metadata: Option<&Bound<'_, PyAny>>) -> PyResult<Acks> {
    let Some(metadata) = metadata.filter(|metadata| !metadata.is_none()) else {
        return Ok(Acks::none());
    };
    let mut tokens = Vec::new();
    let wrong = || PyTypeError::new_err("metadata: a list of dicts, or None");
    for dict in metadata.try_iter().map_err(|_| wrong())? {
        let dict = dict?;
        // Windows pass this for elements without metadata.
        if !dict.is_none() {
            tokens.push(Acks::from(token(
                dict.cast_into::<PyDict>().map_err(|_| wrong())?,
            )?));
        }
    }
    Ok(Acks::merge(&tokens))
}

fn token(dict: Bound<'_, PyDict>) -> PyResult<Ack> {
    let counter = dict.get_item("ref")?;
    if let Some(counter) = &counter {
        counter.call_method0("retain")?;
    }
    let counter = counter.map(Bound::unbind);
    Ok(Ack::with_payload(Tag(dict.unbind()), move |_, outcome| {
        if let Some(counter) = counter {
            gil::attach(|py| release(counter.bind(py), outcome));
        }
    }))
}

/// A token for a dict, which calls `fire` with the element's outcome. The counter under `ref` counts what is derived
/// from the element.
pub(crate) fn tagged(dict: Bound<'_, PyDict>, fire: impl FnOnce(Outcome) + Send + 'static) -> Ack {
    Ack::with_payload(Tag(dict.unbind()), |_, outcome| fire(outcome))
}

/// The dicts of an element with these tokens.
pub(crate) fn dicts<'py>(py: Python<'py>, acks: &Acks) -> impl Iterator<Item = Bound<'py, PyDict>> {
    acks.payloads::<Tag>()
        .map(move |tag| tag.0.bind(py).clone())
}

/// Decrements a counter. thalweg's counters do not call back for a failed element: it has to be delivered again.
fn release(counter: &Bound<'_, PyAny>, outcome: Outcome) {
    let method = match outcome {
        Outcome::Delivered => "release",
        Outcome::Failed => "_release_failed",
    };
    let released = match counter.getattr(method) {
        Ok(release) => release.call0().map(drop),
        // Other counters are not told of failures, as in streamz.
        Err(_) if outcome == Outcome::Failed => Ok(()),
        Err(error) => Err(error),
    };
    let py = counter.py();
    match released {
        Err(error) if error.is_instance_of::<PyException>(py) => {
            error.write_unraisable(py, Some(counter));
        }
        Err(error) => interrupt::note(py, &error),
        Ok(()) => {}
    }
}

/// The metadata of an element with these tokens.
pub(crate) fn from_acks<'py>(py: Python<'py>, acks: &Acks) -> PyResult<Bound<'py, PyList>> {
    PyList::new(py, dicts(py, acks).collect::<Vec<_>>())
}
