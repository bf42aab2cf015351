//! Access to a generator's frame.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// The variables of a generator, running or not.
pub(super) struct Variables<'py>(Bound<'py, PyAny>);

impl<'py> Variables<'py> {
    /// # Errors
    /// The generator has ended.
    pub(super) fn of(generator: &Bound<'py, PyAny>) -> PyResult<Self> {
        let py = generator.py();
        let frame = generator.getattr(intern!(py, "gi_frame"))?;
        frame.getattr(intern!(py, "f_locals")).map(Self)
    }

    pub(super) fn get(&self, name: &str) -> Option<Bound<'py, PyAny>> {
        self.0.get_item(name).ok()
    }
}

/// Before Python 3.13 the frame keeps the dict, which would keep elements alive longer than the generator does.
impl Drop for Variables<'_> {
    fn drop(&mut self) {
        if let Ok(kept) = self.0.cast::<PyDict>() {
            kept.clear();
        }
    }
}

/// The line that a generator is at.
pub(super) fn line(generator: &Bound<'_, PyAny>) -> Option<usize> {
    let py = generator.py();
    let frame = generator.getattr(intern!(py, "gi_frame")).ok()?;
    let line = frame.getattr(intern!(py, "f_lineno")).ok()?;
    line.extract().ok()
}

/// The line at which a generator raised an exception, and the traceback without the generator. There is no line if a
/// signal arrived between two lines.
pub(super) fn split_traceback<'py>(
    error: &Bound<'py, PyAny>,
) -> PyResult<(Option<usize>, Bound<'py, PyAny>)> {
    let py = error.py();
    let traceback = error.getattr(intern!(py, "__traceback__"))?;
    let line = traceback.getattr(intern!(py, "tb_lineno"))?.extract()?;
    Ok((line, traceback.getattr(intern!(py, "tb_next"))?))
}

/// Number of elements left in the iterator of a batch.
pub(super) fn remaining(iterator: &Bound<'_, PyAny>) -> usize {
    let py = iterator.py();
    let hint = iterator.call_method0(intern!(py, "__length_hint__"));
    hint.and_then(|hint| hint.extract()).unwrap_or(0)
}
