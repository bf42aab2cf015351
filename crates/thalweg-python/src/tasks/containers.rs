//! Futures in lists, tuples, sets and dictionaries, at any depth: found, and replaced.
//!
//! Lists, tuples, sets and dictionaries are searched, including subclasses, which keep their class; keys of
//! dictionaries are not. A container within itself is left alone, and so is too deep nesting.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFrozenSet, PyList, PySet, PyTuple};

/// The containers on the way to the current object.
#[derive(Default)]
pub(crate) struct Path(Vec<usize>);

/// Replacement of an object.
pub(crate) enum Replacement<'py> {
    /// Keeps the object, and searches it.
    None,
    By(Bound<'py, PyAny>),
    /// Removes it from lists; it becomes `None` elsewhere.
    Nothing,
}

/// Result of visiting an object.
enum Replaced<'py> {
    /// Unchanged.
    Same,
    New(Bound<'py, PyAny>),
    Nothing,
}

/// Limit of nesting, by a thread's stack.
const DEEPEST: usize = 1_000;

impl Path {
    /// Runs `f` within a container, unless the container is being searched already, or is nested too deep.
    fn within<R>(
        &mut self,
        container: &Bound<'_, PyAny>,
        look: impl FnOnce(&mut Self) -> PyResult<R>,
    ) -> PyResult<Option<R>> {
        let address = container.as_ptr() as usize;
        if self.0.len() == DEEPEST || self.0.contains(&address) {
            return Ok(None);
        }
        self.0.push(address);
        let result = look(self);
        self.0.pop();
        result.map(Some)
    }

    /// Calls `is_one` with an object and everything in it, at any depth; objects for which it returns true are not
    /// searched. Returns whether any was found.
    pub(crate) fn search<'py>(
        &mut self,
        object: &Bound<'py, PyAny>,
        is_one: &mut dyn FnMut(&Bound<'py, PyAny>) -> PyResult<bool>,
    ) -> PyResult<bool> {
        if is_one(object)? {
            return Ok(true);
        }
        let Some(elements) = elements_of(object)? else {
            return Ok(false);
        };
        let found = self.within(object, |path| {
            let mut found = false;
            for element in elements {
                found |= path.search(&element, is_one)?;
            }
            Ok(found)
        })?;
        Ok(found.unwrap_or(false))
    }

    /// The object with replacements: the same object, if there are none.
    pub(crate) fn replace<'py>(
        &mut self,
        object: Bound<'py, PyAny>,
        by: &mut dyn FnMut(&Bound<'py, PyAny>) -> PyResult<Replacement<'py>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        Ok(match self.replaced(&object, by)? {
            Replaced::Same => object,
            Replaced::New(new) => new,
            Replaced::Nothing => object.py().None().into_bound(object.py()),
        })
    }

    fn replaced<'py>(
        &mut self,
        object: &Bound<'py, PyAny>,
        by: &mut dyn FnMut(&Bound<'py, PyAny>) -> PyResult<Replacement<'py>>,
    ) -> PyResult<Replaced<'py>> {
        match by(object)? {
            Replacement::By(new) => return Ok(Replaced::New(new)),
            Replacement::Nothing => return Ok(Replaced::Nothing),
            Replacement::None => {}
        }
        let Some(elements) = elements_of(object)? else {
            return Ok(Replaced::Same);
        };
        let is_list = object.is_instance_of::<PyList>();
        let new = self.within(object, |path| {
            let (mut is_changed, mut new) = (false, Vec::with_capacity(elements.len()));
            for element in elements {
                let replaced = path.replaced(&element, by)?;
                is_changed |= !matches!(replaced, Replaced::Same);
                match replaced {
                    Replaced::Same => new.push(element),
                    Replaced::New(other) => new.push(other),
                    Replaced::Nothing if is_list => {}
                    Replaced::Nothing => new.push(element.py().None().into_bound(element.py())),
                }
            }
            Ok(is_changed.then_some(new))
        })?;
        match new.flatten() {
            None => Ok(Replaced::Same),
            Some(new) => like(object, new).map(Replaced::New),
        }
    }
}

/// Contents of a container to visit; nothing for other objects.
fn elements_of<'py>(object: &Bound<'py, PyAny>) -> PyResult<Option<Vec<Bound<'py, PyAny>>>> {
    Ok(if let Ok(list) = object.cast::<PyList>() {
        Some(list.iter().collect())
    } else if let Ok(tuple) = object.cast::<PyTuple>() {
        Some(tuple.iter().collect())
    } else if let Ok(dict) = object.cast::<PyDict>() {
        Some(dict.values().iter().collect())
    } else if let Ok(set) = object.cast_exact::<PySet>() {
        Some(set.iter().collect())
    } else if let Ok(set) = object.cast_exact::<PyFrozenSet>() {
        Some(set.iter().collect())
    } else {
        None
    })
}

/// A copy of a container, with its attributes, such as a default factory, and with other contents.
fn like<'py>(
    container: &Bound<'py, PyAny>,
    elements: Vec<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = container.py();
    if let Ok(list) = container.cast::<PyList>() {
        let elements = PyList::new(py, elements)?;
        if list.is_exact_instance_of::<PyList>() {
            return Ok(elements.into_any());
        }
        let copied = copy_of(container)?;
        copied
            .cast::<PyList>()?
            .set_slice(0, list.len(), &elements)?;
        Ok(copied)
    } else if let Ok(tuple) = container.cast::<PyTuple>() {
        let elements = PyTuple::new(py, elements)?;
        if tuple.is_exact_instance_of::<PyTuple>() {
            return Ok(elements.into_any());
        }
        // A named tuple takes its fields as arguments.
        let kind = container.get_type();
        let make = kind.getattr_opt("_make")?;
        make.unwrap_or_else(|| kind.into_any()).call1((elements,))
    } else if let Ok(dict) = container.cast::<PyDict>() {
        let copied = if dict.is_exact_instance_of::<PyDict>() {
            PyDict::new(py).into_any()
        } else {
            copy_of(container)?
        };
        for (key, element) in dict.keys().iter().zip(elements) {
            copied.set_item(key, element)?;
        }
        Ok(copied)
    } else if container.is_exact_instance_of::<PySet>() {
        PySet::new(py, elements).map(Bound::into_any)
    } else {
        PyFrozenSet::new(py, elements).map(Bound::into_any)
    }
}

fn copy_of<'py>(container: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    container
        .py()
        .import("copy")?
        .call_method1("copy", (container,))
}

/// The objects of certain `kinds` in a value, in the order in which they are found. `others(object)` is called for all
/// other objects that are no containers, and returns more.
#[pyfunction]
#[pyo3(signature = (value, kinds, others = None))]
pub(crate) fn search<'py>(
    value: &Bound<'py, PyAny>,
    kinds: &Bound<'py, PySet>,
    others: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyList>> {
    let found = PyList::empty(value.py());
    Path::default().search(value, &mut |object| {
        if kinds.contains(object.get_type())? {
            found.append(object)?;
            return Ok(true);
        }
        if let Some(others) = others
            && elements_of(object)?.is_none()
        {
            for other in others.call1((object,))?.try_iter()? {
                found.append(other?)?;
            }
        }
        Ok(false)
    })?;
    Ok(found)
}

/// A value with `by(object)` in place of every object of certain `kinds`; where the result is `skipped`, it is removed
/// from lists, and `None` elsewhere.
#[pyfunction]
pub(crate) fn replace<'py>(
    value: Bound<'py, PyAny>,
    by: &Bound<'py, PyAny>,
    kinds: &Bound<'py, PyAny>,
    skipped: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    Path::default().replace(value, &mut |object| {
        if !kinds.contains(object.get_type())? {
            return Ok(Replacement::None);
        }
        let new = by.call1((object,))?;
        Ok(if new.is(skipped) {
            Replacement::Nothing
        } else {
            Replacement::By(new)
        })
    })
}
