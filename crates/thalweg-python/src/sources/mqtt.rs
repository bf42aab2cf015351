//! MQTT: `from_mqtt` and `to_mqtt`.

use pollster::block_on;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use thalweg::ops::SinkBatches;
use thalweg_io::Mqtt;
use thalweg_io::mqtt::{
    MqttCloser, MqttError, MqttMessage, MqttSink, MqttSource, MqttVersion, Qos,
};

use super::bridge::{RustSource, Sourced};
use super::tcp::{ClientFiles, add_bytes};
use crate::blueprint::Blueprint;
use crate::gil;
use crate::interval::seconds;
use crate::node::Placement;
use crate::ops::sink::sink_made;
use crate::value::Value;

/// A topic of a broker.
#[pyclass(frozen, module = "thalweg._thalweg.sources")]
pub(super) struct MqttTopic(Mqtt);

/// Acknowledges the last messages and disconnects, at the end of a drain.
#[pyclass(frozen, module = "thalweg._thalweg.sources")]
pub(super) struct MqttEnd(MqttCloser);

#[pymethods]
impl MqttTopic {
    #[new]
    #[expect(clippy::too_many_arguments, reason = "they are Python's")]
    fn new(
        host: &str,
        port: u16,
        topic: &str,
        keep_alive: f64,
        is_five: bool,
        at_least_once: bool,
        retain: bool,
        client_id: Option<&str>,
        login: Option<(String, String)>,
        tls: Option<ClientFiles>,
        max_len: u32,
        max_waiting: usize,
        retries: u32,
        wait: f64,
    ) -> PyResult<Self> {
        let mut mqtt = Mqtt::new(host, port, topic)
            .keep_alive(seconds(keep_alive)?)
            .version(if is_five {
                MqttVersion::V5
            } else {
                MqttVersion::V3
            })
            .qos(if at_least_once {
                Qos::AtLeastOnce
            } else {
                Qos::AtMostOnce
            })
            .retain(retain)
            .max_len(max_len)
            .max_waiting(max_waiting)
            .retries(retries)
            .wait(seconds(wait)?);
        if let Some(id) = client_id {
            mqtt = mqtt.client_id(id);
        }
        if let Some((user, password)) = login {
            mqtt = mqtt.login(user, password);
        }
        if let Some((authorities, identity)) = tls {
            mqtt = mqtt.tls();
            if let Some(path) = authorities {
                mqtt = mqtt.authorities(path);
            }
            if let Some((certificate, key)) = identity {
                mqtt = mqtt.identity(certificate, key);
            }
        }
        mqtt.check().map_err(|error| invalid(&error))?;
        Ok(Self(mqtt))
    }

    /// A source of what `make` makes of topic, payload, quality of service, whether it was retained, the number of the
    /// packet, and whether it may have been delivered before.
    fn messages(&self, make: Py<PyAny>) -> (RustSource, MqttEnd) {
        let source = MqttSource::from(self.0.clone());
        let end = MqttEnd(source.closer());
        let source = RustSource::new(source, move |py, message: MqttMessage| {
            let parts = (
                PyString::new(py, &message.topic),
                PyBytes::new(py, &message.payload),
                i32::from(message.qos == Qos::AtLeastOnce),
                message.retain,
                message.packet_id,
                message.dup,
            );
            Ok(Some(Value::from(make.bind(py).call1(parts)?)))
        });
        (source, end)
    }

    /// The end of a stream of text and bytes.
    fn sink(&self, placement: Placement<'_>, max_len: usize) -> PyResult<()> {
        let sink = MqttSink::new(self.0.clone(), |x: &Value| {
            let mut bytes = Vec::new();
            gil::attach(|py| add_bytes(x.bind(py), &mut bytes))?;
            Ok(bytes)
        });
        let sink = sink.map_err(|error| invalid(&error))?;
        let blueprint = Blueprint::new(move |context| {
            let ends = context
                .upstream
                .apply(SinkBatches::new(sink).max_len(max_len));
            sink_made(&context.upstream, Box::new(ends))
        });
        placement.apply(blueprint.sink().on_loop())
    }
}

#[pymethods]
impl MqttEnd {
    /// Does so, without the GIL.
    fn close(&self, py: Python<'_>) {
        gil::detach(py, || block_on(self.0.close()));
    }
}

fn invalid(error: &MqttError) -> PyErr {
    PyValueError::new_err(error.to_string())
}

impl Sourced for MqttSource {}
