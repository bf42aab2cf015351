//! Objects as parcels: pickled, with large buffers beside the pickle, in memory that processes share.

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Mutex;

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyList};
use thalweg_tasks::process::{LARGE, Parcel, Shared};

use crate::lock::lock;

/// Buffers that are too large to be copied into the pickle.
#[pyclass(frozen)]
struct Buffers(Mutex<Vec<Py<PyAny>>>);

#[pymethods]
impl Buffers {
    /// Whether a buffer is to be copied into the pickle: small ones are.
    fn __call__(&self, buffer: &Bound<'_, PyAny>) -> PyResult<bool> {
        let raw = match buffer.call_method0("raw") {
            Ok(raw) => raw,
            // It is not one piece of memory.
            Err(_) => return Ok(true),
        };
        if raw.getattr("nbytes")?.extract::<usize>()? < LARGE {
            return Ok(true);
        }
        lock(&self.0).push(raw.unbind());
        Ok(false)
    }
}

/// Names a pickle by what is in it.
pub(crate) type Digest = [u8; 16];

/// A pickle, and the buffers beside it, not copied yet.
pub(crate) struct Pickled<'py> {
    head: Bound<'py, PyBytes>,
    buffers: Vec<Py<PyAny>>,
    /// Plain pickle could do it.
    pub(crate) is_plain: bool,
}

struct Functions {
    dumps: Py<PyAny>,
    loads: Py<PyAny>,
    /// Reads what names modules that may have to be imported.
    loads_imports: Py<PyAny>,
    protocol: Py<PyDict>,
    /// What is tried when an object cannot be pickled, or not so that every process understands it.
    again: Py<PyAny>,
    blake2b: Py<PyAny>,
    write: Py<PyAny>,
    mmap: Py<PyAny>,
    mmap_options: Py<PyDict>,
}

fn functions(py: Python<'_>) -> PyResult<&Functions> {
    static FUNCTIONS: PyOnceLock<Functions> = PyOnceLock::new();
    FUNCTIONS.get_or_try_init(py, || {
        let pickle = py.import("pickle")?;
        let pickling = py.import("thalweg.tasks.pickling")?;
        let mmap = py.import("mmap")?;
        let mmap_options = PyDict::new(py);
        // Whoever changes what came changes a copy.
        mmap_options.set_item("flags", mmap.getattr("MAP_PRIVATE")?)?;
        let protocol = PyDict::new(py);
        protocol.set_item("protocol", 5)?;
        Ok(Functions {
            dumps: pickle.getattr("dumps")?.unbind(),
            loads: pickle.getattr("loads")?.unbind(),
            protocol: protocol.unbind(),
            loads_imports: pickling.getattr("loads")?.unbind(),
            again: pickling.getattr("again")?.unbind(),
            blake2b: py.import("hashlib")?.getattr("blake2b")?.unbind(),
            write: py.import("os")?.getattr("write")?.unbind(),
            mmap: mmap.getattr("mmap")?.unbind(),
            mmap_options: mmap_options.unbind(),
        })
    })
}

/// Pickles an object.
///
/// # Errors
/// When it cannot be.
pub(crate) fn dump<'py>(object: &Bound<'py, PyAny>) -> PyResult<Pickled<'py>> {
    let py = object.py();
    let functions = functions(py)?;
    let collector = Bound::new(py, Buffers(Mutex::default()))?;
    let options = functions.protocol.bind(py).copy()?;
    options.set_item("buffer_callback", &collector)?;
    let mut is_plain = true;
    let head = match functions.dumps.bind(py).call((object,), Some(&options)) {
        Ok(head) if !mentions_main(head.cast::<PyBytes>()?.as_bytes()) => head,
        // The other process has a main module of its own.
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

/// The instruction of a pickle that looks a name up in a module, importing it if need be.
const STACK_GLOBAL: u8 = 0x93;

fn mentions_main(head: &[u8]) -> bool {
    memchr::memmem::find(head, b"__main__").is_some()
}

impl<'py> Pickled<'py> {
    /// How many bytes it is, all in all.
    pub(crate) fn len(&self) -> PyResult<usize> {
        let py = self.head.py();
        let mut len = self.head.as_bytes().len();
        for buffer in &self.buffers {
            len += buffer.bind(py).getattr("nbytes")?.extract::<usize>()?;
        }
        Ok(len)
    }

    /// Another object like the one that was pickled, which shares nothing with it that can be changed.
    pub(crate) fn copy(self) -> PyResult<Bound<'py, PyAny>> {
        let py = self.head.py();
        let buffers = PyList::empty(py);
        for buffer in &self.buffers {
            buffers.append(pyo3::types::PyByteArray::from(buffer.bind(py))?)?;
        }
        let options = PyDict::new(py);
        options.set_item("buffers", buffers)?;
        let loads = functions(py)?.loads.bind(py);
        loads.call((self.head,), Some(&options))
    }

    /// A number that another pickle has only if it is the same.
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

    /// Copies the buffers to where other processes see them.
    pub(crate) fn into_parcel(self) -> PyResult<Parcel> {
        let py = self.head.py();
        let shared = |buffer: &Py<PyAny>| share(buffer.bind(py));
        let buffers = self.buffers.iter().map(shared).collect::<PyResult<_>>()?;
        Ok(Parcel::new(self.head.as_bytes().to_vec(), buffers)?)
    }
}

/// Copies a buffer to where other processes see it.
fn share(buffer: &Bound<'_, PyAny>) -> PyResult<Shared> {
    let py = buffer.py();
    let write = functions(py)?.write.bind(py);
    let len = buffer.getattr("nbytes")?.extract::<usize>()?;
    let shared = Shared::written(|file| {
        let file: RawFd = file.as_raw_fd();
        let mut written = 0;
        while written < len {
            let rest = buffer
                .get_item(pyo3::types::PySlice::new(
                    py,
                    written as isize,
                    len as isize,
                    1,
                ))
                .map_err(io::Error::other)?;
            let more = write
                .call1((file, rest))
                .and_then(|more| more.extract::<usize>());
            written += more.map_err(io::Error::other)?;
        }
        Ok(())
    });
    Ok(shared?)
}

/// The object that a parcel stands for.
///
/// Parcels come from our own processes alone: the sockets between them have no name by which another could
/// find them.
pub(crate) fn load<'py>(py: Python<'py>, parcel: &Parcel) -> PyResult<Bound<'py, PyAny>> {
    let functions = functions(py)?;
    let head = PyBytes::new(py, &parcel.bytes()?);
    // The sign of a name that is to be found in a module.
    let loads = match memchr::memchr(STACK_GLOBAL, head.as_bytes()) {
        None => functions.loads.bind(py),
        Some(_) => functions.loads_imports.bind(py),
    };
    if parcel.buffers.is_empty() {
        return loads.call1((head,));
    }
    let buffers = PyList::empty(py);
    for shared in &parcel.buffers {
        let args = (shared.file().as_raw_fd(), shared.len());
        buffers.append(
            functions
                .mmap
                .bind(py)
                .call(args, Some(functions.mmap_options.bind(py)))?,
        )?;
    }
    let options = PyDict::new(py);
    options.set_item("buffers", buffers)?;
    loads.call((head,), Some(&options))
}
