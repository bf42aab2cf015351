//! MongoDB: `from_mongodb` and `to_mongodb`.

mod documents;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use thalweg::BoxError;
use thalweg_io::mongodb::{MongoDbSink, MongoDbSource};
use thalweg_io::{MongoDb, MongoDbChange, MongoDbError, MongoDbOperation};

use self::documents::{Types, to_bson, to_document, to_object};
use super::bridge::{RustSource, Sourced};
use crate::blueprint::Blueprint;
use crate::gil;
use crate::interval::seconds;
use crate::node::Placement;
use crate::ops::sink::sink_made;
use crate::sql::Position;
use crate::value::Value;

/// A collection of a server.
#[pyclass(frozen, module = "thalweg._thalweg.sources")]
pub(super) struct MongoDbCollection(MongoDb);

#[pymethods]
impl MongoDbCollection {
    #[new]
    fn new(
        uri: &str,
        database: &str,
        collection: &str,
        key: Vec<String>,
        ordered: bool,
        retries: u32,
        wait: f64,
    ) -> PyResult<Self> {
        let mut mongo = MongoDb::new(uri, database, collection)
            .key_of(key)
            .retries(retries)
            .wait(seconds(wait)?);
        if !ordered {
            mongo = mongo.unordered();
        }
        mongo.check().map_err(|error| invalid(&error))?;
        Ok(Self(mongo))
    }

    /// A source of results of `make` from the operation, the id and the document of a change; without `make`, of the
    /// documents. `types` are those of values that JSON does not have.
    fn changes(
        &self,
        types: Types,
        cursor: Option<&str>,
        after: &Bound<'_, PyAny>,
        poll: Option<f64>,
        position: Option<PyRef<'_, Position>>,
        make: Option<Py<PyAny>>,
    ) -> PyResult<RustSource> {
        let mut mongo = self.0.clone();
        if let Some(field) = cursor {
            mongo = mongo.cursor(field);
        }
        if !after.is_none() {
            mongo = mongo.after(to_bson(after)?);
        }
        if let Some(poll) = poll {
            mongo = mongo.poll(seconds(poll)?);
        }
        if let Some(position) = position {
            mongo = mongo.position(&position.0);
        }
        mongo.check().map_err(|error| invalid(&error))?;
        let source = MongoDbSource::from(mongo);
        Ok(RustSource::new(source, move |py, change: MongoDbChange| {
            let document = change.document.as_ref();
            let document = document.map(|document| types.to_dict(py, document));
            let document = document.transpose()?;
            match &make {
                Some(make) => {
                    let id = to_object(py, &types, &change.id)?;
                    let made = make
                        .bind(py)
                        .call1((name_of(change.operation), id, document))?;
                    Ok(Some(Value::from(made)))
                }
                None => Ok(document.map(|document| Value::from(document.into_any()))),
            }
        }))
    }

    /// The end of a stream of dicts, dataclasses and named tuples.
    fn sink(&self, placement: Placement<'_>, max_batch: usize) -> PyResult<()> {
        let sink = MongoDbSink::batches(self.0.clone(), |x: &Value| {
            gil::held(|py| to_document(x.bind(py))).map_err(BoxError::from)
        });
        let sink = sink.map_err(|error| invalid(&error))?.max_len(max_batch);
        let blueprint = Blueprint::new(move |context| {
            let ends = context.upstream.apply(sink);
            sink_made(&context.upstream, Box::new(ends))
        });
        placement.apply(blueprint.sink().on_loop())
    }
}

fn name_of(operation: MongoDbOperation) -> &'static str {
    match operation {
        MongoDbOperation::Insert => "insert",
        MongoDbOperation::Update => "update",
        MongoDbOperation::Replace => "replace",
        MongoDbOperation::Delete => "delete",
        _ => "read",
    }
}

fn invalid(error: &MongoDbError) -> PyErr {
    PyValueError::new_err(error.to_string())
}

impl Sourced for MongoDbSource {}
