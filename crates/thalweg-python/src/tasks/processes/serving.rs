//! The worker's side: calls received from the parent.

use std::sync::Mutex;

use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};
use thalweg_tasks::process::worker::{self, Host, Made};
use thalweg_tasks::process::{Answer, LARGE, Payload};

use super::super::arguments::Fill;
use super::{pickle, sending};
use crate::gil;
use crate::parallel::Program;
use crate::tasks::stack;
use crate::upcalls;

/// Calls Python functions.
struct Python3;

impl Host for Python3 {
    type Function = Object;
    type Value = Object;
    const CHANGES_VALUES: bool = true;

    fn load(&self, code: &Payload) -> Result<Object, Payload> {
        self.unpack(code)
    }

    fn unpack(&self, payload: &Payload) -> Result<Object, Payload> {
        gil::attach(|py| match pickle::load(py, payload) {
            Ok(object) => Ok(Object(object.unbind())),
            Err(error) => Err(raised(py, error)),
        })
    }

    fn pack(&self, value: &Object) -> Result<Payload, Payload> {
        gil::attach(|py| {
            let pickled = pickle::dump(value.0.bind(py)).and_then(pickle::Pickled::into_parcel);
            pickled.map_err(|error| raised(py, error))
        })
    }

    fn not_received(&self, reason: &str) -> Payload {
        gil::attach(|py| raised(py, PyOSError::new_err(reason.to_owned())))
    }

    fn call(
        &self,
        function: &Object,
        args: &Payload,
        inputs: Vec<Object>,
    ) -> Result<Made<Object>, Payload> {
        gil::attach(|py| call(py, function, args, inputs).map_err(|error| raised(py, error)))
    }

    fn thread(&self, body: &mut dyn FnMut()) {
        gil::attach(|_| body());
    }

    fn blocking(&self, body: &mut dyn FnMut()) {
        gil::without(body);
    }
}

/// An object that is counted when it is cloned.
struct Object(Py<PyAny>);

impl Clone for Object {
    fn clone(&self) -> Self {
        gil::attach(|py| Self(self.0.clone_ref(py)))
    }
}

fn call(
    py: Python<'_>,
    function: &Object,
    args: &Payload,
    inputs: Vec<Object>,
) -> PyResult<Made<Object>> {
    let both = pickle::load(py, args)?.cast_into::<PyTuple>()?;
    let (mut args, mut kwargs) = (both.get_item(0)?, both.get_item(1)?);
    if !inputs.is_empty() {
        let mut values = inputs.into_iter().map(|object| object.0.into_bound(py));
        let mut fill = Fill::new(&mut values);
        args = fill.fill(args)?;
        kwargs = fill.fill(kwargs)?;
    }
    let kwargs = kwargs.cast::<PyDict>().ok();
    let result = function.0.bind(py).call(args.cast::<PyTuple>()?, kwargs)?;
    if let Ok(program) = function.0.bind(py).cast_exact::<Program>() {
        // The outcome of a batch is wanted at once.
        let pickled = pickle::dump(&result).or_else(|_| {
            let sendable = program.get().without_unsendable(&result)?;
            pickle::dump(&sendable)
        });
        return Ok(Made::Small(pickled?.into_parcel()?));
    }
    let pickled = pickle::dump(&result)
        .map_err(|error| sending::unsendable_result(function.0.bind(py), &result, error))?;
    if pickled.len()? > LARGE {
        return Ok(Made::Large(Object(result.unbind())));
    }
    Ok(Made::Small(pickled.into_parcel()?))
}

/// Payload of an exception with its traceback.
fn raised(py: Python<'_>, error: PyErr) -> Payload {
    let payload = upcalls::TASKS
        .call(py, "dump_error", (error.into_value(py),))
        .and_then(|pickled| Ok(pickled.cast::<PyBytes>()?.as_bytes().to_vec()))
        .and_then(|bytes| Ok(Payload::new(bytes)?));
    // An empty payload says that not even this was possible.
    payload.unwrap_or_else(|_| Payload::empty())
}

/// Runs tasks received through standard input, until the parent has gone.
#[pyfunction]
pub(crate) fn serve(py: Python<'_>) -> PyResult<()> {
    stack::set_size(py)?;
    Ok(worker::serve(Python3)?)
}

/// Asks the parent a question; with `waits`, another task takes the thread's place until it is answered. Returns `None`
/// if this is no worker process.
#[pyfunction]
pub(crate) fn ask<'py>(
    py: Python<'py>,
    question: &[u8],
    waits: bool,
) -> Option<Bound<'py, PyBytes>> {
    let answer = gil::detach(py, || worker::ask(question, waits))?;
    Some(PyBytes::new(py, &answer))
}

/// Whether this is a worker process.
#[pyfunction]
pub(crate) fn is_worker() -> bool {
    worker::is_worker()
}

/// Receives the answer to a question.
#[pyclass(frozen, module = "thalweg._thalweg.tasks")]
pub(crate) struct Reply(pub(crate) Mutex<Option<Answer>>);

#[pymethods]
impl Reply {
    fn __call__(&self, py: Python<'_>, answer: &[u8]) {
        let reply = crate::lock::lock(&self.0).take();
        if let Some(reply) = reply {
            gil::detach(py, || reply(answer));
        }
    }
}
