//! Calls, made ready to be sent.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple, PyType};
use thalweg_tasks::process::{Call, Parcel};

use super::super::arguments::Fill;
use super::super::future;
use super::super::world::{Program, Sent};
use super::pickle;
use crate::lock::lock;

/// Functions that have been pickled.
///
/// The same function is not pickled again each time, as long as it is a plain one: other callables may
/// have a state that has changed.
#[derive(Default)]
pub(crate) struct Functions(Mutex<HashMap<usize, Known>>);

/// A function, and what stands for it.
type Known = (Py<PyAny>, Arc<Parcel>);

/// So many pickled functions are remembered.
const REMEMBERED: usize = 1_000;

impl Functions {
    /// What stands for a function.
    ///
    /// # Errors
    /// `UnpicklableError` if nothing can.
    pub(crate) fn parcel(&self, function: &Bound<'_, PyAny>) -> PyResult<Arc<Parcel>> {
        let py = function.py();
        let address = function.as_ptr() as usize;
        if let Some((_, parcel)) = lock(&self.0).get(&address) {
            return Ok(parcel.clone());
        }
        let pickled = pickle::dump(function)
            .map_err(|error| explain(py, "function_error", (function, error.into_value(py))))?;
        let name = function
            .getattr("__qualname__")
            .and_then(|name| name.extract::<String>());
        let name = name.or_else(|_| Ok::<_, PyErr>(function.get_type().name()?.to_string()))?;
        let parcel = Arc::new(pickled.into_parcel()?.named(name));
        if is_plain(function)? {
            let mut functions = lock(&self.0);
            let forgotten = if functions.len() >= REMEMBERED {
                std::mem::take(&mut *functions)
            } else {
                HashMap::new()
            };
            functions.insert(address, (function.clone().unbind(), parcel.clone()));
            drop(functions);
            drop(forgotten);
        }
        Ok(parcel)
    }
}

fn is_plain(function: &Bound<'_, PyAny>) -> PyResult<bool> {
    static PLAIN: PyOnceLock<[Py<PyAny>; 2]> = PyOnceLock::new();
    let py = function.py();
    let plain = PLAIN.get_or_try_init(py, || {
        let types = py.import("types")?;
        let kind = |name| Ok::<_, PyErr>(types.getattr(name)?.unbind());
        Ok::<_, PyErr>([kind("FunctionType")?, kind("BuiltinFunctionType")?])
    })?;
    let kind = function.get_type();
    Ok(plain.iter().any(|plain| kind.is(plain.bind(py))))
}

fn explain<'py>(py: Python<'py>, what: &str, args: impl pyo3::call::PyCallArgs<'py>) -> PyErr {
    let error = py
        .import("thalweg.tasks.pickling")
        .and_then(|pickling| pickling.getattr(what)?.call1(args));
    error.map_or_else(|error| error, PyErr::from_value)
}

/// A call of a function, ready to be sent, with the futures that go along. `needs` says that there are futures in the arguments.
///
/// # Errors
/// `UnpicklableError`, which names the argument that cannot be sent.
pub(crate) fn call<'py>(
    function: &Bound<'py, PyAny>,
    code: Arc<Parcel>,
    args: Bound<'py, PyTuple>,
    kwargs: Option<&Bound<'py, PyDict>>,
    needs: bool,
) -> PyResult<Program> {
    let py = args.py();
    let (mut args, mut kwargs) = (args, kwargs.cloned());
    if needs {
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

/// What stands for a value.
///
/// # Errors
/// `UnpicklableError` if nothing can.
pub(crate) fn value(value: &Bound<'_, PyAny>) -> PyResult<Parcel> {
    let py = value.py();
    let pickled = pickle::dump(value);
    pickled
        .map_err(|error| explain(py, "value_error", (value, error.into_value(py))))?
        .into_parcel()
}

/// Stands in arguments for the result of another task. The results come in the order of their places.
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
