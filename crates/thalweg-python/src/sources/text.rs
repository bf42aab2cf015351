use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Mutex;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString};
use thalweg::BoxError;
use thalweg_io::{LineBuffer, LineError, Lines, Reader, TextFile};

use super::bridge::{RustSource, Sourced};
use super::error::to_exception;
use crate::lock::lock;
use crate::sql::Position;
use crate::value::Value;

/// `from_textfile`: the lines of a file, which is followed: all, or those after its first bytes, or after a position.
#[pyfunction]
#[pyo3(signature = (path, delimiter, poll_interval, from_end, max_len, position=None))]
pub(super) fn text_file(
    path: PathBuf,
    delimiter: &str,
    poll_interval: f64,
    from_end: Option<u64>,
    max_len: usize,
    position: Option<PyRef<'_, Position>>,
) -> PyResult<RustSource> {
    let mut file = TextFile::new(path)
        .lines(text(delimiter, max_len))
        .poll_interval(crate::interval::seconds(poll_interval)?);
    if let Some(len) = from_end {
        file = file.from_end_of(len);
    }
    if let Some(position) = position {
        file = file.position(&position.0);
    }
    Ok(RustSource::new(file, to_text(delimiter)))
}

/// The same for a named pipe: read on a separate thread, repeatedly as others open it.
#[pyfunction]
pub(super) fn pipe(path: PathBuf, delimiter: &str, max_len: usize) -> RustSource {
    let reader = Reader::new(Pipe::named(path)).lines(text(delimiter, max_len));
    RustSource::new(reader, to_text(delimiter))
}

/// The lines of a pipe that is open in this process, as text. `ahead` has been read from it already; `decode` makes text
/// of a line that is not UTF-8.
#[pyfunction]
#[pyo3(signature = (number, delimiter, max_len, ahead, decode=None))]
pub(super) fn open_pipe(
    number: u32,
    delimiter: &[u8],
    max_len: usize,
    ahead: Vec<u8>,
    decode: Option<Py<PyAny>>,
) -> PyResult<RustSource> {
    let reader = Reader::new(io::Cursor::new(ahead).chain(Pipe::open(number)));
    let Some(decode) = decode else {
        let delimiter = String::from_utf8(delimiter.to_vec())?;
        let reader = reader.lines(text(&delimiter, max_len));
        return Ok(RustSource::new(reader, to_text(&delimiter)));
    };
    let reader = reader.lines(bytes(delimiter, max_len));
    Ok(RustSource::new(reader, move |py, line: Vec<u8>| {
        let line = decode.bind(py).call1((PyBytes::new(py, &line),))?;
        Ok(Some(Value::from(line)))
    }))
}

/// The lines that a process writes to a pipe that is open in this one, as bytes. A last line without an ending counts,
/// unless `with_end` is false.
#[pyfunction]
pub(super) fn output(number: u32, delimiter: &[u8], with_end: bool, max_len: usize) -> RustSource {
    let delimiter = delimiter.to_owned();
    let reader = Reader::new(Pipe::open(number)).lines(bytes(&delimiter, max_len));
    RustSource::new(reader, move |py, line: Vec<u8>| {
        let is_line = with_end || line.ends_with(&delimiter);
        Ok(is_line.then(|| Value::from(PyBytes::new(py, &line).into_any())))
    })
}

fn text(delimiter: &str, max_len: usize) -> Lines<String> {
    let lines = Lines::text().delimiter(delimiter);
    lines.keep_delimiter(true).max_len(max_len)
}

fn bytes(delimiter: &[u8], max_len: usize) -> Lines<Vec<u8>> {
    let lines = Lines::bytes().delimiter(delimiter);
    lines.keep_delimiter(true).max_len(max_len)
}

/// Converts a line to a `str`. `\r\n` becomes `\n`, as in files that Python opens, unless lines are split at a `\r`.
fn to_text(
    delimiter: &str,
) -> impl Fn(Python<'_>, String) -> PyResult<Option<Value>> + Send + Sync + use<> {
    let translates = !delimiter.contains('\r');
    // Where lines end, that is at their ends only.
    let may_have = match delimiter {
        "\n" => |line: &str| line.ends_with("\r\n"),
        _ => |line: &str| line.contains("\r\n"),
    };
    move |py, line| {
        let text = if translates && may_have(&line) {
            PyString::new(py, &line.replace("\r\n", "\n"))
        } else {
            PyString::new(py, &line)
        };
        Ok(Some(Value::from(text.into_any())))
    }
}

impl Sourced for TextFile<String> {
    fn rest(&mut self) -> Result<Option<String>, BoxError> {
        Ok(self.take_rest()?)
    }
}

impl Sourced for Reader<String> {}

impl Sourced for Reader<Vec<u8>> {}

/// A pipe as a reader. It is opened by the first read, which waits for a writer.
struct Pipe {
    path: PathBuf,
    /// Whether it is opened again after its last writer has closed it.
    reopens: bool,
    open: Option<File>,
}

impl Pipe {
    fn named(path: PathBuf) -> Self {
        Self {
            path,
            reopens: true,
            open: None,
        }
    }

    /// The pipe of a file descriptor.
    fn open(number: u32) -> Self {
        Self {
            path: format!("/dev/fd/{number}").into(),
            reopens: false,
            open: None,
        }
    }
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let file = match &mut self.open {
                Some(file) => file,
                none => none.insert(File::open(&self.path)?),
            };
            match file.read(buffer)? {
                0 if self.reopens => self.open = None,
                count => return Ok(count),
            }
        }
    }
}

/// Splits bytes into lines for a source that gets its bytes in Python.
///
/// Boxed: the buffer may ask for a larger alignment than Python's allocator gives.
#[pyclass(frozen, module = "thalweg._thalweg.sources")]
pub(super) struct LineSplitter(Mutex<Box<LineBuffer<Vec<u8>>>>);

#[pymethods]
impl LineSplitter {
    /// # Errors
    /// The delimiter is empty.
    #[new]
    fn new(delimiter: &[u8], max_len: usize) -> PyResult<Self> {
        let buffer = bytes(delimiter, max_len).buffer();
        let buffer = buffer.map_err(|error| PyValueError::new_err(error.to_string()))?;
        Ok(Self(Mutex::new(Box::new(buffer))))
    }

    /// Adds bytes; returns the completed lines, with their delimiters, and an exception in place of each that is too
    /// long.
    fn feed<'py>(&self, py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyList>> {
        let mut buffer = lock(&self.0);
        buffer.push(bytes);
        list(py, std::iter::from_fn(|| buffer.next_line()))
    }

    /// Returns the rest after the last delimiter, like `feed`.
    fn finish<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        list(py, lock(&self.0).finish())
    }
}

fn list(
    py: Python<'_>,
    lines: impl IntoIterator<Item = Result<Vec<u8>, LineError>>,
) -> PyResult<Bound<'_, PyList>> {
    let list = PyList::empty(py);
    for line in lines {
        match line {
            Ok(line) => list.append(PyBytes::new(py, &line))?,
            Err(error) => list.append(to_exception(py, &error).value(py))?,
        }
    }
    Ok(list)
}
