//! A descriptor that wakes an asyncio loop without the GIL.
//!
//! `call_soon_threadsafe` writes to a socket and reads from it in Python, and releases the GIL in each of these calls:
//! with threads waiting for it, every wake-up would cost three thread switches more than necessary.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use pyo3::exceptions::PyNotImplementedError;
use pyo3::prelude::*;
use rustix::event::{EventfdFlags, eventfd};

use super::handles::Handles;
use super::{EventLoop, Shared};
use crate::{gil, interpreter, interrupt};

/// Wakes an asyncio loop. Dropping it makes the loop stop watching the descriptor.
pub(super) struct WakeupFd {
    descriptor: Arc<OwnedFd>,
    /// The thread on which the loop last ran.
    thread: AtomicU64,
}

impl WakeupFd {
    /// Makes an asyncio loop, which runs on this thread, watch a new descriptor. `None` if the loop cannot watch
    /// descriptors, or the process has none left.
    pub(super) fn register(
        py: Python<'_>,
        event_loop: &EventLoop,
        handles: &Handles,
    ) -> Option<Self> {
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        let descriptor = Arc::new(eventfd(0, flags).ok()?);
        let reader = Reader {
            descriptor: descriptor.clone(),
            event_loop: event_loop.downgrade(),
            watched_by: event_loop.identity_of_loop(),
        };
        let reader = Py::new(py, reader).ok()?;
        let number = descriptor.as_raw_fd();
        let object = handles.object.bind(py);
        let is_watched = interrupt::through(py, || {
            match object.call_method1("add_reader", (number, &reader)) {
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

    /// Wakes the loop from another thread, with or without the GIL. Returns false on the loop's own thread, where there
    /// are better ways.
    pub(super) fn wake(&self) -> bool {
        self.thread.load(Ordering::Relaxed) != interpreter::thread_id()
            && write_to(&self.descriptor)
    }

    /// Records that the loop runs on this thread.
    pub(super) fn note_thread(&self) {
        self.thread
            .store(interpreter::thread_id(), Ordering::Relaxed);
    }
}

impl Drop for WakeupFd {
    fn drop(&mut self) {
        write_to(&self.descriptor);
    }
}

/// A full counter is readable, too.
fn write_to(descriptor: impl AsFd) -> bool {
    let written = rustix::io::write(descriptor, &1_u64.to_ne_bytes());
    matches!(written, Ok(_) | Err(rustix::io::Errno::AGAIN))
}

/// Callback of the loop for a readable descriptor.
#[pyclass(frozen, module = "thalweg._thalweg")]
struct Reader {
    descriptor: Arc<OwnedFd>,
    event_loop: Weak<Shared>,
    /// The asyncio loop that watches it.
    watched_by: usize,
}

impl Reader {
    fn served(&self) -> Option<EventLoop> {
        let event_loop = EventLoop::upgrade(&self.event_loop)?;
        (event_loop.identity_of_loop() == self.watched_by).then_some(event_loop)
    }
}

#[pymethods]
impl Reader {
    fn __call__(&self, py: Python<'_>) -> PyResult<()> {
        // If there is nothing to read, it has been read before.
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

/// A loop that drops the callback has been closed.
impl Drop for Reader {
    fn drop(&mut self) {
        if let Some(event_loop) = self.served() {
            gil::attach(|py| event_loop.check_closed(py));
        }
    }
}
