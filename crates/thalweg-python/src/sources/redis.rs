//! Redis: `from_redis_stream`, `from_redis_list`, `to_redis_stream` and `to_redis_list`.

use pollster::block_on;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};
use thalweg::BoxError;
use thalweg::ops::SinkBatches;
use thalweg_io::Redis;
use thalweg_io::redis::{
    RedisCloser, RedisEntry, RedisError, RedisListSource, RedisSink, RedisStreamSource,
};

use super::bridge::{RustSource, Sourced};
use super::tcp::{ClientFiles, add_bytes};
use crate::blueprint::Blueprint;
use crate::gil;
use crate::interval::seconds;
use crate::node::Placement;
use crate::ops::sink::sink_made;
use crate::value::Value;

/// A stream or a list of a server.
#[pyclass(frozen, module = "thalweg._thalweg.sources")]
pub(super) struct RedisKey(Redis);

/// Acknowledges the last elements, at the end of a drain.
#[pyclass(frozen, module = "thalweg._thalweg.sources")]
pub(super) struct RedisEnd(RedisCloser);

#[pymethods]
impl RedisKey {
    #[new]
    #[expect(clippy::too_many_arguments, reason = "they are Python's")]
    fn new(
        url: &str,
        key: &str,
        group: Option<&str>,
        consumer: &str,
        from_latest: bool,
        claim_after: f64,
        max_waiting: usize,
        max_len: Option<usize>,
        retries: u32,
        wait: f64,
        files: ClientFiles,
    ) -> PyResult<Self> {
        let mut redis = Redis::new(url, key)
            .consumer(consumer)
            .claim_after(seconds(claim_after)?)
            .max_waiting(max_waiting)
            .retries(retries)
            .wait(seconds(wait)?);
        if let Some(group) = group {
            redis = redis.group(group);
        }
        if from_latest {
            redis = redis.from_latest();
        }
        if let Some(max_len) = max_len {
            redis = redis.max_len(max_len);
        }
        let (authorities, identity) = files;
        if let Some(path) = authorities {
            redis = redis.authorities(path);
        }
        if let Some((certificate, key)) = identity {
            redis = redis.identity(certificate, key);
        }
        redis.check().map_err(|error| invalid(&error))?;
        Ok(Self(redis))
    }

    /// A source of what `make` makes of the id of an entry and a dict of its fields.
    fn entries(&self, make: Py<PyAny>) -> (RustSource, RedisEnd) {
        let source = RedisStreamSource::from(self.0.clone());
        let end = RedisEnd(source.closer());
        let source = RustSource::new(source, move |py, entry: RedisEntry| {
            let fields = PyDict::new(py);
            for (name, value) in &entry.fields {
                fields.set_item(PyString::intern(py, name), PyBytes::new(py, value))?;
            }
            let made = make.bind(py).call1((&entry.id, fields))?;
            Ok(Some(Value::from(made)))
        });
        (source, end)
    }

    /// A source of the elements of a list.
    fn values(&self) -> (RustSource, RedisEnd) {
        let source = RedisListSource::from(self.0.clone());
        let end = RedisEnd(source.closer());
        let source = RustSource::new(source, |py, value| {
            Ok(Some(Value::from(PyBytes::new(py, &value).into_any())))
        });
        (source, end)
    }

    /// The end of a stream of text, bytes, and for a stream of Redis dicts.
    fn sink(&self, placement: Placement<'_>, is_list: bool, max_batch: usize) -> PyResult<()> {
        let redis = self.0.clone();
        let sink = match is_list {
            true => RedisSink::list(redis, |x: &Value| to_entry(x, false)),
            false => RedisSink::stream(redis, |x: &Value| to_entry(x, true)),
        };
        let sink = sink.map_err(|error| invalid(&error))?;
        let blueprint = Blueprint::new(move |context| {
            let ends = context
                .upstream
                .apply(SinkBatches::new(sink).max_len(max_batch));
            sink_made(&context.upstream, Box::new(ends))
        });
        placement.apply(blueprint.sink().on_loop())
    }
}

#[pymethods]
impl RedisEnd {
    /// Does so, without the GIL.
    fn close(&self, py: Python<'_>) {
        gil::detach(py, || block_on(self.0.close()));
    }
}

fn to_entry(x: &Value, takes_fields: bool) -> Result<RedisEntry, BoxError> {
    let entry = gil::attach(|py| {
        let x = x.bind(py);
        let bytes = |x: &Bound<'_, PyAny>| {
            let mut bytes = Vec::new();
            add_bytes(x, &mut bytes).map(|()| bytes)
        };
        match x.cast::<PyDict>() {
            Ok(dict) if takes_fields => {
                let mut entry = RedisEntry::default();
                for (name, value) in dict.iter() {
                    let name = name.extract().map_err(|_| {
                        PyTypeError::new_err(format!("the name of a field is text, not {name:?}"))
                    })?;
                    entry.fields.push((name, bytes(&value)?.into()));
                }
                Ok(entry)
            }
            _ => bytes(x).map(RedisEntry::from),
        }
    });
    entry.map_err(|error: PyErr| error.into())
}

fn invalid(error: &RedisError) -> PyErr {
    PyValueError::new_err(error.to_string())
}

impl Sourced for RedisStreamSource {}

impl Sourced for RedisListSource {}
