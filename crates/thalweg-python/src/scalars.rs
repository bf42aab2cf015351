//! Single values of numpy and pandas, as those that Python itself has.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyInt, PyList, PyType};

/// Python's own value for one of numpy, and None for a missing one of pandas or numpy; nothing for any other, or if Python
/// has none. A `datetime64` outside a `datetime`'s years, or finer than its microseconds, is text.
pub(crate) fn plain<'py>(x: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
    let py = x.py();
    let class = x.get_type();
    if is_missing(&class)? {
        return Ok(Some(py.None().into_bound(py)));
    }
    if x.is_instance_of::<PyList>() {
        return Ok(None);
    }
    let Some(item) = x.getattr_opt(intern!(py, "item"))? else {
        return Ok(None);
    };
    let item = item.call0()?;
    // That of a long double, say, is itself.
    if item.get_type().is(&class) {
        return Ok(None);
    }
    match class.name()?.to_str()? {
        // Of a unit, or a time, that Python's own type does not have.
        "datetime64" if item.is_instance_of::<PyInt>() => time(x).map(Some),
        "timedelta64" if item.is_instance_of::<PyInt>() => Ok(None),
        _ => Ok(Some(item)),
    }
}

/// A `datetime` for a `datetime64`, or text.
fn time<'py>(x: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let microseconds = x.call_method1("astype", ("datetime64[us]",))?;
    let time = microseconds.call_method0("item")?;
    let has_time = time.hasattr(intern!(x.py(), "isoformat"))? && microseconds.eq(x)?;
    match has_time {
        true => Ok(time),
        false => x.str().map(Bound::into_any),
    }
}

/// Whether `class` is that of pandas' `NaT` or `NA`.
fn is_missing(class: &Bound<'_, PyType>) -> PyResult<bool> {
    let is_named = matches!(class.name()?.to_str()?, "NaTType" | "NAType");
    Ok(is_named && class.module()?.to_str()?.starts_with("pandas."))
}
