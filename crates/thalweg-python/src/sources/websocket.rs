//! WebSockets: `from_websocket`, `from_websocket_url`, `to_websocket` and `to_websocket_clients`.

use std::path::PathBuf;
use std::time::Duration;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyString};
use thalweg::BoxError;
use thalweg::ops::SinkBatches;
use thalweg_io::tcp::TlsFiles;
use thalweg_io::websocket::{WebSocketSink, WebSocketSource};
use thalweg_io::{WebSocketClient, WebSocketError, WebSocketMessage};

use super::bridge::{RustSource, Sourced};
use super::error::to_exception;
use crate::blueprint::Blueprint;
use crate::gil;
use crate::interval::seconds;
use crate::node::Placement;
use crate::ops::sink::sink_made;
use crate::value::Value;

/// A duration that nobody waits for, in seconds.
const NEVER: f64 = 366.0 * 86_400.0;

/// Address of a server.
#[pyclass(frozen, module = "thalweg._thalweg.sources")]
pub(super) struct WebSocketServer(thalweg_io::WebSocketServer);

#[pymethods]
impl WebSocketServer {
    #[new]
    #[expect(clippy::too_many_arguments, reason = "they are Python's")]
    fn new(
        py: Python<'_>,
        host: &str,
        port: u16,
        max_len: usize,
        max_connections: usize,
        max_behind: usize,
        ping_interval: Option<f64>,
        ping_timeout: Option<f64>,
        tls: Option<(PathBuf, PathBuf, Option<PathBuf>)>,
        origins: Vec<String>,
    ) -> PyResult<Self> {
        let (interval, timeout) = pings(ping_interval, ping_timeout)?;
        let mut server = thalweg_io::WebSocketServer::new(port)
            .host(host)
            .max_len(max_len)
            .max_connections(max_connections)
            .max_behind(max_behind)
            .ping(interval, timeout);
        if let Some((certificate, key, clients)) = tls {
            let files = TlsFiles::new(certificate, key);
            server = server.tls(match clients {
                Some(authorities) => files.clients(authorities),
                None => files,
            });
        }
        for origin in origins {
            server = server.origin(origin);
        }
        server.check().map_err(|error| invalid(py, &error))?;
        Ok(Self(server))
    }

    /// Starts to listen; returns the port.
    fn listen(&self, py: Python<'_>) -> PyResult<u16> {
        let address = self.0.listen();
        Ok(address.map_err(|error| to_exception(py, &error))?.port())
    }

    /// Stops listening, also if a pipeline is running; returns whether none was.
    fn release(&self, py: Python<'_>) -> bool {
        gil::detach(py, || self.0.release())
    }

    /// Messages from clients, as a source of text and bytes.
    fn messages(&self) -> RustSource {
        messages_of(self.0.clone().into())
    }

    /// Sends elements to all clients, from now on.
    ///
    /// # Errors
    /// The address cannot be listened on.
    fn show(&self, py: Python<'_>, placement: Placement<'_>, max_len: usize) -> PyResult<()> {
        let mut sink = WebSocketSink::new(self.0.clone(), message);
        sink.start().map_err(|error| to_exception(py, &error))?;
        placement.apply(ends(sink, max_len))
    }
}

/// A server to connect to: its URL, and the options of the connection.
#[pyclass(frozen, module = "thalweg._thalweg.sources")]
pub(super) struct WebSocketUrl(WebSocketClient);

#[pymethods]
impl WebSocketUrl {
    #[new]
    #[expect(clippy::too_many_arguments, reason = "they are Python's")]
    fn new(
        py: Python<'_>,
        url: &str,
        headers: Vec<(String, String)>,
        authorities: Option<PathBuf>,
        connect_timeout: f64,
        retries: u32,
        wait: f64,
        max_len: usize,
        ping_interval: Option<f64>,
        ping_timeout: Option<f64>,
    ) -> PyResult<Self> {
        let (interval, timeout) = pings(ping_interval, ping_timeout)?;
        let mut client = WebSocketClient::new(url)
            .connect_timeout(seconds(connect_timeout)?)
            .retries(retries)
            .wait(seconds(wait)?)
            .max_len(max_len)
            .ping(interval, timeout);
        for (name, value) in headers {
            client = client.header(name, value);
        }
        if let Some(path) = authorities {
            client = client.authorities(path);
        }
        client.check().map_err(|error| invalid(py, &error))?;
        Ok(Self(client))
    }

    /// The URL without secrets.
    #[getter]
    fn shown(&self) -> String {
        self.0.shown()
    }

    /// Messages from the server, after sending `first`.
    fn messages(&self, first: Vec<Bound<'_, PyAny>>, reconnect: bool) -> PyResult<RustSource> {
        let mut client = self.0.clone().reconnect(reconnect);
        for one in first {
            client = client.subscribe(message_of(&one)?);
        }
        Ok(messages_of(client.into()))
    }

    /// Sends elements to the server.
    fn send(&self, placement: Placement<'_>, max_len: usize, confirm: bool) -> PyResult<()> {
        let client = self.0.clone().confirm(confirm);
        placement.apply(ends(WebSocketSink::new(client, message), max_len))
    }
}

fn pings(interval: Option<f64>, timeout: Option<f64>) -> PyResult<(Duration, Duration)> {
    Ok((
        seconds(interval.unwrap_or(NEVER))?,
        seconds(timeout.unwrap_or(NEVER))?,
    ))
}

fn messages_of(source: WebSocketSource) -> RustSource {
    RustSource::new(source, |py, message| {
        Ok(Some(match message {
            WebSocketMessage::Text(text) => Value::from(PyString::new(py, &text).into_any()),
            WebSocketMessage::Binary(bytes) => Value::from(PyBytes::new(py, &bytes).into_any()),
        }))
    })
}

fn ends(sink: WebSocketSink<Value>, max_len: usize) -> Blueprint {
    let blueprint = Blueprint::new(move |context| {
        let ends = context
            .upstream
            .apply(SinkBatches::new(sink).max_len(max_len));
        sink_made(&context.upstream, Box::new(ends))
    });
    blueprint.sink().on_loop()
}

fn message(x: &Value) -> Result<WebSocketMessage, BoxError> {
    Ok(gil::attach(|py| message_of(x.bind(py)))?)
}

fn message_of(x: &Bound<'_, PyAny>) -> PyResult<WebSocketMessage> {
    if let Ok(text) = x.cast::<PyString>() {
        Ok(WebSocketMessage::Text(text.to_cow()?.into_owned()))
    } else if let Ok(given) = x.cast::<PyBytes>() {
        Ok(WebSocketMessage::Binary(given.as_bytes().to_vec()))
    } else if let Ok(given) = x.cast::<PyByteArray>() {
        Ok(WebSocketMessage::Binary(given.to_vec()))
    } else {
        let kind = x.get_type().name()?;
        Err(PyTypeError::new_err(format!(
            "a {kind} is neither text nor bytes: make it one, with `json.dumps` say"
        )))
    }
}

fn invalid(py: Python<'_>, error: &WebSocketError) -> PyErr {
    match error {
        WebSocketError::Invalid { .. } | WebSocketError::Tls { .. } => {
            PyValueError::new_err(error.to_string())
        }
        error => to_exception(py, error),
    }
}

impl Sourced for WebSocketSource {
    fn rest(&mut self) -> Result<Option<WebSocketMessage>, BoxError> {
        Ok(self.take_rest())
    }
}
