//! Dead letters: `to_dead_letters` and `from_dead_letters`.

use pollster::block_on;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use thalweg::ops::SinkBatches;
use thalweg_io::DeadLetter;
use thalweg_io::dead_letters::{
    DeadLetterCloser, DeadLetterError, DeadLetterSink, DeadLetterSource, Kept,
};

use super::bridge::{RustSource, Sourced};
use super::error::to_exception;
use crate::blueprint::Blueprint;
use crate::gil;
use crate::node::Placement;
use crate::ops::sink::sink_made;
use crate::sql::Database;
use crate::value::Value;

/// A storage of letters.
#[pyclass(frozen, module = "thalweg._thalweg.sources")]
pub(super) struct DeadLetters(thalweg_io::DeadLetters);

/// Stores the replay position, at the end of a drain.
#[pyclass(frozen, module = "thalweg._thalweg.sources")]
pub(super) struct DeadLetterEnd(DeadLetterCloser);

#[pymethods]
impl DeadLetters {
    /// A file or a topic, or a table of a database.
    #[new]
    fn new(
        py: Python<'_>,
        place: &str,
        options: Vec<(String, String)>,
        table: Option<(PyRef<'_, Database>, String)>,
    ) -> PyResult<Self> {
        let opened = match table {
            Some((database, name)) => {
                let database = database.0.clone();
                gil::detach(py, || thalweg_io::DeadLetters::table(&database, &name))
            }
            None => gil::detach(py, || thalweg_io::DeadLetters::open(place)),
        };
        let mut letters = opened.map_err(|error| match error {
            DeadLetterError::Invalid { .. } => PyValueError::new_err(error.to_string()),
            error => to_exception(py, &error),
        })?;
        for (name, value) in options {
            letters = letters.option(name, value);
        }
        Ok(Self(letters))
    }

    #[getter]
    fn place(&self) -> String {
        self.0.shown()
    }

    /// The letters that have not been replayed, as `make` creates them from node, ordinal, attempt, error, the form of
    /// the element, and the element.
    fn letters(&self, make: Py<PyAny>) -> (RustSource, DeadLetterEnd) {
        let source = DeadLetterSource::from(&self.0);
        let end = DeadLetterEnd(source.closer());
        let source = RustSource::new(source, move |py, letter: DeadLetter| {
            let (form, element) = match &letter.element {
                Kept::Json(json) => ("json", PyString::new(py, json).into_any()),
                Kept::Bytes(bytes) => ("bytes", PyBytes::new(py, bytes).into_any()),
                Kept::Shown(shown) => ("shown", PyString::new(py, shown).into_any()),
                _ => ("shown", PyString::new(py, "").into_any()),
            };
            let parts = (
                PyString::intern(py, &letter.node),
                letter.ordinal,
                letter.attempt,
                &letter.error,
                PyString::intern(py, form),
                element,
            );
            Ok(Some(Value::from(make.bind(py).call1(parts)?)))
        });
        (source, end)
    }
}

#[pymethods]
impl DeadLetterEnd {
    /// Stores the replay position, without the GIL.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let closed = gil::detach(py, || block_on(self.0.close()));
        closed.map_err(|error| to_exception(py, &error))
    }
}

/// `to_dead_letters`: the end of a stream of failures, from which `take_apart` returns node, ordinal, attempt, error,
/// the form of the element, and the element.
///
/// # Errors
/// An option for Kafka is invalid.
#[pyfunction]
pub(super) fn to_dead_letters(
    placement: Placement<'_>,
    letters: &DeadLetters,
    take_apart: Py<PyAny>,
) -> PyResult<()> {
    let sink = DeadLetterSink::new(&letters.0, move |x: &Value| {
        gil::attach(|py| to_letter(x.bind(py), &take_apart)).map_err(Into::into)
    });
    let sink = sink.map_err(|error| PyValueError::new_err(format!("to_dead_letters: {error}")))?;
    let blueprint = Blueprint::new(move |context| {
        let ends = context.upstream.apply(SinkBatches::new(sink));
        sink_made(&context.upstream, Box::new(ends))
    });
    placement.apply(blueprint.sink().on_loop())
}

fn to_letter(x: &Bound<'_, PyAny>, take_apart: &Py<PyAny>) -> PyResult<DeadLetter> {
    type Parts<'py> = (String, u64, u32, String, String, Bound<'py, PyAny>);
    let parts = take_apart.bind(x.py()).call1((x,))?;
    let (node, ordinal, attempt, error, form, element): Parts<'_> = parts.extract()?;
    let element = match &*form {
        "json" => Kept::Json(element.extract()?),
        "bytes" => Kept::Bytes(element.extract()?),
        _ => Kept::Shown(element.extract()?),
    };
    Ok(DeadLetter {
        node,
        ordinal,
        attempt,
        error,
        element,
    })
}

impl Sourced for DeadLetterSource {}
