//! A user function, with the additional arguments it is called with.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use pyo3::{PyTraverseError, PyVisit};

use crate::call;
use crate::gil::Place;
use crate::value::Value;

/// A callable passed to an operator. The node in the engine calls it; the node in Python shows it to the garbage
/// collector.
#[derive(Clone)]
pub(crate) struct Function(Arc<Inner>);

struct Inner {
    /// Replaceable by the user.
    callable: Place,
    /// Positional arguments after the element.
    args: Option<Py<PyTuple>>,
    kwargs: Option<Py<PyDict>>,
    /// Whether the element is unpacked into arguments.
    is_splayed: bool,
}

impl Function {
    pub(crate) fn new(
        callable: &Bound<'_, PyAny>,
        args: Option<&Bound<'_, PyTuple>>,
        kwargs: Option<&Bound<'_, PyDict>>,
    ) -> Self {
        let args = args.filter(|args| !args.is_empty());
        let kwargs = kwargs.filter(|kwargs| !kwargs.is_empty());
        Self(Arc::new(Inner {
            callable: Place::of(callable.clone().unbind()),
            args: args.map(|args| args.clone().unbind()),
            kwargs: kwargs.map(|kwargs| kwargs.clone().unbind()),
            is_splayed: false,
        }))
    }

    /// The callable and its additional arguments.
    pub(crate) fn parts<'a, 'py>(
        &'a self,
        py: Python<'py>,
    ) -> (
        Bound<'py, PyAny>,
        Option<&'a Bound<'py, PyTuple>>,
        Option<&'a Bound<'py, PyDict>>,
    ) {
        let Inner {
            callable,
            args,
            kwargs,
            ..
        } = &*self.0;
        let (args, kwargs) = (args.as_ref(), kwargs.as_ref());
        (
            callable.bound(py),
            args.map(|args| args.bind(py)),
            kwargs.map(|kwargs| kwargs.bind(py)),
        )
    }

    /// Replaces the callable.
    pub(crate) fn replace(&self, callable: &Bound<'_, PyAny>) {
        let new = callable.clone().unbind();
        drop(self.0.callable.replace(callable.py(), Some(new)));
    }

    /// Whether the callable is `None`.
    pub(crate) fn is_none(&self, py: Python<'_>) -> bool {
        self.0.callable.bound(py).is_none()
    }

    /// Whether the element is unpacked into arguments.
    pub(crate) fn is_splayed(&self) -> bool {
        self.0.is_splayed
    }

    fn with(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.0) {
            change(inner);
        }
        self
    }

    /// Makes it unpack its element: `f(*x, *args, **kwargs)`.
    pub(crate) fn splayed(self, is_splayed: bool) -> Self {
        self.with(|inner| inner.is_splayed = is_splayed)
    }

    /// `f(x, *args, **kwargs)`.
    ///
    /// # Errors
    /// The function's exception.
    #[inline]
    pub(crate) fn call<'py>(&self, py: Python<'py>, x: &Value) -> PyResult<Bound<'py, PyAny>> {
        self.call_elsewhere(py, x)
            .map_err(|error| self.failed(py, error))
    }

    /// The same on a thread of an engine, where interrupts count as failures.
    ///
    /// # Errors
    /// The function's exception.
    #[inline]
    pub(crate) fn call_elsewhere<'py>(
        &self,
        py: Python<'py>,
        x: &Value,
    ) -> PyResult<Bound<'py, PyAny>> {
        if self.is_bare() && !self.0.is_splayed {
            call::one(&self.0.callable.bound(py), x.bind(py))
        } else if self.0.is_splayed {
            self.call_splayed(py, x)
        } else {
            self.call_with(py, [x.bind(py).clone()])
        }
    }

    /// `f(state, x, *args, **kwargs)`.
    ///
    /// # Errors
    /// The function's exception.
    #[inline]
    pub(crate) fn call_on<'py>(
        &self,
        py: Python<'py>,
        state: &Value,
        x: &Value,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.call_on_elsewhere(py, state, x)
            .map_err(|error| self.failed(py, error))
    }

    /// The same on a thread of an engine, see [`call_elsewhere`](Self::call_elsewhere).
    ///
    /// # Errors
    /// The function's exception.
    #[inline]
    pub(crate) fn call_on_elsewhere<'py>(
        &self,
        py: Python<'py>,
        state: &Value,
        x: &Value,
    ) -> PyResult<Bound<'py, PyAny>> {
        if self.is_bare() {
            call::two(&self.0.callable.bound(py), state.bind(py), x.bind(py))
        } else {
            self.call_with(py, [state.bind(py).clone(), x.bind(py).clone()])
        }
    }

    fn call_splayed<'py>(&self, py: Python<'py>, x: &Value) -> PyResult<Bound<'py, PyAny>> {
        match x.bind(py).cast::<PyTuple>() {
            Ok(tuple) if self.is_bare() => call::with(&self.0.callable.bound(py), tuple, None),
            _ => {
                let elements: PyResult<Vec<_>> = x.bind(py).try_iter()?.collect();
                self.call_with(py, elements?)
            }
        }
    }

    fn is_bare(&self) -> bool {
        self.0.args.is_none() && self.0.kwargs.is_none()
    }

    #[cold]
    fn call_with<'py>(
        &self,
        py: Python<'py>,
        first: impl IntoIterator<Item = Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let mut all: Vec<_> = first.into_iter().collect();
        if let Some(args) = &self.0.args {
            all.extend(args.bind(py).iter());
        }
        let kwargs = self.0.kwargs.as_ref().map(|kwargs| kwargs.bind(py));
        call::with(&self.0.callable.bound(py), &PyTuple::new(py, all)?, kwargs)
    }

    #[cold]
    pub(crate) fn failed(&self, py: Python<'_>, error: PyErr) -> PyErr {
        crate::interrupt::note(py, &error);
        error
    }

    pub(crate) fn visit(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.0.callable.visit(visit)?;
        visit.call(&self.0.args)?;
        visit.call(&self.0.kwargs)
    }
}
