use std::sync::Arc;
#[cfg(target_os = "linux")]
use std::sync::OnceLock;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

#[cfg(target_os = "linux")]
use super::wakeup_fd::WakeupFd;
use crate::{interpreter, interrupt};

/// An asyncio loop and its methods.
pub(super) struct Handles {
    pub(super) object: Py<PyAny>,
    pub(super) clock: Py<PyAny>,
    pub(super) call_soon: Py<PyAny>,
    pub(super) call_soon_threadsafe: Py<PyAny>,
    pub(super) call_at: Py<PyAny>,
    /// Whether it is one of asyncio's own classes, which record the thread they run on.
    notes_thread: bool,
    /// A finished future of the loop.
    pub(super) done: Py<PyAny>,
    /// Wakes the loop, once it has run; `None` if the loop cannot watch descriptors.
    #[cfg(target_os = "linux")]
    pub(super) wakeup_fd: OnceLock<Option<WakeupFd>>,
}

impl Handles {
    pub(super) fn new(object: &Bound<'_, PyAny>) -> PyResult<Arc<Self>> {
        let method = |name| Ok::<_, PyErr>(object.getattr(name)?.unbind());
        let done = object.call_method0("create_future")?;
        done.call_method1("set_result", (object.py().None(),))?;
        Ok(Arc::new(Self {
            done: done.unbind(),
            notes_thread: object.hasattr("_thread_id")?,
            clock: clock_of(object)?.unbind(),
            call_soon: method("call_soon")?,
            call_soon_threadsafe: method("call_soon_threadsafe")?,
            call_at: method("call_at")?,
            object: object.clone().unbind(),
            #[cfg(target_os = "linux")]
            wakeup_fd: OnceLock::new(),
        }))
    }

    /// Whether it runs on this thread.
    pub(super) fn is_here(&self, py: Python<'_>) -> bool {
        // Before Python 3.12, asking asyncio costs a system call, which is more than an element costs.
        if let Some(noted) = self.noted_thread(py)
            && let Ok(thread) = noted.extract::<u64>()
        {
            return thread == interpreter::thread_id();
        }
        self.is(running(py).ok().flatten().as_ref())
    }

    /// Id of the thread that the loop runs on, if it runs and records its thread.
    pub(super) fn noted_thread<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        if !self.notes_thread {
            return None;
        }
        let noted = self.object.bind(py).getattr(intern!(py, "_thread_id"));
        noted.ok().filter(|noted| !noted.is_none())
    }

    pub(super) fn is(&self, running: Option<&Bound<'_, PyAny>>) -> bool {
        running.is_some_and(|running| self.object.is(running))
    }

    pub(super) fn is_closed(&self, py: Python<'_>) -> bool {
        self.call_flag(py, "is_closed")
    }

    pub(super) fn is_running(&self, py: Python<'_>) -> bool {
        self.call_flag(py, "is_running")
    }

    fn call_flag(&self, py: Python<'_>, method: &str) -> bool {
        let object = self.object.bind(py);
        let answer = interrupt::through(py, || object.call_method0(method)?.is_truthy());
        answer.unwrap_or(false)
    }
}

/// The loop's clock. For asyncio's own loops it is bypassed: written in Python, it would run signal handlers, for every
/// timer.
fn clock_of<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = object.py();
    let ordinary = py
        .import("asyncio")?
        .getattr("BaseEventLoop")?
        .getattr("time")?;
    if object.get_type().getattr("time")?.is(&ordinary) {
        return py.import("time")?.getattr("monotonic");
    }
    object.getattr("time")
}

/// The asyncio loop that runs on this thread. It runs no Python code: a daemon thread may call this while the
/// interpreter ends, which stops threads that wait for the GIL.
pub(crate) fn running(py: Python<'_>) -> PyResult<Option<Bound<'_, PyAny>>> {
    static GET_RUNNING_LOOP: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let get = match GET_RUNNING_LOOP.get(py) {
        Some(get) => get,
        None => {
            // Without asyncio, or while it is being imported, no loop runs.
            let Ok(asyncio) = loaded(py)?.get_item("asyncio") else {
                return Ok(None);
            };
            let Ok(get) = asyncio.getattr("_get_running_loop") else {
                return Ok(None);
            };
            GET_RUNNING_LOOP.get_or_init(py, || get.unbind())
        }
    };
    let running = get.bind(py).call0()?;
    Ok((!running.is_none()).then_some(running))
}

/// The modules that have been imported.
fn loaded(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    py.import("sys")?.getattr("modules")
}
