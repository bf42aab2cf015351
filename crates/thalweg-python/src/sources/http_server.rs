//! A server over HTTP: its requests as elements, and elements as its responses.

use std::sync::{Arc, Mutex};

use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};
use thalweg::{Ack, Acks, Context, EmitResult, Never, Operator, Outcome, Stream};
use thalweg_io::http_server::{HttpExchange, HttpExchanges, NoRequest, Reply, TlsFiles};
use thalweg_io::{HttpRequest, HttpResponse, HttpServerError};

use super::asgi::HttpApp;
use super::bridge::{RustSource, Sourced, Tell};
use super::error::to_exception;
use crate::blueprint::{Blueprint, Made};
use crate::gil;
use crate::interval::seconds;
use crate::lock::lock;
use crate::metadata;
use crate::node::Placement;
use crate::value::Value;

/// `from_http_server` and `from_http_requests`: where they listen.
#[pyclass(frozen, module = "thalweg._thalweg.sources")]
pub(super) struct HttpServer(thalweg_io::HttpServer);

#[pymethods]
impl HttpServer {
    /// # Errors
    /// `path` is no regular expression, or a file of TLS cannot be used.
    #[new]
    #[expect(clippy::too_many_arguments, reason = "they are Python's")]
    fn new(
        port: Option<u16>,
        path: &str,
        host: &str,
        max_len: usize,
        max_head: usize,
        read_timeout: f64,
        time_limit: Option<f64>,
        max_connections: usize,
        max_in_flight: usize,
        show_errors: bool,
        tls: Option<(String, String, Option<String>)>,
    ) -> PyResult<Self> {
        let server = port.map(thalweg_io::HttpServer::new);
        let mut server = server
            .unwrap_or_else(thalweg_io::HttpServer::mounted)
            .host(host)
            .path(path)
            .max_len(max_len)
            .max_head(max_head)
            .read_timeout(seconds(read_timeout)?)
            .max_connections(max_connections)
            .max_in_flight(max_in_flight);
        if let Some(limit) = time_limit {
            server = server.time_limit(seconds(limit)?);
        }
        if show_errors {
            server = server.show_errors();
        }
        if let Some((certificate, key, clients)) = tls {
            let files = TlsFiles::new(certificate, key);
            server = server.tls(match clients {
                Some(clients) => files.clients(clients),
                None => files,
            });
        }
        server
            .check()
            .map_err(|error| PyValueError::new_err(error.to_string()))?;
        Ok(Self(server))
    }

    /// Begins to listen; returns the port.
    fn listen(&self, py: Python<'_>) -> PyResult<u16> {
        let wrong = |error: HttpServerError| to_exception(py, &error);
        Ok(self.0.listen().map_err(wrong)?.port())
    }

    /// Lets the requests of other servers in, which wait for the source.
    fn open(&self) {
        self.0.open();
    }

    /// Stops listening, also where a source runs; returns whether none did.
    fn release(&self, py: Python<'_>) -> bool {
        gil::detach(py, || self.0.release())
    }

    /// Its requests by way of an ASGI server: bodies that are posted, or any.
    fn app(&self, only_bodies: bool) -> PyResult<HttpApp> {
        let service = if only_bodies {
            self.0.body_service()
        } else {
            self.0.service()
        };
        let service = service.map_err(|error| PyValueError::new_err(error.to_string()))?;
        Ok(HttpApp(service))
    }

    /// Bodies that are posted, as a source of bytes.
    fn bodies(&self) -> RustSource {
        let bodies = HttpExchanges::bodies(self.0.clone());
        RustSource::answering(bodies, |py, exchange, out| {
            let HttpExchange { request, reply } = exchange;
            let body = PyBytes::new(py, &request.body).into_any();
            let trace = request.trace().map(Ack::of_trace);
            let acks = trace.map_or_else(Acks::none, Acks::from);
            let emit = out.emit_with_acks(Value::from(body), acks);
            let tell: Tell = Box::new(move |result| reply.accepted(result));
            Ok((emit, tell))
        })
    }

    /// Requests as a source of what `make` makes of method, URL, headers and body.
    fn requests(&self, make: Py<PyAny>) -> RustSource {
        let requests = HttpExchanges::requests(self.0.clone());
        RustSource::answering(requests, move |py, exchange, out| {
            let HttpExchange { request, reply } = exchange;
            let value = Value::from(to_object(py, &make, &request)?);
            let mut acks = carried(py, &reply)?;
            if let Some(trace) = request.trace() {
                acks = Acks::merge([&acks, &Ack::of_trace(trace).into()]);
            }
            let emit = out.emit_with_acks(value, acks);
            let tell: Tell = Box::new(move |result| reply.emitted(result));
            Ok((emit, tell))
        })
    }
}

fn to_object<'py>(
    py: Python<'py>,
    make: &Py<PyAny>,
    request: &HttpRequest,
) -> PyResult<Bound<'py, PyAny>> {
    let headers = headers_of(py, &request.headers)?;
    let body = PyBytes::new(py, &request.body);
    let method = request.method.as_str();
    make.bind(py)
        .call1((method, request.url.as_str(), headers, body))
}

/// Headers as a dict, their names in lower case. What comes several times is one, separated by commas.
pub(super) fn headers_of<'py>(
    py: Python<'py>,
    headers: &thalweg_io::HeaderMap,
) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for name in headers.keys() {
        let values = headers.get_all(name).iter();
        let values: Vec<_> = values
            .map(|value| String::from_utf8_lossy(value.as_bytes()))
            .collect();
        dict.set_item(name.as_str(), values.join(", "))?;
    }
    Ok(dict)
}

/// The token that a request travels with: a dict of metadata, whose counter is the way back.
fn carried(py: Python<'_>, reply: &Reply) -> PyResult<Acks> {
    let counted = Arc::new(Counted {
        reply: reply.clone(),
        held: Mutex::new((1, Outcome::Delivered)),
    });
    let dict = PyDict::new(py);
    dict.set_item(intern!(py, "ref"), HttpReply(counted.clone()))?;
    let ack = metadata::tagged(dict, move |outcome| counted.release(1, outcome));
    Ok(Acks::from(ack))
}

/// The way back to whoever sent a request, as the counter of its metadata: counted by nodes in Python that hold the
/// element.
#[pyclass(frozen, module = "thalweg._thalweg.sources")]
pub(super) struct HttpReply(Arc<Counted>);

struct Counted {
    reply: Reply,
    /// How many hold the element, and whether something derived from it has failed.
    held: Mutex<(usize, Outcome)>,
}

impl Counted {
    fn release(&self, n: usize, outcome: Outcome) {
        let mut held = lock(&self.held);
        if outcome == Outcome::Failed {
            held.1 = outcome;
        }
        let before = held.0;
        held.0 = before.saturating_sub(n);
        let (left, outcome) = *held;
        drop(held);
        if before > 0 && left == 0 {
            self.reply.done(outcome);
        }
    }
}

#[pymethods]
impl HttpReply {
    #[pyo3(signature = (n=1))]
    fn retain(&self, n: usize) {
        lock(&self.0.held).0 += n;
    }

    #[pyo3(signature = (n=1))]
    fn release(&self, n: usize) {
        self.0.release(n, Outcome::Delivered);
    }

    #[pyo3(signature = (n=1))]
    fn _release_failed(&self, n: usize) {
        self.0.release(n, Outcome::Failed);
    }
}

/// `respond`: answers requests. `take_apart` makes status, headers and body of what is neither text nor bytes.
#[pyfunction]
pub(super) fn respond(placement: Placement<'_>, take_apart: Py<PyAny>) -> PyResult<()> {
    let blueprint = Blueprint::new(move |context| {
        let ends: Stream<Never> = context.upstream.apply(Responding { take_apart });
        // Nothing comes out of a sink, but everything has an outlet for Python.
        let out = context.upstream.filter(|_| true);
        out.destroy();
        Made {
            inlet: Box::new(ends),
            between: None,
            out,
        }
    });
    placement.apply(blueprint.sink())
}

struct Responding {
    take_apart: Py<PyAny>,
}

impl Operator for Responding {
    type In = Value;
    type Out = Never;
    type Event = Never;
    const KIND: &'static str = "respond";
    const SINK: bool = true;
    const CLOSES: bool = false;

    fn update(&mut self, x: Value, cx: &mut Context<'_, Self>) -> EmitResult {
        let acks = cx.acks();
        let replies = gil::held(|py| replies(py, &acks));
        if replies.is_empty() {
            return cx.fail(x, NoRequest);
        }
        match gil::held(|py| self.to_response(py, &x)) {
            Ok(response) => {
                for reply in replies {
                    reply.respond(response.clone());
                }
                Ok(())
            }
            Err(error) => cx.fail(x, error),
        }
    }
}

fn replies(py: Python<'_>, acks: &Acks) -> Vec<Reply> {
    metadata::dicts(py, acks)
        .filter_map(|dict| {
            let counter = dict.get_item(intern!(py, "ref")).ok()??;
            let reply = counter.cast_into::<HttpReply>().ok()?;
            Some(reply.get().0.reply.clone())
        })
        .collect()
}

impl Responding {
    fn to_response(&self, py: Python<'_>, x: &Value) -> PyResult<HttpResponse> {
        let x = x.bind(py);
        if let Ok(text) = x.cast::<PyString>() {
            return Ok(text.to_cow()?.into_owned().into());
        }
        if let Ok(bytes) = x.cast::<PyBytes>() {
            return Ok(bytes.as_bytes().to_vec().into());
        }
        let parts = self.take_apart.bind(py).call1((x,))?;
        let (status, headers, body) = parts.extract::<(u16, Vec<(String, String)>, Vec<u8>)>()?;
        let mut response = HttpResponse::new(status);
        response.body = body.into();
        for (name, value) in headers {
            response = response.header(&name, &value);
        }
        Ok(response)
    }
}

impl Sourced for HttpExchanges {}
