//! Python's task types: calls, objects and exceptions.

use std::fmt;
use std::io;
use std::sync::Arc;

use pyo3::exceptions::PyBaseException;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTraceback, PyTuple};
use pyo3::{PyTraverseError, PyVisit};
use thalweg_tasks::host::{Dependencies, TaskTypes};
use thalweg_tasks::process::{self, Payload, Portable};

use super::arguments::Fill;
use super::processes::{pickle, sending};
use super::threads::Turn;
use crate::failure::set_traceback;

/// Tasks that call Python functions.
pub(crate) enum Calls {}

impl TaskTypes for Calls {
    type Program = Program;
    type Value = Value;
    type Error = PyTaskError;

    fn name(program: &Program) -> Option<&str> {
        Self::call(program)?.function.name()
    }

    fn label(program: &Program) -> Option<Box<str>> {
        let Program::Here(call) = program else {
            let stream = matches!(program, Program::Stream(_)).then_some("stream");
            return Self::name(program).or(stream).map(Box::from);
        };
        let name = |py: Python<'_>| {
            let name = call.function.getattr(py, intern!(py, "__name__"));
            name.and_then(|name| name.extract::<String>(py)).ok()
        };
        Python::try_attach(name).flatten().map(String::into)
    }
}

/// A program: a call, or steps of a stream.
pub(crate) enum Program {
    /// A call in this process.
    Here(Call),
    /// A call in another.
    There(Sent),
    /// A thread's turn for a stream in this process.
    Stream(Option<Streaming>),
}

/// Work for a stream.
pub(crate) type Streaming = Box<dyn for<'py> FnOnce(Python<'py>, &mut Turn) + Send>;

impl Program {
    /// Work for a stream.
    pub(crate) fn stream(
        run: impl for<'py> FnOnce(Python<'py>, &mut Turn) + Send + 'static,
    ) -> Self {
        Self::Stream(Some(Box::new(run)))
    }

    /// Program of a call: the call itself, or its payload if code has to be sent.
    pub(crate) fn of<'py>(
        function: &Bound<'py, PyAny>,
        code: Option<&Arc<Payload>>,
        args: Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
        has_futures: bool,
    ) -> PyResult<Program> {
        if let Some(code) = code {
            return sending::call(function, code.clone(), args, kwargs, has_futures);
        }
        Ok(Program::Here(Call {
            function: function.clone().unbind(),
            args: args.unbind(),
            kwargs: kwargs.map(|kwargs| kwargs.clone().unbind()),
            inputs: if has_futures {
                Inputs::Futures
            } else {
                Inputs::None
            },
        }))
    }
}

/// A call that can be made again in this process.
pub(crate) enum Recreated {
    Here(Call),
    /// Payloads of a function and of its arguments.
    There(Arc<Payload>, Payload),
}

impl Program {
    /// The same call for this process. Runs no user code.
    pub(crate) fn recreate(&self, py: Python<'_>) -> Option<Recreated> {
        Some(match self {
            Self::Stream(_) => return None,
            Self::Here(call) => Recreated::Here(Call {
                function: call.function.clone_ref(py),
                args: call.args.clone_ref(py),
                kwargs: call.kwargs.as_ref().map(|kwargs| kwargs.clone_ref(py)),
                inputs: match &call.inputs {
                    Inputs::Places(places) => Inputs::Places(places.clone()),
                    Inputs::Futures => Inputs::Futures,
                    Inputs::None => Inputs::None,
                },
            }),
            Self::There(sent) => {
                Recreated::There(sent.call.function.clone(), sent.call.args.duplicate())
            }
        })
    }
}

impl Recreated {
    /// The function, arguments and keywords, with values filled in.
    pub(crate) fn filled<'py>(
        self,
        py: Python<'py>,
        values: Vec<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (function, args, kwargs) = match self {
            Self::Here(Call {
                function,
                args,
                kwargs,
                inputs: Inputs::Places(places),
            }) => {
                let mut args: Vec<_> = args.bind(py).iter().collect();
                for (place, value) in places.iter().zip(values) {
                    args[*place as usize] = value;
                }
                let kwargs = kwargs.into_pyobject(py)?.into_any();
                return Ok((function, args, kwargs).into_pyobject(py)?.into_any());
            }
            Self::Here(call) => (
                call.function.into_bound(py),
                call.args.into_bound(py).into_any(),
                call.kwargs.into_pyobject(py)?.into_any(),
            ),
            Self::There(function, args) => {
                let both = pickle::load(py, &args)?;
                (
                    pickle::load(py, &function)?,
                    both.get_item(0)?,
                    both.get_item(1)?,
                )
            }
        };
        let mut values = values.into_iter();
        let mut fill = Fill::new(&mut values);
        let filled = (function, fill.fill(args)?, fill.fill(kwargs)?);
        Ok(filled.into_pyobject(py)?.into_any())
    }
}

/// A call made in another process.
pub(crate) struct Sent {
    pub(crate) call: process::Call,
    /// Futures passed as such: their tasks are kept as long as the call.
    #[expect(dead_code, reason = "they are there to be held")]
    pub(crate) lent: Vec<Py<PyAny>>,
}

/// A call of a function.
pub(crate) struct Call {
    pub(crate) function: Py<PyAny>,
    pub(crate) args: Py<PyTuple>,
    pub(crate) kwargs: Option<Py<PyDict>>,
    pub(crate) inputs: Inputs,
}

impl Call {
    pub(crate) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.function)?;
        visit.call(&self.args)?;
        visit.call(&self.kwargs)
    }
}

/// Where values of other tasks go in the arguments.
pub(crate) enum Inputs {
    /// There are none.
    None,
    /// Wherever there are futures.
    Futures,
    /// At these places of the arguments, one for each dependency.
    Places(Box<[u32]>),
}

/// A result.
pub(crate) enum Value {
    /// An object of this process.
    Object(Py<PyAny>),
    /// Payload of an object in another process.
    Payload(Arc<Payload>),
}

/// An exception.
pub(crate) enum PyTaskError {
    /// An exception of this process.
    Error(Raised),
    /// Payload of an exception in another process.
    Payload(Payload),
    /// It could not be sent.
    Unsent(io::Error),
}

impl fmt::Debug for PyTaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(error) => error.value.fmt(f),
            Self::Payload(_) => f.write_str("an exception of another process"),
            Self::Unsent(error) => error.fmt(f),
        }
    }
}

/// An exception, and where the task raised it.
pub(crate) struct Raised {
    value: Py<PyBaseException>,
    traceback: Option<Py<PyTraceback>>,
}

impl Raised {
    pub(crate) fn new(py: Python<'_>, error: PyErr) -> Self {
        Self {
            traceback: error.traceback(py).map(Bound::unbind),
            value: error.into_value(py),
        }
    }

    pub(crate) fn clone_ref(&self, py: Python<'_>) -> Self {
        Self {
            value: self.value.clone_ref(py),
            traceback: self.traceback.as_ref().map(|it| it.clone_ref(py)),
        }
    }

    /// The error, as the task raised it: without the places where it has been raised since.
    pub(crate) fn to_error(&self, py: Python<'_>) -> PyErr {
        let value = self.value.bind(py);
        let traceback = match &self.traceback {
            Some(traceback) => traceback.bind(py).clone().into_any(),
            None => py.None().into_bound(py),
        };
        match set_traceback(value, &traceback) {
            Ok(()) => PyErr::from_value(value.clone().into_any()),
            Err(error) => error,
        }
    }

    pub(crate) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.value)?;
        visit.call(&self.traceback)
    }
}

impl Portable for Calls {
    fn call(program: &Program) -> Option<&process::Call> {
        match program {
            Program::There(sent) => Some(&sent.call),
            Program::Here(_) | Program::Stream(_) => None,
        }
    }

    fn received(payload: Arc<Payload>) -> Value {
        Value::Payload(payload)
    }

    fn payload(value: &Value) -> Option<&Arc<Payload>> {
        match value {
            Value::Payload(payload) => Some(payload),
            Value::Object(_) => None,
        }
    }

    fn raised(payload: Payload) -> PyTaskError {
        PyTaskError::Payload(payload)
    }

    fn unsent(error: io::Error) -> PyTaskError {
        PyTaskError::Unsent(error)
    }
}

impl Value {
    /// A new reference to the same.
    pub(crate) fn copy(&self, py: Python<'_>) -> Self {
        match self {
            Self::Object(object) => Self::Object(object.clone_ref(py)),
            Self::Payload(payload) => Self::Payload(payload.clone()),
        }
    }

    /// The object. May run user code.
    pub(crate) fn into_object(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        match self {
            Self::Object(object) => Ok(object.into_bound(py)),
            Self::Payload(payload) => pickle::load(py, &payload),
        }
    }
}

/// The values of finished tasks.
pub(crate) fn values<'py>(
    py: Python<'py>,
    dependencies: &Dependencies<Calls>,
) -> PyResult<Vec<Bound<'py, PyAny>>> {
    let values = dependencies
        .iter()
        .filter_map(|slot| slot.look(|outcome| outcome.ok().map(|value| value.copy(py)))?);
    values.map(|value| value.into_object(py)).collect()
}
