//! Databases: rows of Python's objects, and objects of rows.

use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyByteArray, PyBytes, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple, PyType,
};
use pyo3::{IntoPyObjectExt, intern};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;
use thalweg_io::sql::{SqlSink, SqlSource};
use thalweg_io::{Query, SqlError, SqlRow, SqlValue, Table};

use crate::blueprint::Blueprint;
use crate::lock::lock;
use crate::node::Placement;
use crate::ops::sink::sink_made;
use crate::sources::bridge::{RustSource, Sourced};
use crate::value::Value;
use crate::{failure, gil, interval, scalars};

/// Adds what is about databases to its module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Database>()?;
    module.add_class::<Position>()?;
    module.add_function(wrap_pyfunction!(to_sql, module)?)?;
    module.add_function(wrap_pyfunction!(from_sql, module)?)
}

/// How soon Ctrl-C ends the wait for a server.
const SIGNALS: Duration = Duration::from_millis(100);

/// Opens a database on another thread, which is left alone if a signal handler raises meanwhile.
fn open(py: Python<'_>, url: String) -> PyResult<Result<thalweg_io::Database, SqlError>> {
    let (sender, mut opened) = channel();
    let thread = thread::Builder::new().name("thalweg-open".into());
    thread.spawn(move || sender.send(thalweg_io::Database::open(&url)))?;
    loop {
        let received;
        (received, opened) = gil::detach(py, move || (opened.recv_timeout(SIGNALS), opened));
        match received {
            Ok(database) => return Ok(database),
            Err(RecvTimeoutError::Timeout) => py.check_signals()?,
            Err(RecvTimeoutError::Disconnected) => {
                return Err(PyRuntimeError::new_err(
                    "the thread that opens the database has died",
                ));
            }
        }
    }
}

/// An open database.
#[pyclass(frozen, module = "thalweg._thalweg.sql")]
pub(crate) struct Database(pub(crate) thalweg_io::Database);

/// A source's position.
#[pyclass(frozen, module = "thalweg._thalweg.sql")]
pub(crate) struct Position(pub(crate) thalweg_io::Position);

#[pymethods]
impl Database {
    #[new]
    fn new(py: Python<'_>, url: &str) -> PyResult<Self> {
        let opened = open(py, url.to_string())?;
        opened.map(Self).map_err(|error| to_exception(py, &error))
    }

    fn position(&self, py: Python<'_>, name: &str) -> PyResult<Position> {
        let kept = gil::detach(py, || self.0.position(name));
        kept.map(Position).map_err(|error| to_exception(py, &error))
    }

    #[getter]
    fn url(&self) -> &str {
        self.0.shown()
    }
}

#[pymethods]
impl Position {
    #[getter]
    fn name(&self) -> &str {
        self.0.name()
    }

    #[getter]
    fn value(&self) -> Option<String> {
        self.0.value()
    }

    #[getter]
    fn in_flight(&self) -> usize {
        self.0.in_flight()
    }

    #[getter]
    fn oldest(&self) -> Option<(String, f64)> {
        let (value, at) = self.0.oldest()?;
        Some((value, at.as_secs_f64()))
    }
}

fn to_exception(py: Python<'_>, error: &SqlError) -> PyErr {
    match error {
        SqlError::Url { .. } => PyValueError::new_err(error.to_string()),
        _ => failure::pipeline_error(py, error.to_string()),
    }
}

/// `to_sql`: the end of a stream in a table.
#[pyfunction]
pub(crate) fn to_sql(
    placement: Placement<'_>,
    database: &Database,
    table: &str,
    columns: Option<Vec<String>>,
    key: Vec<String>,
    create: bool,
    max_len: usize,
) -> PyResult<()> {
    let mut rows = Rows {
        columns: columns.map(Into::into),
        ..Rows::default()
    };
    let mut table = Table::of_rows(table, move |x: &Value, made: &mut Vec<SqlRow>| {
        gil::held(|py| rows.add(x.bind(py), made)).map_err(Into::into)
    });
    table = table.key_of(key);
    if create {
        table = table.create();
    }
    let database = database.0.clone();
    let blueprint = Blueprint::new(move |context| {
        let sink = SqlSink::batches(&database, table).max_len(max_len);
        let ends = context.upstream.apply(sink);
        sink_made(&context.upstream, Box::new(ends))
    });
    placement.apply(blueprint.sink().on_loop())
}

/// Makes rows of Python's objects.
#[derive(Default)]
struct Rows {
    /// For plain tuples.
    columns: Option<Arc<[String]>>,
    /// Those of the last row.
    last: Option<Keys>,
    /// Fields of the last type that has any.
    fields: Option<(Py<PyType>, Keys)>,
}

/// Names of columns, for Python and for the database.
struct Keys {
    keys: Vec<Py<PyString>>,
    names: Arc<[String]>,
}

impl Rows {
    fn add(&mut self, x: &Bound<'_, PyAny>, made: &mut Vec<SqlRow>) -> PyResult<()> {
        let py = x.py();
        // First what needs no search for attributes: that of one that is not there costs as much as several rows.
        if let Ok(dict) = x.cast::<PyDict>() {
            made.push(self.of_dict(dict)?);
        } else if let (Ok(tuple), Some(columns)) = (x.cast_exact::<PyTuple>(), &self.columns) {
            made.push(of_tuple(tuple, columns)?);
        } else if let Some((class, fields)) = &self.fields
            && x.get_type().is(class)
        {
            made.push(fields.row(py, |key| x.getattr(key))?);
        } else if let Some(names) = fields(x)? {
            let keys = Keys::new(py, names);
            made.push(keys.row(py, |key| x.getattr(key))?);
            self.fields = Some((x.get_type().unbind(), keys));
        } else if let (Ok(tuple), Some(columns)) = (x.cast::<PyTuple>(), &self.columns) {
            made.push(of_tuple(tuple, columns)?);
        } else if let Some(rows) = rows_of_frame(x)? {
            for row in rows.cast::<PyList>()?.iter() {
                made.push(self.of_dict(row.cast::<PyDict>()?)?);
            }
        } else {
            let kind = x.get_type().name()?;
            return Err(PyTypeError::new_err(format!(
                "no row can be made of a {kind}: give a dict, a dataclass, a named tuple, a data frame, or a tuple and `columns`"
            )));
        }
        Ok(())
    }

    fn of_dict(&mut self, dict: &Bound<'_, PyDict>) -> PyResult<SqlRow> {
        let py = dict.py();
        if let Some(last) = &self.last
            && last.keys.len() == dict.len()
        {
            let mut values = Vec::with_capacity(dict.len());
            let mut is_same = true;
            for ((key, value), (known, name)) in
                dict.iter().zip(last.keys.iter().zip(last.names.iter()))
            {
                is_same = key.is(known) || key.eq(known)?;
                if !is_same {
                    break;
                }
                values.push(to_value(name, &value)?);
            }
            if is_same {
                return Ok(SqlRow::of(last.names.clone(), values));
            }
        }
        let mut names = Vec::with_capacity(dict.len());
        for key in dict.keys() {
            let name = key.cast::<PyString>().map_err(|_| {
                PyTypeError::new_err(format!("a column's name is text, not {key:?}"))
            })?;
            names.push(name.to_str()?.to_string());
        }
        let keys = Keys::new(py, names);
        let row = keys.row(py, |key| {
            Ok(dict.get_item(key)?.into_pyobject(py)?.into_any())
        });
        self.last = Some(keys);
        row
    }
}

/// The rows of a frame of pandas, Polars or Arrow, as dicts.
fn rows_of_frame<'py>(x: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
    let py = x.py();
    if x.hasattr(intern!(py, "iterrows"))? {
        let kwargs = PyDict::new(py);
        kwargs.set_item("orient", "records")?;
        return x.call_method("to_dict", (), Some(&kwargs)).map(Some);
    }
    // That of an array of Arrow lists values.
    let has_columns = x.hasattr(intern!(py, "columns"))?;
    for to_rows in [intern!(py, "to_dicts"), intern!(py, "to_pylist")] {
        if has_columns && let Some(to_rows) = x.getattr_opt(to_rows)? {
            return to_rows.call0().map(Some);
        }
    }
    Ok(None)
}

fn of_tuple(tuple: &Bound<'_, PyTuple>, columns: &Arc<[String]>) -> PyResult<SqlRow> {
    if tuple.len() != columns.len() {
        let (has, wanted) = (tuple.len(), columns.len());
        let problem = format!("a tuple of {has} values for {wanted} columns");
        return Err(PyValueError::new_err(problem));
    }
    let each = columns.iter().zip(tuple.iter());
    let values = each.map(|(name, value)| to_value(name, &value));
    Ok(SqlRow::of(
        columns.clone(),
        values.collect::<PyResult<_>>()?,
    ))
}

impl Keys {
    fn new(py: Python<'_>, names: Vec<String>) -> Self {
        let keys = names.iter().map(|name| PyString::intern(py, name).unbind());
        Self {
            keys: keys.collect(),
            names: names.into(),
        }
    }

    fn row<'py>(
        &self,
        py: Python<'py>,
        get: impl Fn(&Bound<'py, PyString>) -> PyResult<Bound<'py, PyAny>>,
    ) -> PyResult<SqlRow> {
        let each = self.keys.iter().zip(self.names.iter());
        let values = each.map(|(key, name)| to_value(name, &get(key.bind(py))?));
        let values = values.collect::<PyResult<_>>()?;
        Ok(SqlRow::of(self.names.clone(), values))
    }
}

/// Fields of a dataclass or a named tuple.
pub(crate) fn fields(x: &Bound<'_, PyAny>) -> PyResult<Option<Vec<String>>> {
    let (py, class) = (x.py(), x.get_type());
    if let Some(fields) = class.getattr_opt(intern!(py, "__dataclass_fields__"))? {
        return fields.cast::<PyDict>()?.keys().extract().map(Some);
    }
    match class.getattr_opt(intern!(py, "_fields"))? {
        Some(fields) if x.is_instance_of::<PyTuple>() => fields.extract().map(Some),
        _ => Ok(None),
    }
}

fn to_value(name: &str, x: &Bound<'_, PyAny>) -> PyResult<SqlValue> {
    let py = x.py();
    if let Ok(text) = x.cast::<PyString>() {
        return Ok(SqlValue::Text(text.to_str()?.to_string()));
    }
    if x.is_none() {
        return Ok(SqlValue::Null);
    }
    if let Ok(x) = x.cast::<PyBool>() {
        return Ok(SqlValue::from(x.is_true()));
    }
    if let Ok(number) = x.cast::<PyInt>() {
        return number.extract().map(SqlValue::Integer).map_err(|_| {
            let problem = format!("column `{name}`: {number} has more than 64 bits");
            PyValueError::new_err(problem)
        });
    }
    if let Ok(x) = x.cast::<PyFloat>() {
        return Ok(SqlValue::Real(x.value()));
    }
    if let Ok(bytes) = x.cast::<PyBytes>() {
        return Ok(SqlValue::Blob(bytes.as_bytes().to_vec()));
    }
    if let Ok(bytes) = x.cast::<PyByteArray>() {
        return Ok(SqlValue::Blob(bytes.to_vec()));
    }
    if let Some(plain) = scalars::plain(x)? {
        return to_value(name, &plain);
    }
    if let Some(iso) = x.getattr_opt(intern!(py, "isoformat"))?
        && let Ok(text) = iso.call0()?.cast::<PyString>()
    {
        return Ok(SqlValue::Text(text.to_str()?.to_string()));
    }
    let class = x.get_type();
    let kind = class.name()?;
    let is_exact_as_text = match kind.to_str()? {
        "Decimal" => class.module()? == "decimal",
        "UUID" => class.module()? == "uuid",
        _ => false,
    };
    if is_exact_as_text {
        return Ok(SqlValue::Text(x.str()?.to_str()?.to_string()));
    }
    Err(PyTypeError::new_err(format!(
        "column `{name}`: a {kind} cannot be stored; make it a number, text, bytes or a time, with `json.dumps` say"
    )))
}

/// `from_sql`: the rows of a query as dicts.
#[pyfunction]
pub(crate) fn from_sql(
    database: &Database,
    query: &str,
    cursor: &str,
    after: &Bound<'_, PyAny>,
    poll: Option<f64>,
    position: Option<PyRef<'_, Position>>,
) -> PyResult<RustSource> {
    let mut asked = Query::new(query, cursor);
    if !after.is_none() {
        asked = asked.after(to_value(cursor, after)?);
    }
    if let Some(poll) = poll {
        asked = asked.poll(interval::seconds(poll)?);
    }
    if let Some(position) = position {
        asked = asked.position(&position.0);
    }
    let keys: Mutex<Option<Keys>> = Mutex::default();
    let source = SqlSource::new(&database.0, asked);
    Ok(RustSource::new(source, move |py, row: SqlRow| {
        let dict = PyDict::new(py);
        let mut keys = lock(&keys);
        let columns = || row.iter().map(|(name, _)| name);
        let keys = match &mut *keys {
            Some(known) if known.names.iter().eq(columns()) => known,
            other => other.insert(Keys::new(py, columns().map(str::to_string).collect())),
        };
        for (key, (_, value)) in keys.keys.iter().zip(row.iter()) {
            dict.set_item(key, to_object(py, value)?)?;
        }
        Ok(Some(Value::from(dict.into_any())))
    }))
}

fn to_object<'py>(py: Python<'py>, value: &SqlValue) -> PyResult<Bound<'py, PyAny>> {
    match value {
        SqlValue::Null => Ok(py.None().into_bound(py)),
        SqlValue::Boolean(x) => x.into_bound_py_any(py),
        SqlValue::Integer(x) => x.into_bound_py_any(py),
        SqlValue::Real(x) => x.into_bound_py_any(py),
        SqlValue::Text(text) => text.into_bound_py_any(py),
        SqlValue::Blob(bytes) => Ok(PyBytes::new(py, bytes).into_any()),
    }
}

impl Sourced for SqlSource {}
