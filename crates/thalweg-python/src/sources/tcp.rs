//! `from_tcp` and `to_tcp`: messages over TCP.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyString};
use thalweg::BoxError;
use thalweg::ops::SinkBatches;
use thalweg_io::Lines;
use thalweg_io::tcp::{PrefixWidth, TcpClient, TcpError, TcpSink, TcpSource, TlsFiles};

use super::bridge::{RustSource, Sourced};
use super::error::to_exception;
use crate::blueprint::Blueprint;
use crate::gil;
use crate::interval::seconds;
use crate::node::Placement;
use crate::ops::sink::sink_made;
use crate::value::Value;

/// Files of a client that speaks TLS: those who vouch for servers, and its own certificate with its key.
pub(super) type ClientFiles = (Option<String>, Option<(String, String)>);

/// `from_tcp`: where it listens.
#[pyclass(frozen, module = "thalweg._thalweg.sources")]
pub(super) struct TcpServer(thalweg_io::TcpServer<Vec<u8>>);

#[pymethods]
impl TcpServer {
    /// Messages end with a delimiter, which is kept, or are length-prefixed if `width` is given.
    ///
    /// # Errors
    /// The delimiter is empty, the width is not supported, or the TLS files cannot be used.
    #[new]
    #[expect(clippy::too_many_arguments, reason = "they are Python's")]
    fn new(
        py: Python<'_>,
        port: u16,
        host: &str,
        delimiter: &[u8],
        width: Option<usize>,
        max_len: usize,
        max_connections: usize,
        idle_timeout: Option<f64>,
        tls: Option<(String, String, Option<String>)>,
    ) -> PyResult<Self> {
        let server = thalweg_io::TcpServer::new(port)
            .host(host)
            .max_connections(max_connections);
        let lines = Lines::bytes().delimiter(delimiter).keep_delimiter(true);
        let mut server = match width {
            Some(width) => server.length_prefixed(prefix_width(width)?),
            None => server.lines(lines),
        };
        server = server.max_len(max_len);
        if let Some(timeout) = idle_timeout {
            server = server.idle_timeout(seconds(timeout)?);
        }
        if let Some((certificate, key, clients)) = tls {
            let files = TlsFiles::new(certificate, key);
            server = server.tls(match clients {
                Some(clients) => files.clients(clients),
                None => files,
            });
        }
        let checked = server.check();
        checked.map_err(|error| invalid(py, &error))?;
        Ok(Self(server))
    }

    /// Starts to listen; returns the port.
    fn listen(&self, py: Python<'_>) -> PyResult<u16> {
        let address = self.0.listen();
        Ok(address.map_err(|error| to_exception(py, &error))?.port())
    }

    /// Stops listening, also if a source is running; returns whether none was.
    fn release(&self, py: Python<'_>) -> bool {
        gil::detach(py, || self.0.release())
    }

    /// Received messages, as a source of bytes.
    fn messages(&self) -> RustSource {
        let source = TcpSource::from(self.0.clone());
        RustSource::new(source, |py, message: Vec<u8>| {
            Ok(Some(Value::from(PyBytes::new(py, &message).into_any())))
        })
    }
}

impl Sourced for TcpSource<Vec<u8>> {
    fn rest(&mut self) -> Result<Option<Vec<u8>>, BoxError> {
        Ok(self.take_rest())
    }
}

pub(super) fn prefix_width(width: usize) -> PyResult<PrefixWidth> {
    PrefixWidth::of(width).ok_or_else(|| {
        PyValueError::new_err(format!(
            "`length_prefix` is 1, 2, 4 or 8 bytes, not {width}"
        ))
    })
}

fn invalid(py: Python<'_>, error: &TcpError) -> PyErr {
    match error {
        TcpError::Framing(error) => PyValueError::new_err(error.to_string()),
        TcpError::Tls { .. } => PyValueError::new_err(error.to_string()),
        error => to_exception(py, error),
    }
}

/// `to_tcp`: sends elements, which are text or bytes.
///
/// # Errors
/// The width is not supported.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "they are Python's")]
pub(super) fn to_tcp(
    placement: Placement<'_>,
    host: &str,
    port: u16,
    delimiter: &[u8],
    width: Option<usize>,
    connect_timeout: f64,
    retries: u32,
    wait: f64,
    max_len: usize,
) -> PyResult<()> {
    let client = TcpClient::new(host, port)
        .connect_timeout(seconds(connect_timeout)?)
        .retries(retries)
        .wait(seconds(wait)?);
    let client = match width {
        Some(width) => client.length_prefixed(prefix_width(width)?),
        None => client.delimiter(delimiter),
    };
    let blueprint = Blueprint::new(move |context| {
        let sink = TcpSink::new(client, |x: &Value, bytes: &mut Vec<u8>| {
            gil::attach(|py| add_bytes(x.bind(py), bytes)).map_err(Into::into)
        });
        let ends = context
            .upstream
            .apply(SinkBatches::new(sink).max_len(max_len));
        sink_made(&context.upstream, Box::new(ends))
    });
    placement.apply(blueprint.sink().on_loop())
}

pub(super) fn add_bytes(x: &Bound<'_, PyAny>, bytes: &mut Vec<u8>) -> PyResult<()> {
    if let Ok(text) = x.cast::<PyString>() {
        bytes.extend_from_slice(text.to_cow()?.as_bytes());
    } else if let Ok(given) = x.cast::<PyBytes>() {
        bytes.extend_from_slice(given.as_bytes());
    } else if let Ok(given) = x.cast::<PyByteArray>() {
        bytes.extend_from_slice(&given.to_vec());
    } else {
        let kind = x.get_type().name()?;
        return Err(PyTypeError::new_err(format!(
            "a {kind} is neither text nor bytes: make it one, with `json.dumps` say"
        )));
    }
    Ok(())
}
