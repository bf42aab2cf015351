//! Kafka: `from_kafka`, `from_kafka_batched` and `to_kafka`.

use std::sync::Mutex;
use std::time::Duration;

use pollster::block_on;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyList, PyString, PyTuple};
use thalweg::BoxError;
use thalweg::ops::{MapAsync, SinkBatches, Step};
use thalweg_io::kafka::{
    KafkaBatches, KafkaCloser, KafkaSource, Producer, TestBroker, TransactionalSink,
};
use thalweg_io::{Kafka, KafkaError, KafkaMessage, KafkaRecord, KafkaSink};

use super::bridge::{RustSource, Sourced};
use super::error::to_exception;
use crate::blueprint::{Blueprint, Made};
use crate::gil;
use crate::interval::seconds;
use crate::lock::lock;
use crate::node::Placement;
use crate::ops::sink::sink_made;
use crate::sql::Database;
use crate::value::Value;

/// Connects a source and a sink.
#[pyclass(frozen, module = "thalweg._thalweg.sources")]
pub(super) struct KafkaTransactions(thalweg_io::KafkaTransactions);

#[pymethods]
impl KafkaTransactions {
    #[new]
    fn new(id: &str) -> Self {
        Self(thalweg_io::KafkaTransactions::new(id))
    }
}

/// Topics to read, and their options.
#[pyclass(frozen, module = "thalweg._thalweg.sources")]
pub(super) struct KafkaTopics(Kafka);

/// Commits finished messages, at the end of a drain.
#[pyclass(frozen, module = "thalweg._thalweg.sources")]
pub(super) struct KafkaEnd(KafkaCloser);

#[pymethods]
impl KafkaTopics {
    #[new]
    #[expect(clippy::too_many_arguments, reason = "they are Python's")]
    fn new(
        kind: &str,
        topics: Vec<String>,
        options: Vec<(String, String)>,
        max_messages: usize,
        max_bytes: usize,
        commit_interval: f64,
        revoke_timeout: f64,
        overdue_after: f64,
        until_end: bool,
        max_partitions: Option<i32>,
        positions: Option<PyRef<'_, Database>>,
        transactions: Option<PyRef<'_, KafkaTransactions>>,
    ) -> PyResult<Self> {
        let group = options.iter().find(|(name, _)| name == "group.id");
        let group = group.map_or(String::new(), |(_, group)| group.clone());
        let mut kafka = Kafka::with_options(topics)
            .max_messages(max_messages)
            .max_bytes(max_bytes)
            .commit_interval(seconds(commit_interval)?)
            .revoke_timeout(seconds(revoke_timeout)?)
            .overdue_after(seconds(overdue_after)?);
        for (name, value) in options {
            kafka = kafka.option(name, value);
        }
        if until_end {
            kafka = kafka.until_end();
        }
        if let Some(count) = max_partitions {
            kafka = kafka.max_partitions(count);
        }
        if let Some(database) = positions {
            let database = database.0.clone();
            kafka = kafka.positions(move |topic, partition| {
                Ok(database.position(&format!("{group}/{topic}/{partition}"))?)
            });
        }
        if let Some(transactions) = transactions {
            kafka = kafka.transactions(&transactions.0);
        }
        kafka.check().map_err(|error| invalid(kind, &error))?;
        Ok(Self(kafka))
    }

    /// A source of values, or of results of `make` from the parts of a message.
    fn messages(&self, make: Option<Py<PyAny>>) -> (RustSource, KafkaEnd) {
        let source = KafkaSource::from(self.0.clone());
        let end = KafkaEnd(source.closer());
        let source = RustSource::new(source, move |py, message: KafkaMessage| match &make {
            Some(make) => Ok(Some(Value::from(whole(make.bind(py), &message)?))),
            None => Ok(value(py, &message).map(Value::from)),
        });
        (source, end)
    }

    /// A source of lists of values, or of results of `make` from the parts of a message.
    fn batches(
        &self,
        make: Option<Py<PyAny>>,
        interval: f64,
        max_len: usize,
    ) -> PyResult<(RustSource, KafkaEnd)> {
        let source = KafkaBatches::new(self.0.clone(), seconds(interval)?, max_len);
        let end = KafkaEnd(source.closer());
        let source = RustSource::new(source, move |py, batch: Vec<KafkaMessage>| {
            let list = PyList::empty(py);
            for message in &batch {
                match &make {
                    Some(make) => list.append(whole(make.bind(py), message)?)?,
                    None => {
                        if let Some(value) = value(py, message) {
                            list.append(value)?;
                        }
                    }
                }
            }
            Ok((!list.is_empty()).then(|| Value::from(list.into_any())))
        });
        Ok((source, end))
    }
}

#[pymethods]
impl KafkaEnd {
    /// Whether the source has started.
    #[getter]
    fn has_begun(&self) -> bool {
        self.0.has_begun()
    }

    /// Commits finished messages and leaves the group, without the GIL.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let closed = gil::detach(py, || block_on(self.0.close()));
        closed.map_err(|error| to_exception(py, &error))
    }
}

/// The value of a message; one without a value is skipped.
fn value<'py>(py: Python<'py>, message: &KafkaMessage) -> Option<Bound<'py, PyAny>> {
    let value = message.value.as_ref()?;
    Some(PyBytes::new(py, value).into_any())
}

/// Calls `make` with value, key, headers, topic, partition, offset and timestamp.
fn whole<'py>(make: &Bound<'py, PyAny>, message: &KafkaMessage) -> PyResult<Bound<'py, PyAny>> {
    let py = make.py();
    let headers = message.headers.iter();
    let headers = headers.map(|(name, value)| (PyString::new(py, name), object(py, value)));
    let parts = (
        object(py, &message.value),
        object(py, &message.key),
        PyTuple::new(py, headers.collect::<Vec<_>>())?,
        PyString::intern(py, &message.topic),
        message.partition,
        message.offset,
        message.timestamp,
    );
    make.call1(parts)
}

fn object<'py>(py: Python<'py>, bytes: &Option<impl AsRef<[u8]>>) -> Option<Bound<'py, PyBytes>> {
    let bytes = bytes.as_ref()?;
    Some(PyBytes::new(py, bytes.as_ref()))
}

/// The producer of a `to_kafka`.
#[pyclass(frozen, module = "thalweg._thalweg.sources")]
pub(super) struct KafkaProducer {
    producer: Producer,
    limit: usize,
}

#[pymethods]
impl KafkaProducer {
    #[new]
    fn new(topic: &str, options: Vec<(String, String)>, max_in_flight: usize) -> PyResult<Self> {
        let mut sink = KafkaSink::with_options(topic).max_in_flight(max_in_flight);
        for (name, value) in options {
            sink = sink.option(name, value);
        }
        sink.check().map_err(|error| invalid("to_kafka", &error))?;
        let (producer, limit) = (sink.producer(), sink.limit());
        Ok(Self { producer, limit })
    }

    /// Waits until everything has been delivered, for at most this many seconds; returns how many messages have not.
    fn flush(&self, py: Python<'_>, limit: f64) -> PyResult<usize> {
        let limit = match limit < 0.0 {
            true => Duration::MAX,
            false => seconds(limit)?,
        };
        Ok(gil::detach(py, || self.producer.flush(limit)))
    }
}

/// `to_kafka`: writes elements, and emits their values. `take_apart` returns value, key, headers, partition, timestamp
/// and topic of an element other than text or bytes.
#[pyfunction]
pub(super) fn to_kafka(
    placement: Placement<'_>,
    producer: &KafkaProducer,
    take_apart: Py<PyAny>,
) -> PyResult<()> {
    let (producer, limit) = (producer.producer.clone(), producer.limit);
    let blueprint = Blueprint::new(move |context| {
        let send = move |x: &Value| {
            let record = gil::held(|py| to_record(x.bind(py), &take_apart))?;
            let value = record.value.clone();
            let sent = producer.send(record);
            Ok::<_, PyErr>(Step::Pending(async move {
                match sent.await {
                    Ok(_) => Ok(value),
                    Err(error) => Err(gil::attach(|py| to_exception(py, &error))),
                }
            }))
        };
        let calls = MapAsync::stepwise(limit, true, send).map(MapAsync::holding_emitters);
        let values = context.upstream.apply(calls);
        Made::finished(values, context.current, |py, value| {
            Ok(match value {
                Some(value) => Value::from(PyBytes::new(py, &value).into_any()),
                None => Value::from(py.None().into_bound(py)),
            })
        })
    });
    // Kept like a sink, whether or not anything is downstream.
    placement.apply(blueprint.on_loop().sink())
}

/// `to_kafka` with transactions, which emits nothing.
#[pyfunction]
pub(super) fn to_kafka_in_transactions(
    placement: Placement<'_>,
    topic: &str,
    options: Vec<(String, String)>,
    max_in_flight: usize,
    transactions: &KafkaTransactions,
    take_apart: Py<PyAny>,
) -> PyResult<()> {
    let mut sink = KafkaSink::with_options(topic)
        .max_in_flight(max_in_flight)
        .transactions(&transactions.0);
    for (name, value) in options {
        sink = sink.option(name, value);
    }
    let limit = sink.limit();
    let sink = TransactionalSink::new(sink, move |x: &Value| {
        let record = gil::attach(|py| to_record(x.bind(py), &take_apart));
        record.map_err(BoxError::from)
    });
    let sink = sink.map_err(|error| invalid("to_kafka", &error))?;
    let blueprint = Blueprint::new(move |context| {
        let ends = context
            .upstream
            .apply(SinkBatches::new(sink).max_len(limit));
        sink_made(&context.upstream, Box::new(ends))
    });
    placement.apply(blueprint.sink().on_loop())
}

/// A broker for tests, in this process.
#[pyclass(frozen, module = "thalweg._thalweg.sources")]
pub(super) struct KafkaBroker(Mutex<Option<TestBroker>>);

#[pymethods]
impl KafkaBroker {
    #[new]
    fn new(py: Python<'_>, topics: Vec<(String, i32)>) -> PyResult<Self> {
        let started = gil::detach(py, || TestBroker::start(topics));
        let broker = started.map_err(|error| to_exception(py, &error))?;
        Ok(Self(Mutex::new(Some(broker))))
    }

    #[getter]
    fn address(&self) -> Option<String> {
        let broker = lock(&self.0);
        broker.as_ref().map(|broker| broker.address().to_string())
    }

    fn close(&self, py: Python<'_>) {
        let broker = lock(&self.0).take();
        gil::detach(py, || drop(broker));
    }
}

type Parts<'py> = (
    Option<Bound<'py, PyAny>>,
    Option<Bound<'py, PyAny>>,
    Vec<(String, Option<Bound<'py, PyAny>>)>,
    Option<i32>,
    Option<i64>,
    Option<String>,
);

fn to_record(x: &Bound<'_, PyAny>, take_apart: &Py<PyAny>) -> PyResult<KafkaRecord> {
    if let Some(value) = bytes(x)? {
        return Ok(value.into());
    }
    let parts = take_apart.bind(x.py()).call1((x,))?;
    let (value, key, headers, partition, timestamp, topic): Parts<'_> = parts.extract()?;
    let part = |part: Option<Bound<'_, PyAny>>, what: &str| match part {
        None => Ok(None),
        Some(part) => match bytes(&part)? {
            Some(bytes) => Ok(Some(bytes.into())),
            None => Err(PyTypeError::new_err(format!(
                "to_kafka: a {what} is bytes or text, not {}",
                part.get_type()
            ))),
        },
    };
    let mut record = KafkaRecord {
        value: part(value, "value")?,
        key: part(key, "key")?,
        partition,
        timestamp,
        topic,
        ..KafkaRecord::default()
    };
    for (name, value) in headers {
        record.headers.push((name, part(value, "header")?));
    }
    Ok(record)
}

/// The bytes of text or bytes.
fn bytes(x: &Bound<'_, PyAny>) -> PyResult<Option<Vec<u8>>> {
    if let Ok(bytes) = x.cast::<PyBytes>() {
        return Ok(Some(bytes.as_bytes().to_vec()));
    }
    if let Ok(text) = x.cast::<PyString>() {
        return Ok(Some(text.to_cow()?.into_owned().into_bytes()));
    }
    match x.cast::<PyByteArray>() {
        Ok(bytes) => Ok(Some(bytes.to_vec())),
        Err(_) => Ok(None),
    }
}

fn invalid(kind: &str, error: &KafkaError) -> PyErr {
    PyValueError::new_err(format!("{kind}: {error}"))
}

impl Sourced for KafkaSource {}

impl Sourced for KafkaBatches {}
