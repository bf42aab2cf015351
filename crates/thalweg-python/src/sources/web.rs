use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use thalweg_io::sse::SseSource;
use thalweg_io::{Sse, SseEvent};

use super::bridge::{RustSource, Sourced};
use crate::interval::seconds;
use crate::value::Value;

/// `from_sse`: the events of a feed, each of which `make` makes an object of, given id, type and data.
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
) -> PyResult<RustSource> {
    let mut feed = Sse::new(url)
        .last_event_id(last_event_id)
        .connect_timeout(seconds(connect_timeout)?)
        .idle_timeout(seconds(idle_timeout)?)
        .wait(seconds(wait)?)
        .max_wait(seconds(max_wait)?)
        .max_len(max_len);
    for (name, value) in headers {
        feed = feed.header(name, value);
    }
    if follow_anywhere {
        feed = feed.follow_anywhere();
    }
    feed.check()
        .map_err(|error| PyValueError::new_err(format!("from_sse: {error}")))?;
    Ok(RustSource::new(
        SseSource::from(feed),
        move |py, event: SseEvent| {
            let parts = (event.id, event.event, event.data);
            let parts = parts.into_pyobject(py)?.cast_into::<PyTuple>()?;
            Ok(Some(Value::from(make.bind(py).call1(parts)?)))
        },
    ))
}

impl Sourced for SseSource {}
