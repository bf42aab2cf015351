//! NATS: `from_nats` and `to_nats`.

use pollster::block_on;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};
use thalweg::BoxError;
use thalweg::ops::SinkBatches;
use thalweg_io::Nats;
use thalweg_io::nats::{NatsCloser, NatsError, NatsMessage, NatsRecord, NatsSink, NatsSource};

use super::bridge::{RustSource, Sourced};
use super::tcp::add_bytes;
use crate::blueprint::Blueprint;
use crate::gil;
use crate::interval::seconds;
use crate::node::Placement;
use crate::ops::sink::sink_made;
use crate::value::Value;

/// A subject of a server.
#[pyclass(frozen, module = "thalweg._thalweg.sources")]
pub(super) struct NatsSubject(Nats);

/// Acknowledges the last messages, at the end of a drain.
#[pyclass(frozen, module = "thalweg._thalweg.sources")]
pub(super) struct NatsEnd(NatsCloser);

#[pymethods]
impl NatsSubject {
    #[new]
    #[expect(clippy::too_many_arguments, reason = "they are Python's")]
    fn new(
        url: &str,
        subject: &str,
        stream: Option<&str>,
        create: bool,
        token: Option<&str>,
        authorities: Option<&str>,
        retries: u32,
        wait: f64,
    ) -> PyResult<Self> {
        let mut nats = Nats::new(url, subject)
            .retries(retries)
            .wait(seconds(wait)?);
        if let Some(stream) = stream {
            nats = nats.stream(stream);
        }
        if create {
            nats = nats.create();
        }
        if let Some(token) = token {
            nats = nats.token(token);
        }
        if let Some(path) = authorities {
            nats = nats.authorities(path);
        }
        nats.check().map_err(|error| invalid(&error))?;
        Ok(Self(nats))
    }

    /// A source of results of `make` from a message's subject, payload, dict of headers, number, and number of
    /// deliveries.
    #[expect(clippy::too_many_arguments, reason = "they are Python's")]
    fn messages(
        &self,
        make: Py<PyAny>,
        durable: Option<&str>,
        queue: Option<&str>,
        from_latest: bool,
        ack_wait: f64,
        redeliver_after: f64,
        max_deliveries: Option<u32>,
        max_in_flight: u32,
        max_waiting: usize,
    ) -> PyResult<(RustSource, NatsEnd)> {
        let mut nats = self.0.clone();
        nats = nats
            .ack_wait(seconds(ack_wait)?)
            .redeliver_after(seconds(redeliver_after)?)
            .max_in_flight(max_in_flight)
            .max_waiting(max_waiting);
        if let Some(durable) = durable {
            nats = nats.durable(durable);
        }
        if let Some(queue) = queue {
            nats = nats.queue(queue);
        }
        if from_latest {
            nats = nats.from_latest();
        }
        if let Some(count) = max_deliveries {
            nats = nats.max_deliveries(count);
        }
        let source = NatsSource::from(nats);
        source.check().map_err(|error| invalid(&error))?;
        let end = NatsEnd(source.closer());
        let source = RustSource::new(source, move |py, message: NatsMessage| {
            let headers = PyDict::new(py);
            for (name, value) in &message.headers {
                headers.set_item(PyString::intern(py, name), value)?;
            }
            let subject = PyString::intern(py, &message.subject);
            let payload = PyBytes::new(py, &message.payload);
            let numbers = (message.sequence, message.deliveries);
            let made = (subject, payload, headers, numbers.0, numbers.1);
            Ok(Some(Value::from(make.bind(py).call1(made)?)))
        });
        Ok((source, end))
    }

    /// The end of a stream of text, bytes, and tuples of these, a subject or None, a dict of headers, and an id or
    /// None.
    fn sink(&self, placement: Placement<'_>, max_batch: usize) -> PyResult<()> {
        let sink = NatsSink::new(self.0.clone(), to_record);
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
impl NatsEnd {
    /// Closes, without the GIL.
    fn close(&self, py: Python<'_>) {
        gil::detach(py, || block_on(self.0.close()));
    }
}

/// The parts of a record in Python.
type Parts<'py> = (
    Bound<'py, PyAny>,
    Option<String>,
    Bound<'py, PyDict>,
    Option<String>,
);

fn to_record(x: &Value) -> Result<NatsRecord, BoxError> {
    let record = gil::attach(|py| {
        let x = x.bind(py);
        let bytes = |x: &Bound<'_, PyAny>| {
            let mut bytes = Vec::new();
            add_bytes(x, &mut bytes).map(|()| bytes)
        };
        let Ok((payload, subject, headers, id)) = x.extract::<Parts<'_>>() else {
            return bytes(x).map(NatsRecord::from);
        };
        let mut record = NatsRecord::from(bytes(&payload)?);
        for (name, value) in headers.iter() {
            record = record.header(name.extract::<String>()?, value.extract::<String>()?);
        }
        (record.subject, record.id) = (subject, id);
        Ok(record)
    });
    record.map_err(|error: PyErr| error.into())
}

fn invalid(error: &NatsError) -> PyErr {
    PyValueError::new_err(error.to_string())
}

impl Sourced for NatsSource {}
