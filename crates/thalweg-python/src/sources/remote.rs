//! `read_url`, `write_url` and `from_url`: remote files.

use std::path::PathBuf;

use pyo3::exceptions::{PyImportError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};
use thalweg::Element;
use thalweg::ops::{MapAsync, SinkAsync, Step};
use thalweg_io::files::{CsvRow, Records};
use thalweg_io::remote::{TransferProgress, Transfers};
use thalweg_io::{
    Checksum, Lines, Remote, RemoteContent, RemoteError, RemoteFile, RemoteObject, UrlSource,
};

use super::bridge::{RustSource, Sourced};
use super::error::to_exception;
use super::files::one_byte;
use super::tcp::prefix_width;
use super::web::options;
use crate::blueprint::{Blueprint, Made};
use crate::gil;
use crate::interval::seconds;
use crate::node::Placement;
use crate::sql::Position;
use crate::value::Value;

/// Maximum number of elements of a node in progress or queued.
const MAX_WAITING: usize = 1024;

/// Settings for remote files.
#[pyclass(frozen, module = "thalweg._thalweg.sources")]
pub(super) struct RemoteSettings {
    remote: Remote,
    progress: TransferProgress,
}

#[pymethods]
impl RemoteSettings {
    #[new]
    #[expect(clippy::too_many_arguments, reason = "they are Python's")]
    fn new(
        login: (Option<String>, Option<String>),
        access_key: (Option<String>, Option<String>, Option<String>),
        service: (Option<String>, Option<String>, bool, Option<PathBuf>),
        requests: (Vec<(String, String)>, f64, bool),
        schemes: Option<Vec<String>>,
        retrying: (u32, f64, f64, f64),
        limits: (usize, u64, u64),
        parts: (u64, usize, bool),
    ) -> PyResult<Self> {
        let progress = TransferProgress::new();
        let (headers, connect_timeout, follow_anywhere) = requests;
        let (retries, wait, max_wait, time_limit) = retrying;
        let mut remote = Remote::new()
            .options(options(headers, connect_timeout, follow_anywhere)?)
            .retries(retries)
            .wait(seconds(wait)?)
            .max_wait(seconds(max_wait)?)
            .time_limit(seconds(time_limit)?)
            .max_in_flight(limits.0)
            .max_len(limits.1)
            .max_file_len(limits.2)
            .part_len(parts.0)
            .parallel(parts.1)
            .progress(&progress);
        if let (Some(user), password) = login {
            remote = remote.login(user, password.unwrap_or_default());
        }
        if let (Some(id), Some(secret), token) = access_key {
            remote = remote.access_key(id, secret);
            if let Some(token) = token {
                remote = remote.session_token(token);
            }
        }
        let (endpoint, region, is_anonymous, key_file) = service;
        if let Some(endpoint) = endpoint {
            remote = remote.endpoint(endpoint);
        }
        if let Some(region) = region {
            remote = remote.region(region);
        }
        if is_anonymous {
            remote = remote.anonymous();
        }
        if let Some(key_file) = key_file {
            remote = remote.key_file(key_file);
        }
        if let Some(schemes) = schemes {
            remote = remote.schemes(schemes);
        }
        if parts.2 {
            remote = remote.verify_etag();
        }
        Ok(Self { remote, progress })
    }

    /// Transferred bytes, and those of all started transfers.
    fn progress(&self) -> (u64, u64) {
        (self.progress.done(), self.progress.total())
    }
}

fn raised(error: RemoteError) -> PyErr {
    match invalid(&error) {
        Some(invalid) => invalid,
        None => gil::attach(|py| to_exception(py, &error)),
    }
}

/// The exception for an invalid or unsupported URL.
fn invalid(error: &RemoteError) -> Option<PyErr> {
    match error {
        RemoteError::NotBuilt { url, feature } => Some(PyImportError::new_err(format!(
            "cannot use {url:?}: this package was built without the feature `{feature}`; build it with \
             `pip install . --config-settings=build-args=--features={feature}`"
        ))),
        RemoteError::Invalid { .. } => Some(PyValueError::new_err(error.to_string())),
        _ => None,
    }
}

/// URL, local file, and checksums by their algorithms.
type FileParts = (String, Option<PathBuf>, Vec<(String, String)>);

fn to_file(x: &Bound<'_, PyAny>, take_apart: &Py<PyAny>) -> PyResult<RemoteFile> {
    if let Ok(url) = x.cast::<PyString>() {
        return Ok(RemoteFile::new(url.to_cow()?));
    }
    let (url, path, checksums): FileParts = take_apart.bind(x.py()).call1((x,))?.extract()?;
    let mut file = RemoteFile::new(url);
    file.file = path;
    for (algorithm, digits) in checksums {
        file = file.checksum(match algorithm.as_str() {
            "sha256" => Checksum::sha256(digits),
            "md5" => Checksum::md5(digits),
            _ => Checksum::crc32c(digits),
        });
    }
    Ok(file)
}

/// `read_url`: reads the files that elements name. `take_apart` returns URL, local file and checksums of an element
/// other than text, and `make` creates an object from URL, content, local file, length and tag.
#[pyfunction]
pub(super) fn read_url(
    placement: Placement<'_>,
    settings: &RemoteSettings,
    unordered: bool,
    take_apart: Py<PyAny>,
    make: Py<PyAny>,
) -> PyResult<()> {
    let transfers = Transfers::new(&settings.remote);
    let blueprint = Blueprint::new(move |context| {
        let read = move |x: &Value| {
            let file = gil::held(|py| to_file(x.bind(py), &take_apart))?;
            let read = transfers.read(file);
            Ok::<_, PyErr>(Step::Pending(async move { read.await.map_err(raised) }))
        };
        let contents: thalweg::Stream<RemoteContent> =
            (context.upstream).apply(MapAsync::stepwise(MAX_WAITING, !unordered, read));
        Made::finished(contents, context.current, move |py, content| {
            let body = PyBytes::new(py, &content.body);
            let parts = (content.url, body, content.file, content.len, content.etag);
            Ok(Value::from(make.bind(py).call1(parts)?))
        })
    });
    placement.apply(blueprint.on_loop())
}

/// `write_url`: writes elements as files; `take_apart` returns URL, content and local file.
#[pyfunction]
pub(super) fn write_url(
    placement: Placement<'_>,
    settings: &RemoteSettings,
    take_apart: Py<PyAny>,
) -> PyResult<()> {
    let transfers = Transfers::new(&settings.remote);
    let blueprint = Blueprint::new(move |context| {
        let sink = SinkAsync::stepwise(move |x: &Value| {
            let object = gil::held(|py| to_object(x.bind(py), &take_apart))?;
            let written = transfers.write(object);
            Ok::<_, PyErr>(Step::Pending(async move { written.await.map_err(raised) }))
        });
        let ends = context.upstream.apply(sink);
        // A sink has no outputs, but everything has an outlet for Python.
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

fn to_object(x: &Bound<'_, PyAny>, take_apart: &Py<PyAny>) -> PyResult<RemoteObject> {
    let parts = take_apart.bind(x.py()).call1((x,))?;
    let (url, body, file): (String, Vec<u8>, Option<PathBuf>) = parts.extract()?;
    let mut object = RemoteObject::new(url, body);
    object.file = file;
    Ok(object)
}

/// Checks a URL.
///
/// # Errors
/// `ValueError` for an invalid URL; `ImportError` if this build does not support its system.
#[pyfunction]
pub(super) fn check_remote_url(settings: &RemoteSettings, url: &str) -> PyResult<()> {
    let checked = settings.remote.check(url);
    checked.map_err(raised)
}

/// `from_url`: the chunks, lines or records of a file. `loads` parses lines of JSON.
///
/// # Errors
/// The format, the URL or an option is invalid.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "they are Python's")]
#[pyo3(signature = (url, settings, format, max_len, loads, delimiter, width, position=None))]
pub(super) fn from_url(
    url: &str,
    settings: &RemoteSettings,
    format: &str,
    max_len: usize,
    loads: Py<PyAny>,
    delimiter: &str,
    width: usize,
    position: Option<PyRef<'_, Position>>,
) -> PyResult<RustSource> {
    check_remote_url(settings, url)?;
    let remote = &settings.remote;
    let wrong = |error: &dyn std::error::Error| PyValueError::new_err(error.to_string());
    Ok(match format {
        "chunks" => bytes(made(url, remote, Records::chunks(), position)),
        "length_prefixed" => {
            let records = Records::length_prefixed(prefix_width(width)?).max_len(max_len);
            bytes(made(url, remote, records, position))
        }
        "lines" => {
            let records = Records::lines(Lines::text().max_len(max_len));
            let records = records.map_err(|error| wrong(&error))?;
            RustSource::new(made(url, remote, records, position), |py, line: String| {
                Ok(Some(Value::from(PyString::new(py, &line).into_any())))
            })
        }
        "jsonl" => {
            let records = Records::json_texts().max_len(max_len);
            let source = made(url, remote, records, position);
            RustSource::new(source, move |py, text: String| {
                Ok(Some(Value::from(loads.bind(py).call1((text,))?)))
            })
        }
        "csv" => {
            let records = Records::csv_rows_with(one_byte(delimiter)?).max_len(max_len);
            let source = made(url, remote, records, position);
            RustSource::new(source, |py, row: CsvRow| {
                let dict = PyDict::new(py);
                for (column, value) in row.iter() {
                    dict.set_item(PyString::intern(py, column), value)?;
                }
                Ok(Some(Value::from(dict.into_any())))
            })
        }
        other => {
            return Err(PyValueError::new_err(format!(
                "`format` is \"chunks\", \"lines\", \"jsonl\", \"csv\" or \"length_prefixed\", not {other:?}"
            )));
        }
    })
}

fn made<T>(
    url: &str,
    remote: &Remote,
    records: Records<T>,
    position: Option<PyRef<'_, Position>>,
) -> UrlSource<T> {
    let source = UrlSource::new(url, records).remote(remote.clone());
    match position {
        Some(position) => source.position(&position.0),
        None => source,
    }
}

fn bytes(source: UrlSource<Vec<u8>>) -> RustSource {
    RustSource::new(source, |py, bytes: Vec<u8>| {
        Ok(Some(Value::from(PyBytes::new(py, &bytes).into_any())))
    })
}

impl<T: Element> Sourced for UrlSource<T> {}
