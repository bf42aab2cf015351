use std::path::PathBuf;

use pyo3::prelude::*;
use pyo3::types::PyString;
use thalweg_io::Filenames;

use super::bridge::{RustSource, Sourced};
use crate::value::Value;

/// `filenames`: the names of existing and new files that match a pattern.
#[pyfunction]
pub(super) fn file_names(pattern: PathBuf, poll_interval: f64) -> PyResult<RustSource> {
    let poll_interval = crate::interval::seconds(poll_interval)?;
    let names = Filenames::new(pattern).poll_interval(poll_interval);
    Ok(RustSource::new(names, |py, path: PathBuf| {
        let name = path.into_os_string().into_pyobject(py)?;
        Ok(Some(Value::from(name.cast_into::<PyString>()?.into_any())))
    }))
}

impl Sourced for Filenames {}
