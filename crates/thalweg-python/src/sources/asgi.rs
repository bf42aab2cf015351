//! Requests of an ASGI server, which a pipeline answers.

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyList};
use thalweg_io::http_server::{self, HttpService};
use thalweg_io::{HeaderMap, HeaderName, HeaderValue, HttpRequest, HttpResponse, Method};

use crate::event_loop::{self, EventLoop};

/// `asgi`: a server's requests, by way of another server.
#[pyclass(frozen, module = "thalweg._thalweg.sources")]
pub(super) struct HttpApp(pub(super) HttpService);

/// A request that is being answered: its body comes piece by piece. Dropped, it is given up.
#[pyclass(frozen, module = "thalweg._thalweg.sources")]
pub(super) struct HttpCall {
    call: http_server::HttpCall,
    /// Kept for the answer: no pipeline may be on it.
    _event_loop: EventLoop,
}

#[pymethods]
impl HttpApp {
    /// Begins a request: `answer`, a future of the loop that runs, gets status, headers and body.
    ///
    /// # Errors
    /// The method is none, no loop runs, or the system gives no thread.
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
                .map_err(|_| PyValueError::new_err(format!("{method:?} is no method")))?,
            url,
            headers: to_headers(&headers),
            body: Default::default(),
            file: None,
        };
        let asking = event_loop.clone();
        let call = self.0.begin(request, move |response| {
            asking.call(Box::new(move |py| give(py, &answer, &response)));
        });
        Ok(HttpCall {
            call: call?,
            _event_loop: event_loop,
        })
    }
}

#[pymethods]
impl HttpCall {
    /// Adds a piece to the body; returns whether more of it is wanted.
    fn push(&self, piece: &[u8]) -> bool {
        self.call.push(piece.to_vec())
    }

    /// Says that the body has no more pieces.
    fn end(&self) {
        self.call.end();
    }
}

/// Headers as they came; what is no header is left out.
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

fn give(py: Python<'_>, answer: &Py<PyAny>, response: &HttpResponse) -> PyResult<()> {
    let answer = answer.bind(py);
    if answer.call_method0("done")?.is_truthy()? {
        // Who asked has gone.
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
