//! Calls prepared for sending.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple, PyType, PyWeakrefMethods, PyWeakrefReference};
use thalweg_tasks::process::{Call, Payload};

use super::super::arguments::Fill;
use super::super::future;
use super::super::task_types::{Program, Sent};
use super::pickle::{self, Digest};
use crate::lock::lock;
use crate::upcalls;

/// Cache of pickled functions.
///
/// A function found by its name in its module is pickled once. All others may have changed, by what they close over or
/// the globals they use: they are pickled each time, and recognized by their bytes.
#[derive(Default)]
pub(crate) struct Functions {
    by_reference: Mutex<HashMap<usize, Known>>,
    by_value: Mutex<HashMap<Digest, Weak<Payload>>>,
}

/// A function and its payload.
type Known = (Py<PyWeakrefReference>, Arc<Payload>);

/// Number of functions remembered.
const REMEMBERED: usize = 1_000;

impl Functions {
    /// Payload of a function.
    ///
    /// # Errors
    /// `UnpicklableError` if it cannot be pickled.
    pub(crate) fn payload(&self, function: &Bound<'_, PyAny>) -> PyResult<Arc<Payload>> {
        let py = function.py();
        let address = function.as_ptr() as usize;
        let known = lock(&self.by_reference)
            .get(&address)
            .map(|(known, payload)| (known.clone_ref(py), payload.clone()));
        if let Some((known, payload)) = known
            && known
                .bind(py)
                .upgrade()
                .is_some_and(|known| known.is(function))
        {
            return Ok(payload);
        }
        let pickled = pickle::dump(function)
            .map_err(|error| explain(py, "function_error", (function, error.into_value(py))))?;
        let name = function
            .getattr("__qualname__")
            .and_then(|name| name.extract::<String>());
        let name = name.or_else(|_| Ok::<_, PyErr>(function.get_type().name()?.to_string()))?;
        if pickled.is_plain && has_a_name(function)? {
            let known = PyWeakrefReference::new(function)?.unbind();
            let payload = Arc::new(pickled.into_parcel()?.named(name));
            let mut functions = lock(&self.by_reference);
            let forgotten = if functions.len() >= REMEMBERED {
                std::mem::take(&mut *functions)
            } else {
                HashMap::new()
            };
            functions.insert(address, (known, payload.clone()));
            drop(functions);
            drop(forgotten);
            return Ok(payload);
        }
        let digest = pickled.digest()?;
        if let Some(payload) = lock(&self.by_value).get(&digest).and_then(Weak::upgrade) {
            return Ok(payload);
        }
        let payload = Arc::new(pickled.into_parcel()?.named(name));
        let mut functions = lock(&self.by_value);
        if functions.len() == functions.capacity() {
            functions.retain(|_, payload| payload.strong_count() > 0);
        }
        functions.insert(digest, Arc::downgrade(&payload));
        Ok(payload)
    }
}

/// Whether a plain pickle of a function is its name: a bound method would be pickled with its object.
fn has_a_name(function: &Bound<'_, PyAny>) -> PyResult<bool> {
    static KINDS: PyOnceLock<[Py<PyAny>; 3]> = PyOnceLock::new();
    let py = function.py();
    let kinds = KINDS.get_or_try_init(py, || {
        let types = py.import("types")?;
        let kind = |name| Ok::<_, PyErr>(types.getattr(name)?.unbind());
        Ok::<_, PyErr>([
            kind("FunctionType")?,
            kind("BuiltinFunctionType")?,
            kind("ModuleType")?,
        ])
    })?;
    let [plain, builtin, module] = kinds.each_ref().map(|kind| kind.bind(py));
    let kind = function.get_type();
    if kind.is(builtin) {
        let owner = function.getattr("__self__")?;
        return Ok(owner.is_none() || owner.is_instance(module)?);
    }
    Ok(kind.is(plain) || kind.is(py.get_type::<PyType>()))
}

fn explain<'py>(py: Python<'py>, what: &str, args: impl pyo3::call::PyCallArgs<'py>) -> PyErr {
    let error = upcalls::TASKS.call(py, what, args);
    error.map_or_else(|error| error, PyErr::from_value)
}

/// A call prepared for sending, with the futures that go along. `has_futures` says that there are futures in the
/// arguments.
///
/// # Errors
/// `UnpicklableError`, which names the argument that cannot be sent.
pub(crate) fn call<'py>(
    function: &Bound<'py, PyAny>,
    code: Arc<Payload>,
    args: Bound<'py, PyTuple>,
    kwargs: Option<&Bound<'py, PyDict>>,
    has_futures: bool,
) -> PyResult<Program> {
    let py = args.py();
    let (mut args, mut kwargs) = (args, kwargs.cloned());
    if has_futures {
        let mut places =
            std::iter::repeat_with(|| Bound::new(py, Placeholder).map(Bound::into_any))
                .map_while(Result::ok);
        let mut fill = Fill::new(&mut places);
        args = fill.fill(args.into_any())?.cast_into()?;
        kwargs = match kwargs {
            Some(kwargs) => Some(fill.fill(kwargs.into_any())?.cast_into()?),
            None => None,
        };
    }
    let both = (&args, &kwargs).into_pyobject(py)?;
    let (pickled, lent) = future::lending(|| pickle::dump(both.as_any()));
    let pickled = pickled.map_err(|error| {
        explain(
            py,
            "argument_error",
            (function, &args, &kwargs, error.into_value(py)),
        )
    })?;
    let call = Call {
        function: code,
        args: pickled.into_parcel()?,
    };
    Ok(Program::There(Sent { call, lent }))
}

/// The error that says which function's result cannot be sent.
pub(super) fn unsendable_result(
    function: &Bound<'_, PyAny>,
    result: &Bound<'_, PyAny>,
    error: PyErr,
) -> PyErr {
    let py = function.py();
    explain(py, "result_error", (function, result, error.into_value(py)))
}

/// The error for elements of a stream, or what accompanies them, that cannot be sent.
pub(crate) fn unsendable_batch(args: &Bound<'_, PyTuple>, error: PyErr) -> PyErr {
    let py = args.py();
    let values = args.get_item(0).and_then(|values| values.get_item(0));
    match values {
        Ok(value) => explain(py, "value_error", (value, error.into_value(py))),
        Err(_) => error,
    }
}

/// Payload of a value.
///
/// # Errors
/// `UnpicklableError` if it cannot be pickled.
pub(crate) fn value(value: &Bound<'_, PyAny>) -> PyResult<Payload> {
    let py = value.py();
    let pickled = pickle::dump(value);
    pickled
        .map_err(|error| explain(py, "value_error", (value, error.into_value(py))))?
        .into_parcel()
}

/// Placeholder in arguments for the result of another task. Results come in the order of their places.
#[pyclass(frozen, module = "thalweg._thalweg.tasks")]
pub(crate) struct Placeholder;

#[pymethods]
impl Placeholder {
    #[new]
    fn new() -> Self {
        Self
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> (Bound<'py, PyType>, Bound<'py, PyTuple>) {
        (slf.get_type(), PyTuple::empty(slf.py()))
    }
}
