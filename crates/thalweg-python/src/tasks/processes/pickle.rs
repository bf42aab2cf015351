//! Objects as payloads: pickled, with large buffers beside the pickle, in shared memory.

use std::io::{self, Write};
use std::ops::Range;
use std::sync::Mutex;

use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyByteArray, PyBytes, PyDict, PySlice};
use thalweg_tasks::process::{LARGE, Payload, Pieces, SHARED, SharedFile, most_open};

use crate::lock::lock;
use crate::upcalls;

/// Buffers that are too large to be copied into the pickle.
#[pyclass(frozen)]
struct Buffers(Mutex<Vec<Py<PyAny>>>);

#[pymethods]
impl Buffers {
    /// Whether a buffer is copied into the pickle: small ones are.
    fn __call__(&self, buffer: &Bound<'_, PyAny>) -> PyResult<bool> {
        let raw = match buffer.call_method0("raw") {
            Ok(raw) => raw,
            // It is not contiguous.
            Err(_) => return Ok(true),
        };
        if raw.getattr("nbytes")?.extract::<usize>()? < LARGE {
            return Ok(true);
        }
        lock(&self.0).push(raw.unbind());
        Ok(false)
    }
}

/// Hashes a pickle by its contents.
pub(crate) type Digest = [u8; 16];

/// A pickle, and the buffers beside it, not copied yet.
pub(crate) struct Pickled<'py> {
    head: Bound<'py, PyBytes>,
    buffers: Vec<Py<PyAny>>,
    /// Plain pickle suffices.
    pub(crate) is_plain: bool,
}

struct Functions {
    dumps: Py<PyAny>,
    loads: Py<PyAny>,
    /// Reads the names of modules that may have to be imported.
    loads_imports: Py<PyAny>,
    protocol: Py<PyDict>,
    /// Fallback for objects that plain pickle cannot write, or not in a form that every process understands.
    again: Py<PyAny>,
    blake2b: Py<PyAny>,
    write: Py<PyAny>,
    mapped: Py<PyAny>,
}

fn functions(py: Python<'_>) -> PyResult<&Functions> {
    static FUNCTIONS: PyOnceLock<Functions> = PyOnceLock::new();
    FUNCTIONS.get_or_try_init(py, || {
        let pickle = py.import("pickle")?;
        let protocol = PyDict::new(py);
        protocol.set_item("protocol", 5)?;
        Ok(Functions {
            dumps: pickle.getattr("dumps")?.unbind(),
            loads: pickle.getattr("loads")?.unbind(),
            protocol: protocol.unbind(),
            loads_imports: upcalls::TASKS.get(py, "loads")?.unbind(),
            again: upcalls::TASKS.get(py, "again")?.unbind(),
            blake2b: py.import("hashlib")?.getattr("blake2b")?.unbind(),
            write: py.import("os")?.getattr("write")?.unbind(),
            mapped: upcalls::TASKS.get(py, "mapped")?.unbind(),
        })
    })
}

/// Pickles an object.
///
/// # Errors
/// The object cannot be pickled.
pub(crate) fn dump<'py>(object: &Bound<'py, PyAny>) -> PyResult<Pickled<'py>> {
    let py = object.py();
    let functions = functions(py)?;
    let collector = Bound::new(py, Buffers(Mutex::default()))?;
    let options = functions.protocol.bind(py).copy()?;
    options.set_item("buffer_callback", &collector)?;
    let mut is_plain = true;
    let head = match functions.dumps.bind(py).call((object,), Some(&options)) {
        Ok(head) if !mentions_main(head.cast::<PyBytes>()?.as_bytes()) => head,
        // The other process has its own main module.
        Ok(_) | Err(_) => {
            is_plain = false;
            lock(&collector.get().0).clear();
            functions.again.bind(py).call1((object, &collector))?
        }
    };
    let buffers = std::mem::take(&mut *lock(&collector.get().0));
    Ok(Pickled {
        head: head.cast_into()?,
        buffers,
        is_plain,
    })
}

/// Opcode of a pickle that looks up a name in a module, importing it if necessary.
const STACK_GLOBAL: u8 = 0x93;

fn mentions_main(head: &[u8]) -> bool {
    memchr::memmem::find(head, b"__main__").is_some()
}

impl<'py> Pickled<'py> {
    /// Total number of bytes.
    pub(crate) fn len(&self) -> PyResult<usize> {
        let py = self.head.py();
        let mut len = self.head.as_bytes().len();
        for buffer in &self.buffers {
            len += buffer.bind(py).getattr("nbytes")?.extract::<usize>()?;
        }
        Ok(len)
    }

    /// Digest: equal for equal pickles only.
    pub(crate) fn digest(&self) -> PyResult<Digest> {
        let py = self.head.py();
        let options = PyDict::new(py);
        options.set_item("digest_size", size_of::<Digest>())?;
        let blake2b = functions(py)?.blake2b.bind(py);
        let hash = blake2b.call((&self.head,), Some(&options))?;
        for buffer in &self.buffers {
            hash.call_method1("update", (buffer,))?;
        }
        hash.call_method0("digest")?.extract()
    }

    /// Copies the buffers into shared memory.
    pub(crate) fn into_parcel(self) -> PyResult<Payload> {
        if self.len()? > SHARED {
            match self.in_file() {
                Ok(Some(payload)) => return Ok(payload),
                // Without a memory file, it goes through the socket.
                Ok(None) => {}
                Err(error) if error.is_instance_of::<PyOSError>(self.head.py()) => {}
                Err(error) => return Err(error),
            }
        }
        let py = self.head.py();
        let mut buffers = Vec::with_capacity(self.buffers.len());
        for buffer in &self.buffers {
            let copy = buffer.bind(py).call_method0("tobytes")?;
            buffers.push(copy.cast_into::<PyBytes>()?);
        }
        let mut pieces = vec![self.head.as_bytes()];
        pieces.extend(buffers.iter().map(|buffer| buffer.as_bytes()));
        Ok(Payload::of_pieces(&pieces)?)
    }

    /// A payload in a memory file, if another one may be created.
    fn in_file(&self) -> PyResult<Option<Payload>> {
        let py = self.head.py();
        let mut lens = vec![self.head.as_bytes().len() as u64];
        for buffer in &self.buffers {
            lens.push(buffer.bind(py).getattr("nbytes")?.extract()?);
        }
        // The exception is not an `OSError`.
        let mut raised = None;
        let payload = Payload::in_file(lens, |mut file, piece| match piece.checked_sub(1) {
            None => file.write_all(self.head.as_bytes()),
            Some(buffer) => write(self.buffers[buffer].bind(py), file).map_err(|error| {
                let message = io::Error::other(error.to_string());
                raised = Some(error);
                message
            }),
        });
        match (payload, raised) {
            (_, Some(error)) => Err(error),
            (payload, None) => Ok(payload?),
        }
    }
}

/// Writes a buffer to a file.
fn write(buffer: &Bound<'_, PyAny>, file: &SharedFile) -> PyResult<()> {
    let py = buffer.py();
    let write = functions(py)?.write.bind(py);
    let len = buffer.getattr("nbytes")?.extract::<isize>()?;
    let mut written = 0;
    while written < len {
        let rest = buffer.get_item(PySlice::new(py, written, len, 1))?;
        written += write.call1((file.descriptor(), rest))?.extract::<isize>()?;
    }
    Ok(())
}

/// Unpickles a payload.
///
/// Payloads come from the engine's own processes only: the sockets between them have no name under which others could
/// find them.
pub(crate) fn load<'py>(py: Python<'py>, payload: &Payload) -> PyResult<Bound<'py, PyAny>> {
    let functions = functions(py)?;
    let (head, buffers) = match payload.pieces()? {
        Pieces::Bytes(pieces) => {
            let (head, buffers) = pieces.split_first().ok_or_else(empty)?;
            let buffers = buffers.iter().map(|buffer| PyByteArray::new(py, buffer));
            (
                PyBytes::new(py, head),
                buffers.map(Bound::into_any).collect(),
            )
        }
        Pieces::File { file, len, places } => {
            let head = PyBytes::new(py, &payload.bytes()?);
            (
                head,
                in_memory(py, file, len, places.get(1..).unwrap_or(&[]))?,
            )
        }
    };
    // Opcode of a name that is looked up in a module.
    let loads = match memchr::memchr(STACK_GLOBAL, head.as_bytes()) {
        None => functions.loads.bind(py),
        Some(_) => functions.loads_imports.bind(py),
    };
    if buffers.is_empty() {
        return loads.call1((head,));
    }
    let options = PyDict::new(py);
    options.set_item("buffers", buffers)?;
    loads.call((head,), Some(&options))
}

fn empty() -> PyErr {
    PyOSError::new_err("a payload without anything in it")
}

/// The buffers of a file: as views of one mapping, while there are not too many of these, each of which may keep a file
/// open; otherwise copied.
fn in_memory<'py>(
    py: Python<'py>,
    file: &SharedFile,
    len: u64,
    places: &[Range<u64>],
) -> PyResult<Vec<Bound<'py, PyAny>>> {
    if places.is_empty() {
        return Ok(Vec::new());
    }
    let args = (file.descriptor(), len, most_open());
    let mapped = functions(py)?.mapped.bind(py).call1(args)?;
    let buffer = |place: &Range<u64>| {
        if mapped.is_none() {
            let len = usize::try_from(place.end - place.start)?;
            let fill = |bytes: &mut [u8]| Ok(file.read_at(bytes, place.start)?);
            return Ok(PyByteArray::new_with(py, len, fill)?.into_any());
        }
        let (start, end) = (isize::try_from(place.start)?, isize::try_from(place.end)?);
        mapped.get_item(PySlice::new(py, start, end, 1))
    };
    places.iter().map(buffer).collect()
}
