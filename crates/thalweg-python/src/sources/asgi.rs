//! Requests of an ASGI server, answered by a pipeline.

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyList};
use thalweg_io::http_server::{self, HttpService};
use thalweg_io::{HeaderMap, HeaderName, HeaderValue, HttpRequest, HttpResponse, Method};

use crate::event_loop::{self, EventLoop};

/// Passes requests of an ASGI server to a pipeline; used by the class `asgi`.
#[pyclass(frozen, module = "thalweg._thalweg.sources")]
pub(super) struct HttpApp(pub(super) HttpService);

/// A request in progress: its body arrives in pieces. Dropping it cancels the request.
#[pyclass(frozen, module = "thalweg._thalweg.sources")]
pub(super) struct HttpCall {
    call: http_server::HttpCall,
    /// Kept until the answer: no pipeline need run on this loop.
    _event_loop: EventLoop,
}

#[pymethods]
impl HttpApp {
    /// Begins a request: `answer`, a future of the running loop, gets status, headers and body.
    ///
    /// # Errors
    /// The method is invalid, no loop is running, or the system has no thread left.
    fn begin(
        &self,
        py: Python<'_>,
        method: &str,
        url: String,
        headers: Vec<(PyBackedBytes, PyBackedBytes)>,
        answer: Py<PyAny>,
    ) -> PyResult<HttpCall> {
        let running = event_loop::running(py)?;
        let running = running.ok_or_else(|| PyRuntimeError::new_err("no event loop is running"))?;
        let event_loop = EventLoop::of(&running)?;
        let request = HttpRequest {
            method: Method::from_bytes(method.as_bytes())
                .map_err(|_| PyValueError::new_err(format!("{method:?} is not an HTTP method")))?,
            url,
            headers: to_headers(&headers),
            body: Default::default(),
            file: None,
        };
        let caller_loop = event_loop.clone();
        let call = self.0.begin(request, move |response| {
            caller_loop.call(Box::new(move |py| resolve(py, &answer, &response)));
        });
        Ok(HttpCall {
            call: call?,
            _event_loop: event_loop,
        })
    }
}

#[pymethods]
impl HttpCall {
    /// Adds a piece to the body; returns whether more is wanted.
    fn push(&self, piece: &[u8]) -> bool {
        self.call.push(piece.to_vec())
    }

    /// Ends the body.
    fn end(&self) {
        self.call.end();
    }
}

/// Headers as received; invalid ones are ignored.
fn to_headers(pairs: &[(PyBackedBytes, PyBackedBytes)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name), HeaderValue::from_bytes(value))
        {
            headers.append(name, value);
        }
    }
    headers
}

fn resolve(py: Python<'_>, answer: &Py<PyAny>, response: &HttpResponse) -> PyResult<()> {
    let answer = answer.bind(py);
    if answer.call_method0("done")?.is_truthy()? {
        // The client has disconnected.
        return Ok(());
    }
    let headers = PyList::empty(py);
    for (name, value) in &response.headers {
        let name = PyBytes::new(py, name.as_str().as_bytes());
        headers.append((name, PyBytes::new(py, value.as_bytes())))?;
    }
    let has_body = !matches!(response.status, 204 | 304);
    if has_body && !response.headers.contains_key("content-length") {
        let len = response.body.len().to_string();
        let name = PyBytes::new(py, b"content-length");
        headers.append((name, PyBytes::new(py, len.as_bytes())))?;
    }
    let body = PyBytes::new(py, &response.body);
    answer.call_method1("set_result", ((response.status, headers, body),))?;
    Ok(())
}
