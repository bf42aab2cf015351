//! Futures in arguments, at any depth: found before a call, and replaced by their results.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFrozenSet, PyList, PySet, PyTuple};
use thalweg_tasks::Status;
use thalweg_tasks::host::Dependencies;

use super::errors;
use super::future::Future;
use super::names::name;
use super::processes::sending::Placeholder;
use super::task_types::Calls;

/// Finds the futures in lists, tuples, dictionaries, their subclasses, and sets.
#[derive(Default)]
pub(crate) struct Search {
    /// The tasks they are of, in the order in which they were found.
    pub(crate) dependencies: Dependencies<Calls>,
    /// The containers on the way to where the search is: one that contains itself is not searched again.
    path: Vec<usize>,
}

impl Search {
    /// Whether there is a future in `object`.
    pub(crate) fn look(&mut self, object: &Bound<'_, PyAny>) -> PyResult<bool> {
        if let Ok(future) = object.cast_exact::<Future>() {
            let slot = future.get().slot()?;
            if slot.status() == Status::Cancelled {
                // What needs it could never run.
                return Err(errors::cancelled(object.py(), &name(&slot)));
            }
            self.dependencies.push(slot);
            return Ok(true);
        }
        if let Ok(list) = object.cast::<PyList>() {
            self.each(object, list.iter())
        } else if let Ok(tuple) = object.cast::<PyTuple>() {
            self.each(object, tuple.iter())
        } else if let Ok(dict) = object.cast::<PyDict>() {
            self.each(object, dict.values().iter())
        } else if let Ok(set) = object.cast_exact::<PySet>() {
            self.each(object, set.iter())
        } else if let Ok(set) = object.cast_exact::<PyFrozenSet>() {
            self.each(object, set.iter())
        } else {
            Ok(false)
        }
    }

    fn each<'py>(
        &mut self,
        container: &Bound<'py, PyAny>,
        elements: impl Iterator<Item = Bound<'py, PyAny>>,
    ) -> PyResult<bool> {
        let address = container.as_ptr() as usize;
        if self.path.contains(&address) {
            return Ok(false);
        }
        self.path.push(address);
        let mut found = false;
        for element in elements {
            found |= self.look(&element)?;
        }
        self.path.pop();
        Ok(found)
    }
}

/// A container like one of a subclass, with what else it has: a default factory, say.
fn copy_of<'py>(container: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    container
        .py()
        .import("copy")?
        .call_method1("copy", (container,))
}

/// Puts values where the futures are, or what stands for them.
pub(crate) struct Fill<'a, 'py> {
    values: &'a mut dyn Iterator<Item = Bound<'py, PyAny>>,
    path: Vec<usize>,
}

impl<'a, 'py> Fill<'a, 'py> {
    /// The values come in the order in which the search found the futures.
    pub(crate) fn new(values: &'a mut dyn Iterator<Item = Bound<'py, PyAny>>) -> Self {
        Self {
            values,
            path: Vec::new(),
        }
    }

    /// `object` with values for futures: itself, if there are none in it.
    pub(crate) fn fill(&mut self, object: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        if object.cast_exact::<Future>().is_ok() || object.cast_exact::<Placeholder>().is_ok() {
            return Ok(self.values.next().unwrap_or(object));
        }
        let py = object.py();
        if let Ok(list) = object.cast::<PyList>() {
            let Some(new) = self.each(&object, list.iter())? else {
                return Ok(object);
            };
            let new = PyList::new(py, new)?;
            if list.is_exact_instance_of::<PyList>() {
                return Ok(new.into_any());
            }
            let filled = copy_of(&object)?;
            filled.cast::<PyList>()?.set_slice(0, list.len(), &new)?;
            Ok(filled)
        } else if let Ok(tuple) = object.cast::<PyTuple>() {
            let Some(new) = self.each(&object, tuple.iter())? else {
                return Ok(object);
            };
            let new = PyTuple::new(py, new)?;
            if tuple.is_exact_instance_of::<PyTuple>() {
                return Ok(new.into_any());
            }
            // A named tuple takes its fields one by one.
            let kind = object.get_type();
            let make = kind.getattr_opt("_make")?;
            make.unwrap_or_else(|| kind.into_any()).call1((new,))
        } else if let Ok(dict) = object.cast::<PyDict>() {
            let Some(new) = self.each(&object, dict.values().iter())? else {
                return Ok(object);
            };
            let filled = if dict.is_exact_instance_of::<PyDict>() {
                PyDict::new(py).into_any()
            } else {
                copy_of(&object)?
            };
            for (key, value) in dict.keys().iter().zip(new) {
                filled.set_item(key, value)?;
            }
            Ok(filled)
        } else if let Ok(set) = object.cast_exact::<PySet>() {
            let new = self.each(&object, set.iter())?;
            Ok(new.map_or(Ok(object), |new| PySet::new(py, new).map(Bound::into_any))?)
        } else if let Ok(set) = object.cast_exact::<PyFrozenSet>() {
            let new = self.each(&object, set.iter())?;
            Ok(new.map_or(Ok(object), |new| {
                PyFrozenSet::new(py, new).map(Bound::into_any)
            })?)
        } else {
            Ok(object)
        }
    }

    /// The elements with values for futures; nothing, if all are as they were.
    fn each(
        &mut self,
        container: &Bound<'py, PyAny>,
        elements: impl Iterator<Item = Bound<'py, PyAny>>,
    ) -> PyResult<Option<Vec<Bound<'py, PyAny>>>> {
        let address = container.as_ptr() as usize;
        if self.path.contains(&address) {
            return Ok(None);
        }
        self.path.push(address);
        let mut changed = false;
        let mut new = Vec::new();
        for element in elements {
            let filled = self.fill(element.clone())?;
            changed |= !filled.is(&element);
            new.push(filled);
        }
        self.path.pop();
        Ok(changed.then_some(new))
    }
}
