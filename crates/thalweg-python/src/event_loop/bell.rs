//! A descriptor that wakes an asyncio loop without the GIL.
//!
//! `call_soon_threadsafe` writes to a socket and reads it again in Python, and each of these calls lets go of the GIL: with
//! threads that wait for it, every wake-up costs three changes of threads more than it has to.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use pyo3::exceptions::PyNotImplementedError;
use pyo3::prelude::*;
use rustix::event::{EventfdFlags, eventfd};

use super::handles::Handles;
use super::{EventLoop, Shared};
use crate::{gil, interpreter, interrupt};

/// The end that wakes. When it is dropped, the loop takes the other end down.
pub(super) struct Bell {
    descriptor: Arc<OwnedFd>,
    /// The thread that the loop has run on.
    thread: AtomicU64,
}

impl Bell {
    /// Hangs a bell on an asyncio loop that runs on this thread; not if the loop watches no descriptors, or there is none left.
    pub(super) fn hang(py: Python<'_>, event_loop: &EventLoop, handles: &Handles) -> Option<Self> {
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        let descriptor = Arc::new(eventfd(0, flags).ok()?);
        let rung = Rung {
            descriptor: descriptor.clone(),
            event_loop: event_loop.downgrade(),
            hangs_at: event_loop.identity_of_loop(),
        };
        let rung = Py::new(py, rung).ok()?;
        let number = descriptor.as_raw_fd();
        let object = handles.object.bind(py);
        let is_watched = interrupt::through(py, || {
            match object.call_method1("add_reader", (number, &rung)) {
                Ok(_) => Ok(true),
                Err(error) if error.is_instance_of::<PyNotImplementedError>(py) => Ok(false),
                Err(error) => Err(error),
            }
        });
        if !is_watched.ok()? {
            return None;
        }
        let thread = AtomicU64::new(interpreter::thread_id());
        Some(Self { descriptor, thread })
    }

    /// Wakes the loop from another thread, with or without the GIL. On the loop's own thread there are better ways: whether
    /// it has been rung.
    pub(super) fn ring(&self) -> bool {
        self.thread.load(Ordering::Relaxed) != interpreter::thread_id() && ring(&self.descriptor)
    }

    /// The loop runs on this thread.
    pub(super) fn note_thread(&self) {
        self.thread
            .store(interpreter::thread_id(), Ordering::Relaxed);
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        ring(&self.descriptor);
    }
}

/// A counter that is full is readable, too.
fn ring(descriptor: impl AsFd) -> bool {
    let rung = rustix::io::write(descriptor, &1_u64.to_ne_bytes());
    matches!(rung, Ok(_) | Err(rustix::io::Errno::AGAIN))
}

/// The loop's end: called when the bell has been rung.
#[pyclass(frozen, module = "thalweg._thalweg")]
struct Rung {
    descriptor: Arc<OwnedFd>,
    event_loop: Weak<Shared>,
    /// The asyncio loop that watches it.
    hangs_at: usize,
}

impl Rung {
    fn served(&self) -> Option<EventLoop> {
        let event_loop = EventLoop::upgrade(&self.event_loop)?;
        (event_loop.identity_of_loop() == self.hangs_at).then_some(event_loop)
    }
}

#[pymethods]
impl Rung {
    fn __call__(&self, py: Python<'_>) -> PyResult<()> {
        // Nothing to read means that it has been read before.
        let _ = rustix::io::read(&self.descriptor, &mut [0_u8; 8]);
        if let Some(event_loop) = self.served() {
            return event_loop.serve(py);
        }
        if let Some(running) = super::running(py)? {
            running.call_method1("remove_reader", (self.descriptor.as_raw_fd(),))?;
        }
        Ok(())
    }
}

/// A loop that lets go of it has been closed.
impl Drop for Rung {
    fn drop(&mut self) {
        if let Some(event_loop) = self.served() {
            gil::attach(|py| event_loop.check_closed(py));
        }
    }
}
