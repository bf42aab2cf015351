//! The arguments of many calls of one function.

use pyo3::prelude::*;
use pyo3::types::{PyIterator, PyTuple};

/// The arguments of the calls that `map` makes.
pub(super) enum Rows<'py> {
    Of(Bound<'py, PyIterator>),
    Zipped(Bound<'py, PyIterator>),
}

impl<'py> Rows<'py> {
    pub(super) fn of(iterables: &Bound<'py, PyTuple>) -> PyResult<Self> {
        if iterables.len() == 1 {
            return Ok(Self::Of(iterables.get_item(0)?.try_iter()?));
        }
        let zip = iterables.py().import("builtins")?.getattr("zip")?;
        Ok(Self::Zipped(zip.call1(iterables)?.try_iter()?))
    }

    pub(super) fn next(&self) -> PyResult<Option<Bound<'py, PyTuple>>> {
        match self {
            Self::Of(elements) => match elements.clone().next() {
                None => Ok(None),
                Some(element) => {
                    let element = element?;
                    PyTuple::new(element.py(), [element]).map(Some)
                }
            },
            Self::Zipped(rows) => match rows.clone().next() {
                None => Ok(None),
                Some(row) => Ok(Some(row?.cast_into()?)),
            },
        }
    }
}
