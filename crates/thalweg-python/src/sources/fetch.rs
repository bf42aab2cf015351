//! `fetch` and `to_http`: requests over HTTP that elements lead to.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use thalweg::ops::{MapAsync, SinkAsync, Step};
use thalweg::{Element, RuntimeHandle, Stream, WeakStream};
use thalweg_io::fetch::Fetcher;
use thalweg_io::{Fetch, HttpBody, HttpError, HttpRequest, HttpResponse, HttpSink, Method};

use super::error::to_exception;
use super::http_server::headers_of;
use super::web::options;
use crate::blueprint::{Blueprint, Made};
use crate::gil;
use crate::interval::seconds;
use crate::node::Placement;
use crate::value::Value;

/// The most elements that a `fetch` has in hand, those that wait for their turn included.
const MAX_WAITING: usize = 1024;

/// How `fetch` and `to_http` ask.
#[pyclass(frozen, module = "thalweg._thalweg.sources")]
pub(super) struct FetchSettings(Fetch);

#[pymethods]
impl FetchSettings {
    #[new]
    #[expect(clippy::too_many_arguments, reason = "they are Python's")]
    fn new(
        headers: Vec<(String, String)>,
        connect_timeout: f64,
        follow_anywhere: bool,
        max_in_flight: usize,
        per_host: usize,
        interval: f64,
        retries: u32,
        wait: f64,
        max_wait: f64,
        time_limit: f64,
        max_len: usize,
        max_file_len: u64,
        ordered: bool,
        robots: bool,
    ) -> PyResult<Self> {
        let mut fetch = Fetch::new()
            .options(options(headers, connect_timeout, follow_anywhere)?)
            .max_in_flight(max_in_flight)
            .per_host(per_host)
            .interval(seconds(interval)?)
            .retries(retries)
            .wait(seconds(wait)?)
            .max_wait(seconds(max_wait)?)
            .time_limit(seconds(time_limit)?)
            .max_len(max_len)
            .max_file_len(max_file_len);
        if !ordered {
            fetch = fetch.unordered();
        }
        if robots {
            fetch = fetch.robots();
        }
        Ok(Self(fetch))
    }
}

/// The node whose clock a function waits on, known once it has been built.
struct Place<T>(Arc<OnceLock<WeakStream<T>>>);

impl<T: Element> Place<T> {
    fn runtime(&self) -> Option<RuntimeHandle> {
        self.0.get()?.runtime()
    }
}

/// `fetch`: sends the requests that elements are. `take_apart` makes method, URL, headers, body and file of what is no
/// text, and `make` an object of status, headers, body, URL and file.
#[pyfunction]
pub(super) fn fetch(
    placement: Placement<'_>,
    settings: &FetchSettings,
    take_apart: Py<PyAny>,
    make: Py<PyAny>,
) -> PyResult<()> {
    let fetcher = Fetcher::new(settings.0.clone());
    let is_ordered = fetcher.is_ordered();
    let blueprint = Blueprint::new(move |context| {
        let place = Arc::new(OnceLock::new());
        let here = Place(place.clone());
        let ask = move |x: &Value| {
            let request = gil::held(|py| to_request(x.bind(py), &take_apart))?;
            let asked = fetcher.fetch(request, here.runtime());
            Ok::<_, PyErr>(Step::Pending(async move { asked.await.map_err(raised) }))
        };
        let responses: Stream<HttpResponse> =
            (context.upstream).apply(MapAsync::stepwise(MAX_WAITING, is_ordered, ask));
        let _ = place.set(responses.downgrade());
        Made::finished(responses, context.current, move |py, response| {
            let parts = (
                PyBytes::new(py, &response.body),
                response.status,
                headers_of(py, &response.headers)?,
                response.url,
                response.file,
            );
            Ok(Value::from(make.bind(py).call1(parts)?))
        })
    });
    placement.apply(blueprint.on_loop())
}

fn raised(error: HttpError) -> PyErr {
    gil::attach(|py| to_exception(py, &error))
}

type Parts = (
    String,
    String,
    Vec<(String, String)>,
    Vec<u8>,
    Option<PathBuf>,
);

fn to_request(x: &Bound<'_, PyAny>, take_apart: &Py<PyAny>) -> PyResult<HttpRequest> {
    if let Ok(url) = x.cast::<PyString>() {
        return Ok(HttpRequest::get(url.to_cow()?));
    }
    let parts = take_apart.bind(x.py()).call1((x,))?;
    let (method, url, headers, body, file): Parts = parts.extract()?;
    let method = Method::from_bytes(method.as_bytes())
        .map_err(|_| PyValueError::new_err(format!("fetch: {method:?} is not an HTTP method")))?;
    let mut request = HttpRequest::new(method, url);
    for (name, value) in headers {
        request = request.header(&name, &value);
    }
    request.body = body.into();
    request.file = file;
    Ok(request)
}

/// `to_http`: posts elements; `to_json` makes text of what is neither text nor bytes.
///
/// # Errors
/// The URL, or a header, is none.
#[pyfunction]
pub(super) fn to_http(
    placement: Placement<'_>,
    url: &str,
    settings: &FetchSettings,
    to_json: Py<PyAny>,
) -> PyResult<()> {
    let sink = HttpSink::new(url).fetch(settings.0.clone());
    let checked = sink.check();
    checked.map_err(|error| PyValueError::new_err(format!("to_http: {error}")))?;
    let poster = sink.poster();
    let blueprint = Blueprint::new(move |context| {
        let place = Arc::new(OnceLock::new());
        let here = Place(place.clone());
        let sink = SinkAsync::stepwise(move |x: &Value| {
            let body = gil::held(|py| to_body(x.bind(py), &to_json))?;
            let sent = poster.post(body, here.runtime());
            Ok::<_, PyErr>(Step::Pending(async move { sent.await.map_err(raised) }))
        });
        let ends = context.upstream.apply(sink);
        let _ = place.set(ends.downgrade());
        // Nothing comes out of a sink, but everything has an outlet for Python.
        let out = context.upstream.filter(|_| true);
        out.destroy();
        Made {
            inlet: Box::new(ends),
            between: None,
            out,
        }
    });
    placement.apply(blueprint.on_loop().sink())
}

fn to_body(x: &Bound<'_, PyAny>, to_json: &Py<PyAny>) -> PyResult<HttpBody> {
    if let Ok(text) = x.cast::<PyString>() {
        return Ok(text.to_cow()?.into_owned().into());
    }
    if let Ok(bytes) = x.cast::<PyBytes>() {
        return Ok(bytes.as_bytes().to_vec().into());
    }
    let text: String = to_json.bind(x.py()).call1((x,))?.extract()?;
    Ok(HttpBody {
        bytes: text.into(),
        content_type: "application/json",
    })
}
