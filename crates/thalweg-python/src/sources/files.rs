//! Files of records, read and written.

use std::path::PathBuf;
use std::sync::Arc;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyTuple};
use thalweg::{BoxError, Element};
use thalweg_io::files::{CsvRow, CsvRows, FileSink, Format, LengthPrefixed, RecordFile, Records};
use thalweg_io::{FileError, Files};

use super::bridge::{RustSource, Sourced};
use super::error::to_exception;
use super::tcp::{add_bytes, prefix_width};
use crate::blueprint::Blueprint;
use crate::gil;
use crate::node::Placement;
use crate::ops::sink::sink_made;
use crate::sql::Position;
use crate::value::Value;

/// Conversion of elements to bytes.
enum Encode {
    /// Text or bytes, as lines.
    Lines,
    /// Text or bytes, length-prefixed.
    Prefixed(LengthPrefixed),
    /// Text from a function, as lines.
    Json(Py<PyAny>),
    /// Dicts, or sequences, as CSV records.
    Csv(CsvRows, Vec<String>),
    /// An object with `begin`, `add`, `end` and `rows`.
    Object(Py<PyAny>),
}

/// The format of files that a pipeline in Python writes.
#[pyclass(frozen, module = "thalweg._thalweg.sources")]
pub(super) struct FileFormat {
    kind: &'static str,
    encode: Encode,
}

#[pymethods]
impl FileFormat {
    /// Lines of text or bytes.
    #[staticmethod]
    fn lines() -> Self {
        Self {
            kind: "to_files",
            encode: Encode::Lines,
        }
    }

    /// Text or bytes, each length-prefixed.
    #[staticmethod]
    fn length_prefixed(width: usize) -> PyResult<Self> {
        let format = LengthPrefixed::new(prefix_width(width)?);
        Ok(Self {
            kind: "to_files",
            encode: Encode::Prefixed(format),
        })
    }

    /// Lines of JSON, created by `dumps`.
    #[staticmethod]
    fn jsonl(dumps: Py<PyAny>) -> Self {
        Self {
            kind: "to_jsonl",
            encode: Encode::Json(dumps),
        }
    }

    /// CSV records; `columns` are those of elements that are not dicts.
    #[staticmethod]
    fn csv(delimiter: &str, columns: Vec<String>) -> PyResult<Self> {
        Ok(Self {
            kind: "to_csv",
            encode: Encode::Csv(CsvRows::new(one_byte(delimiter)?), columns),
        })
    }

    /// Bytes from an object: `begin()`, `add(x)` and `end()` return bytes, `rows(x)` a number.
    #[staticmethod]
    fn object(kind: &str, object: Py<PyAny>) -> PyResult<Self> {
        match kind {
            "to_parquet" => Ok(Self {
                kind: "to_parquet",
                encode: Encode::Object(object),
            }),
            other => Err(PyValueError::new_err(format!("{other:?} is not a format"))),
        }
    }
}

impl Encode {
    fn clone_ref(&self, py: Python<'_>) -> Self {
        match self {
            Self::Lines => Self::Lines,
            Self::Prefixed(format) => Self::Prefixed(*format),
            Self::Json(dumps) => Self::Json(dumps.clone_ref(py)),
            Self::Csv(rows, columns) => Self::Csv(rows.clone(), columns.clone()),
            Self::Object(object) => Self::Object(object.clone_ref(py)),
        }
    }
}

impl Format<Value> for Encode {
    fn begin(&mut self, out: &mut Vec<u8>) -> Result<(), BoxError> {
        match self {
            Self::Csv(rows, _) => rows.begin(out),
            Self::Object(object) => Ok(gil::attach(|py| {
                let bytes = object.bind(py).call_method0("begin")?;
                add_bytes(&bytes, out)
            })?),
            Self::Lines | Self::Prefixed(_) | Self::Json(_) => Ok(()),
        }
    }

    fn add(&mut self, x: &Value, out: &mut Vec<u8>) -> Result<(), BoxError> {
        match self {
            Self::Lines => gil::attach(|py| add_bytes(x.bind(py), out))?,
            Self::Prefixed(format) => {
                let mut message = Vec::new();
                gil::attach(|py| add_bytes(x.bind(py), &mut message))?;
                return format.add(&message, out);
            }
            Self::Json(dumps) => gil::attach(|py| {
                let text = dumps.bind(py).call1((x.bind(py),))?;
                add_bytes(&text, out)
            })?,
            Self::Csv(rows, columns) => {
                let row = gil::attach(|py| row_of(x.bind(py), columns))?;
                return rows.add(&row, out);
            }
            Self::Object(object) => {
                return Ok(gil::attach(|py| {
                    let bytes = object.bind(py).call_method1("add", (x.bind(py),))?;
                    add_bytes(&bytes, out)
                })?);
            }
        }
        out.push(b'\n');
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), BoxError> {
        match self {
            Self::Object(object) => Ok(gil::attach(|py| {
                let bytes = object.bind(py).call_method0("end")?;
                add_bytes(&bytes, out)
            })?),
            _ => Ok(()),
        }
    }

    fn rows(&self, x: &Value) -> u64 {
        match self {
            Self::Object(object) => gil::attach(|py| {
                let rows = object.bind(py).call_method1("rows", (x.bind(py),));
                rows.and_then(|rows| rows.extract()).unwrap_or(1)
            }),
            _ => 1,
        }
    }
}

/// Converts a dict or a sequence to a row.
fn row_of(x: &Bound<'_, PyAny>, columns: &[String]) -> PyResult<CsvRow> {
    let text = |value: &Bound<'_, PyAny>| -> PyResult<String> {
        match value.is_none() {
            true => Ok(String::new()),
            false => Ok(value.str()?.to_cow()?.into_owned()),
        }
    };
    if let Ok(dict) = x.cast::<PyDict>() {
        let keys: Vec<String> = dict
            .keys()
            .iter()
            .map(|key| text(&key))
            .collect::<PyResult<_>>()?;
        let values = dict.values().iter().map(|value| text(&value));
        return Ok(CsvRow::new(keys.into(), values.collect::<PyResult<_>>()?));
    }
    if !x.is_instance_of::<PyTuple>() && !x.is_instance_of::<PyList>() {
        let kind = x.get_type().name()?;
        return Err(PyTypeError::new_err(format!(
            "a {kind} is not a record: make it a dict, a tuple or a list"
        )));
    }
    let values = x.try_iter()?.map(|value| text(&value?));
    let values: Vec<String> = values.collect::<PyResult<_>>()?;
    if !columns.is_empty() && columns.len() != values.len() {
        let (len, wanted) = (values.len(), columns.len());
        return Err(PyValueError::new_err(format!(
            "{len} values for {wanted} columns"
        )));
    }
    Ok(CsvRow::new(Arc::from(columns), values))
}

/// Output files of a pipeline, with positions beside them.
#[pyclass(frozen, module = "thalweg._thalweg.sources")]
pub(super) struct FileNames(Files);

#[pymethods]
impl FileNames {
    /// # Errors
    /// The name is invalid.
    #[new]
    fn new(path: PathBuf) -> PyResult<Self> {
        let files = Files::new(path);
        let checked = files.check();
        checked.map_err(|error| PyValueError::new_err(error.to_string()))?;
        Ok(Self(files))
    }

    /// The position with this name.
    ///
    /// # Errors
    /// The name of the files has no number, or the stored text is not a position.
    fn position(&self, py: Python<'_>, name: &str) -> PyResult<Position> {
        let kept = gil::detach(py, || self.0.position(name));
        kept.map(Position).map_err(|error| match error {
            FileError::Invalid { .. } => PyValueError::new_err(error.to_string()),
            error => to_exception(py, &error),
        })
    }
}

/// `to_files` and similar: the end of a stream in files.
///
/// # Errors
/// A limit is invalid, or needs a name with a number.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "they are Python's")]
pub(super) fn to_files(
    py: Python<'_>,
    placement: Placement<'_>,
    names: &FileNames,
    format: &FileFormat,
    max_rows: Option<u64>,
    max_bytes: Option<u64>,
    max_age: Option<f64>,
    sync: bool,
) -> PyResult<()> {
    let mut files = names.0.clone().sync(sync);
    if let Some(rows) = max_rows {
        files = files.max_rows(rows);
    }
    if let Some(bytes) = max_bytes {
        files = files.max_bytes(bytes);
    }
    if let Some(age) = max_age {
        files = files.max_age(age);
    }
    let kind = format.kind;
    let sink = FileSink::new(files, format.encode.clone_ref(py));
    let sink = sink.map_err(|error| PyValueError::new_err(format!("{kind}: {error}")))?;
    let blueprint = Blueprint::new(move |context| {
        let ends = context.upstream.apply(sink);
        sink_made(&context.upstream, Box::new(ends))
    });
    placement.apply(blueprint.sink().on_loop())
}

/// `from_jsonl`: the values of lines of JSON, created by `loads` from text.
#[pyfunction]
#[pyo3(signature = (path, loads, max_len, position=None))]
pub(super) fn json_lines(
    path: PathBuf,
    loads: Py<PyAny>,
    max_len: usize,
    position: Option<PyRef<'_, Position>>,
) -> RustSource {
    let records = Records::json_texts().max_len(max_len);
    let file = placed(RecordFile::new(path, records), position);
    RustSource::new(file, move |py, text: String| {
        Ok(Some(Value::from(loads.bind(py).call1((text,))?)))
    })
}

/// `from_csv`: the records of a file, as dicts.
///
/// # Errors
/// The delimiter is not a single byte.
#[pyfunction]
#[pyo3(signature = (path, delimiter, max_len, position=None))]
pub(super) fn csv_records(
    path: PathBuf,
    delimiter: &str,
    max_len: usize,
    position: Option<PyRef<'_, Position>>,
) -> PyResult<RustSource> {
    let records = Records::csv_rows_with(one_byte(delimiter)?).max_len(max_len);
    let file = placed(RecordFile::new(path, records), position);
    Ok(RustSource::new(file, |py, row: CsvRow| {
        let dict = PyDict::new(py);
        for (column, value) in row.iter() {
            dict.set_item(PyString::intern(py, column), value)?;
        }
        Ok(Some(Value::from(dict.into_any())))
    }))
}

/// `from_length_prefixed`: the messages of a file, as bytes.
///
/// # Errors
/// The width is not supported.
#[pyfunction]
#[pyo3(signature = (path, width, max_len, position=None))]
pub(super) fn messages(
    path: PathBuf,
    width: usize,
    max_len: usize,
    position: Option<PyRef<'_, Position>>,
) -> PyResult<RustSource> {
    let records = Records::length_prefixed(prefix_width(width)?).max_len(max_len);
    let file = placed(RecordFile::new(path, records), position);
    Ok(RustSource::new(file, |py, message: Vec<u8>| {
        Ok(Some(Value::from(PyBytes::new(py, &message).into_any())))
    }))
}

fn placed<T>(file: RecordFile<T>, position: Option<PyRef<'_, Position>>) -> RecordFile<T> {
    match position {
        Some(position) => file.position(&position.0),
        None => file,
    }
}

pub(super) fn one_byte(delimiter: &str) -> PyResult<u8> {
    match delimiter.as_bytes() {
        [byte] if !matches!(byte, b'"' | b'\r' | b'\n') => Ok(*byte),
        _ => Err(PyValueError::new_err(format!(
            "`delimiter` is one character of ASCII, a comma say, not {delimiter:?}"
        ))),
    }
}

impl<T: Element> Sourced for RecordFile<T> {}
