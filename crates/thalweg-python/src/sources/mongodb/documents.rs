//! Conversion between Python objects and documents.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyByteArray, PyBytes, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple,
};
use pyo3::{IntoPyObjectExt, intern};
use thalweg_io::mongodb::{
    Binary, BinarySubtype, Bson, DateTime, Decimal128, Document, ObjectId, to_json,
};

use crate::scalars;
use crate::sql::fields;

/// Maximum nesting of documents, as in servers.
const MAX_DEPTH: usize = 100;

/// Python types of values that JSON does not have: ids, times in milliseconds since 1970, decimals, UUIDs, and extended
/// JSON for the rest.
#[derive(FromPyObject)]
pub(super) struct Types {
    #[pyo3(attribute("ObjectId"))]
    object_id: Py<PyAny>,
    to_datetime: Py<PyAny>,
    #[pyo3(attribute("Decimal"))]
    decimal: Py<PyAny>,
    #[pyo3(attribute("UUID"))]
    uuid: Py<PyAny>,
    from_json: Py<PyAny>,
}

/// Converts a dict, a dataclass or a named tuple to a document.
pub(super) fn to_document(x: &Bound<'_, PyAny>) -> PyResult<Document> {
    if let Ok(dict) = x.cast::<PyDict>() {
        return of_dict(dict, 0);
    }
    let Some(names) = fields(x)? else {
        let kind = x.get_type().name()?;
        return Err(PyTypeError::new_err(format!(
            "no document can be made of a {kind}: give a dict, a dataclass or a named tuple"
        )));
    };
    let mut document = Document::new();
    for name in names {
        let value = value_of(&name, &x.getattr(name.as_str())?, 1)?;
        document.insert(name, value);
    }
    Ok(document)
}

/// Converts a value for a document.
pub(super) fn to_bson(x: &Bound<'_, PyAny>) -> PyResult<Bson> {
    value_of("", x, 0)
}

fn of_dict(dict: &Bound<'_, PyDict>, depth: usize) -> PyResult<Document> {
    if depth > MAX_DEPTH {
        let problem = format!("a document is nested more than {MAX_DEPTH} deep");
        return Err(PyValueError::new_err(problem));
    }
    let mut document = Document::new();
    for (key, value) in dict {
        let key = key.cast::<PyString>().map_err(|_| {
            PyTypeError::new_err(format!("the name of a field is text, not {key:?}"))
        })?;
        let key = key.to_str()?;
        document.insert(key, value_of(key, &value, depth + 1)?);
    }
    Ok(document)
}

fn value_of(name: &str, x: &Bound<'_, PyAny>, depth: usize) -> PyResult<Bson> {
    if x.is_none() {
        return Ok(Bson::Null);
    }
    if x.is_exact_instance_of::<PyString>() {
        return Ok(Bson::String(x.cast::<PyString>()?.to_str()?.to_string()));
    }
    if let Ok(x) = x.cast::<PyBool>() {
        return Ok(Bson::Boolean(x.is_true()));
    }
    if x.is_instance_of::<PyInt>() {
        let number: i64 = x.extract().map_err(|_| {
            PyValueError::new_err(format!("field `{name}`: {x} has more than 64 bits"))
        })?;
        return Ok(i32::try_from(number).map_or(Bson::Int64(number), Bson::Int32));
    }
    if let Ok(x) = x.cast::<PyFloat>() {
        return Ok(Bson::Double(x.value()));
    }
    if let Ok(dict) = x.cast::<PyDict>() {
        return of_dict(dict, depth).map(Bson::Document);
    }
    if x.is_instance_of::<PyList>() || x.is_instance_of::<PyTuple>() {
        if depth > MAX_DEPTH {
            let problem = format!("field `{name}` is nested more than {MAX_DEPTH} deep");
            return Err(PyValueError::new_err(problem));
        }
        let values = x
            .try_iter()?
            .map(|value| value_of(name, &value?, depth + 1));
        return values.collect::<PyResult<Vec<Bson>>>().map(Bson::Array);
    }
    if let Ok(bytes) = x.cast::<PyBytes>() {
        return Ok(bytes_of(bytes.as_bytes().to_vec()));
    }
    if let Ok(bytes) = x.cast::<PyByteArray>() {
        return Ok(bytes_of(bytes.to_vec()));
    }
    other(name, x, depth)
}

fn bytes_of(bytes: Vec<u8>) -> Bson {
    Bson::Binary(Binary {
        subtype: BinarySubtype::Generic,
        bytes,
    })
}

/// Values of types recognized by name, including those of PyMongo.
fn other(name: &str, x: &Bound<'_, PyAny>, depth: usize) -> PyResult<Bson> {
    let py = x.py();
    let class = x.get_type();
    let kind = class.name()?;
    let wrong = |problem: &str| PyValueError::new_err(format!("field `{name}`: {x}: {problem}"));
    match kind.to_str()? {
        "ObjectId" => {
            let id = ObjectId::parse_str(x.str()?.to_str()?);
            return id.map(Bson::ObjectId).map_err(|_| wrong("no id"));
        }
        "UUID" => {
            return Ok(Bson::Binary(Binary {
                subtype: BinarySubtype::Uuid,
                bytes: x.getattr(intern!(py, "bytes"))?.extract()?,
            }));
        }
        "Decimal" => {
            let decimal = x.str()?.to_str()?.parse::<Decimal128>();
            let decimal = decimal.map_err(|_| wrong("it has more than 34 digits"));
            return decimal.map(Bson::Decimal128);
        }
        _ => {}
    }
    if let Ok(text) = x.cast::<PyString>() {
        return Ok(Bson::String(text.to_str()?.to_string()));
    }
    if let Some(plain) = scalars::plain(x)? {
        if kind == "datetime64" && !plain.is_none() {
            let milliseconds = x.call_method1("astype", ("datetime64[ms]",))?;
            let milliseconds = milliseconds.call_method1("astype", ("int64",))?;
            return Ok(Bson::DateTime(DateTime::from_millis(
                milliseconds.extract()?,
            )));
        }
        return value_of(name, &plain, depth + 1);
    }
    if let Some(to_timestamp) = x.getattr_opt(intern!(py, "timestamp"))? {
        // A time without a zone is UTC, as in PyMongo.
        let is_naive = x.getattr(intern!(py, "tzinfo"))?.is_none();
        let seconds: f64 = match is_naive {
            true => {
                let utc = py.import("datetime")?.getattr("timezone")?.getattr("utc")?;
                let kwargs = PyDict::new(py);
                kwargs.set_item("tzinfo", utc)?;
                let at = x.call_method("replace", (), Some(&kwargs))?;
                at.call_method0("timestamp")?.extract()?
            }
            false => to_timestamp.call0()?.extract()?,
        };
        let micros = (seconds * 1e6).round() as i64;
        return Ok(Bson::DateTime(DateTime::from_millis(
            micros.div_euclid(1000),
        )));
    }
    Err(PyTypeError::new_err(format!(
        "field `{name}`: a {kind} cannot be stored; make it a dict, a list, a number, text, bytes or a time"
    )))
}

impl Types {
    /// Converts a document to a dict.
    pub(super) fn to_dict<'py>(
        &self,
        py: Python<'py>,
        document: &Document,
    ) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        for (name, value) in document {
            dict.set_item(PyString::intern(py, name), to_object(py, self, value)?)?;
        }
        Ok(dict)
    }
}

/// Converts a value of a document. Documents of servers are nested no deeper than [`MAX_DEPTH`].
pub(super) fn to_object<'py>(
    py: Python<'py>,
    types: &Types,
    value: &Bson,
) -> PyResult<Bound<'py, PyAny>> {
    match value {
        Bson::Null | Bson::Undefined => Ok(py.None().into_bound(py)),
        Bson::Boolean(x) => x.into_bound_py_any(py),
        Bson::Int32(x) => x.into_bound_py_any(py),
        Bson::Int64(x) => x.into_bound_py_any(py),
        Bson::Double(x) => x.into_bound_py_any(py),
        Bson::String(text) | Bson::Symbol(text) => text.into_bound_py_any(py),
        Bson::Document(document) => Ok(types.to_dict(py, document)?.into_any()),
        Bson::Array(values) => {
            let values = values.iter().map(|value| to_object(py, types, value));
            let values = values.collect::<PyResult<Vec<_>>>()?;
            Ok(PyList::new(py, values)?.into_any())
        }
        Bson::ObjectId(id) => types.object_id.bind(py).call1((id.to_hex(),)),
        Bson::DateTime(at) => types.to_datetime.bind(py).call1((at.timestamp_millis(),)),
        Bson::Decimal128(x) => types.decimal.bind(py).call1((x.to_string(),)),
        Bson::Binary(binary) => {
            let bytes = PyBytes::new(py, &binary.bytes);
            match binary.subtype {
                BinarySubtype::Uuid => {
                    let kwargs = PyDict::new(py);
                    kwargs.set_item("bytes", bytes)?;
                    types.uuid.bind(py).call((), Some(&kwargs))
                }
                _ => Ok(bytes.into_any()),
            }
        }
        other => {
            let json = to_json(other);
            types.from_json.bind(py).call1((json,))
        }
    }
}
