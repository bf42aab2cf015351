use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString, PyTuple};
use thalweg_io::sse::SseSource;
use thalweg_io::{HttpLines, HttpPoll, Lines, RequestOptions, Sse, SseEvent, WebError};

use super::bridge::{RustSource, Sourced};
use crate::interval::seconds;
use crate::sql::Position;
use crate::value::Value;

/// `from_sse`: the events of a feed, each created by `make` from id, type and data.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "they are Python's")]
pub(super) fn server_sent_events(
    url: &str,
    make: Py<PyAny>,
    headers: Vec<(String, String)>,
    last_event_id: &str,
    connect_timeout: f64,
    idle_timeout: f64,
    wait: f64,
    max_wait: f64,
    max_len: usize,
    follow_anywhere: bool,
    position: Option<PyRef<'_, Position>>,
) -> PyResult<RustSource> {
    let feed = Sse::new(url)
        .last_event_id(last_event_id)
        .options(options(headers, connect_timeout, follow_anywhere)?)
        .idle_timeout(seconds(idle_timeout)?)
        .wait(seconds(wait)?)
        .max_wait(seconds(max_wait)?)
        .max_len(max_len);
    let feed = match position {
        Some(position) => feed.position(&position.0),
        None => feed,
    };
    feed.check().map_err(|error| invalid("from_sse", &error))?;
    Ok(RustSource::new(
        SseSource::from(feed),
        move |py, event: SseEvent| {
            let parts = (event.id, event.event, event.data);
            let parts = parts.into_pyobject(py)?.cast_into::<PyTuple>()?;
            Ok(Some(Value::from(make.bind(py).call1(parts)?)))
        },
    ))
}

/// `from_http_lines`: the lines of a response.
#[pyfunction]
pub(super) fn http_lines(
    url: &str,
    headers: Vec<(String, String)>,
    connect_timeout: f64,
    idle_timeout: f64,
    max_len: usize,
    follow_anywhere: bool,
) -> PyResult<RustSource> {
    let lines = HttpLines::new(url)
        .lines(Lines::text().max_len(max_len))
        .options(options(headers, connect_timeout, follow_anywhere)?)
        .idle_timeout(seconds(idle_timeout)?);
    lines
        .check()
        .map_err(|error| invalid("from_http_lines", &error))?;
    Ok(RustSource::new(lines, |py, line: String| {
        Ok(Some(Value::from(PyString::new(py, &line).into_any())))
    }))
}

/// `from_http_poll`: the body at a URL, whenever it has changed.
#[pyfunction]
pub(super) fn http_poll(
    url: &str,
    interval: f64,
    headers: Vec<(String, String)>,
    connect_timeout: f64,
    time_limit: f64,
    max_len: usize,
    follow_anywhere: bool,
) -> PyResult<RustSource> {
    let poll = HttpPoll::new(url, seconds(interval)?)
        .options(options(headers, connect_timeout, follow_anywhere)?)
        .time_limit(seconds(time_limit)?)
        .max_len(max_len);
    poll.check()
        .map_err(|error| invalid("from_http_poll", &error))?;
    Ok(RustSource::new(poll, |py, body: Vec<u8>| {
        Ok(Some(Value::from(PyBytes::new(py, &body).into_any())))
    }))
}

/// Options of all requests.
pub(super) fn options(
    headers: Vec<(String, String)>,
    connect_timeout: f64,
    follow_anywhere: bool,
) -> PyResult<RequestOptions> {
    let mut options = RequestOptions::new().connect_timeout(seconds(connect_timeout)?);
    for (name, value) in headers {
        options = options.header(name, value);
    }
    Ok(match follow_anywhere {
        true => options.follow_anywhere(),
        false => options,
    })
}

fn invalid(source: &str, error: &WebError) -> PyErr {
    PyValueError::new_err(format!("{source}: {error}"))
}

impl Sourced for SseSource {}

impl Sourced for HttpLines<String> {}

impl Sourced for HttpPoll {}
