//! Futures in arguments: found before a call, and replaced by their results.

use pyo3::prelude::*;
use thalweg_tasks::Status;
use thalweg_tasks::host::Dependencies;

use super::containers::{Path, Replacement};
use super::errors;
use super::future::Future;
use super::names::name;
use super::processes::sending::Placeholder;
use super::task_types::Calls;

/// Finds the futures in arguments.
#[derive(Default)]
pub(crate) struct Search {
    /// Their tasks, in the order in which they were found.
    pub(crate) dependencies: Dependencies<Calls>,
}

impl Search {
    /// Whether there is a future in `object`.
    pub(crate) fn look(&mut self, object: &Bound<'_, PyAny>) -> PyResult<bool> {
        Path::default().search(object, &mut |object| {
            let Ok(future) = object.cast_exact::<Future>() else {
                return Ok(false);
            };
            let slot = future.get().slot()?;
            if slot.status() == Status::Cancelled {
                // A task that needs it could never run.
                return Err(errors::cancelled(object.py(), &name(&slot)));
            }
            self.dependencies.push(slot);
            Ok(true)
        })
    }
}

/// Replaces futures by values or placeholders.
pub(crate) struct Fill<'a, 'py> {
    values: &'a mut dyn Iterator<Item = Bound<'py, PyAny>>,
}

impl<'a, 'py> Fill<'a, 'py> {
    /// Values come in the order in which the search found the futures.
    pub(crate) fn new(values: &'a mut dyn Iterator<Item = Bound<'py, PyAny>>) -> Self {
        Self { values }
    }

    /// `object` with values for futures: the same object, if there are none in it.
    pub(crate) fn fill(&mut self, object: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        Path::default().replace(object, &mut |object| {
            let is_one =
                object.cast_exact::<Future>().is_ok() || object.cast_exact::<Placeholder>().is_ok();
            let value = is_one.then(|| self.values.next()).flatten();
            Ok(value.map_or(Replacement::None, Replacement::By))
        })
    }
}
