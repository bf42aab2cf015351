//! Elements between `scatter` and `gather`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};
use thalweg::ops::Promise;
use thalweg_tasks::parallel::{self, Outcome, Part, Queue};

use super::step::{Action, Objects};
use crate::upcalls;
use crate::value::Value;
use crate::{call, gil};

/// An element of a stream on an engine: a promise of a value.
///
/// `result` blocks until the value is available; in a coroutine, await the element. Sinks of a parallel stream get
/// these; after `gather` there are values.
///
/// Examples
/// --------
/// >>> from thalweg import Stream
/// >>> source = Stream()
/// >>> L = source.scatter(backend="thread").map(pow, 2).sink_to_list()
/// >>> source.emit(3)
/// >>> L[0].result(timeout=60)
/// 9
#[pyclass(frozen, weakref, module = "thalweg.parallel")]
pub(crate) struct Element {
    what: What,
    queue: Arc<Queue<Objects>>,
    /// 1-based position in the stream that it comes from.
    pub(super) ordinal: u64,
}

enum What {
    /// A value without any steps.
    Bare(Value),
    Part(Part<Objects>),
}

/// An object as an element, if it is one.
pub(super) fn element_of<'a, 'py>(x: &'a Bound<'py, PyAny>) -> Option<&'a Bound<'py, Element>> {
    x.cast_exact::<Element>().ok()
}

impl Element {
    pub(super) fn bare(queue: &Arc<Queue<Objects>>, value: Value, ordinal: u64) -> Self {
        Self {
            what: What::Bare(value),
            queue: queue.clone(),
            ordinal,
        }
    }

    pub(super) fn of(part: Part<Objects>, ordinal: u64) -> Self {
        Self {
            queue: part.queue().clone(),
            what: What::Part(part),
            ordinal,
        }
    }

    /// An element that applies a step to this one.
    pub(super) fn then(&self, step: &Arc<Action>) -> Part<Objects> {
        match &self.what {
            What::Bare(value) => Part::first(&self.queue, value.clone(), step.clone()),
            What::Part(part) => part.clone().then(step.clone()),
        }
    }

    pub(super) fn part(&self) -> Part<Objects> {
        match &self.what {
            What::Bare(value) => Part::settled(&self.queue, Outcome::Value(value.clone())),
            What::Part(part) => part.clone(),
        }
    }

    pub(super) fn launch(&self) {
        if let What::Part(part) = &self.what {
            part.launch();
        }
    }

    pub(super) fn outcome(&self) -> Option<Outcome<Objects>> {
        match &self.what {
            What::Bare(value) => Some(Outcome::Value(value.clone())),
            What::Part(part) => part.outcome(),
        }
    }

    fn is_settled(&self) -> bool {
        match &self.what {
            What::Bare(_) => true,
            What::Part(part) => part.is_settled(),
        }
    }

    fn poll_settled(&self, cx: &mut Context<'_>) -> Poll<()> {
        match &self.what {
            What::Bare(_) => Poll::Ready(()),
            What::Part(part) => part.poll_settled(cx),
        }
    }

    /// Blocks this thread, without the GIL, until the outcome is known.
    pub(super) fn wait(&self, py: Python<'_>) {
        parallel::send_held();
        let parker = Arc::new(Parker {
            thread: std::thread::current(),
            is_woken: AtomicBool::new(false),
        });
        let waker = Waker::from(parker.clone());
        let mut cx = Context::from_waker(&waker);
        while self.poll_settled(&mut cx).is_pending() {
            gil::detach(py, || {
                while !parker.is_woken.swap(false, Ordering::Acquire) {
                    std::thread::park();
                }
            });
        }
    }
}

struct Parker {
    thread: Thread,
    is_woken: AtomicBool,
}

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        self.is_woken.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

/// Calls a Python function once.
struct Told(std::sync::Mutex<Option<Py<PyAny>>>);

impl Wake for Told {
    fn wake(self: Arc<Self>) {
        let callback = crate::lock::lock(&self.0).take();
        if let Some(callback) = callback {
            gil::attach(|py| call::reporting(callback.bind(py), ()));
        }
    }
}

#[pymethods]
impl Element {
    /// Failures are reported elsewhere.
    #[classattr]
    #[pyo3(name = "is_on_engine")]
    const IS_ON_ENGINE: bool = true;

    /// Wait for the value.
    ///
    /// Raises
    /// ------
    /// TimeoutError
    ///     It has not come in `timeout` seconds.
    /// LookupError
    ///     A filter has dropped it.
    ///
    /// Examples
    /// --------
    /// >>> from thalweg import Stream
    /// >>> source = Stream()
    /// >>> L = source.scatter(backend="thread").filter(None).sink_to_list()
    /// >>> source.emit(0)
    /// >>> L[0].result(timeout=60)
    /// Traceback (most recent call last):
    /// LookupError: the element was dropped by a filter
    #[pyo3(signature = (timeout=None))]
    fn result<'py>(slf: &Bound<'py, Self>, timeout: Option<f64>) -> PyResult<Bound<'py, PyAny>> {
        upcalls::PARALLEL.call(slf.py(), "result", (slf, timeout))
    }

    fn __await__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        upcalls::PARALLEL.call(slf.py(), "awaited", (slf,))
    }

    /// Calls `callback()` on some thread when the outcome is known; at once if it is.
    fn _when_known(&self, py: Python<'_>, callback: Py<PyAny>) -> PyResult<()> {
        self.launch();
        let told = Told(std::sync::Mutex::new(Some(callback.clone_ref(py))));
        let waker = Waker::from(Arc::new(told));
        if self
            .poll_settled(&mut Context::from_waker(&waker))
            .is_ready()
        {
            callback.call0(py)?;
        }
        Ok(())
    }

    /// The value in a tuple; an empty tuple if it was dropped, `None` if the outcome is unknown. Raises the failure.
    fn _outcome(&self, py: Python<'_>) -> PyResult<Option<Vec<Py<PyAny>>>> {
        match self.outcome() {
            None => Ok(None),
            Some(Outcome::Dropped) => Ok(Some(Vec::new())),
            Some(Outcome::Value(value)) => Ok(Some(vec![value.into_object()])),
            Some(Outcome::Failed(failed)) => Err(failed.exception.clone_ref(py)),
        }
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(match self.outcome() {
            None => "Element(pending)".to_owned(),
            Some(Outcome::Dropped) => "Element(dropped)".to_owned(),
            Some(Outcome::Value(value)) => format!("Element({})", value.bind(py).repr()?),
            Some(Outcome::Failed(failed)) => {
                format!("Element({})", failed.exception.value(py).repr()?)
            }
        })
    }

    /// Only values that nothing else references are visited.
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        match &self.what {
            What::Bare(value) => visit.call(value.object()),
            What::Part(part) if part.is_alone() => {
                let seen = part.look(|outcome| match outcome {
                    Outcome::Value(value) => visit.call(value.object()),
                    _ => Ok(()),
                });
                seen.unwrap_or(Ok(()))
            }
            What::Part(_) => Ok(()),
        }
    }
}

/// Other objects are returned unchanged.
impl Promise for Value {
    fn is_settled(&self) -> bool {
        gil::held(|py| element_of(self.bind(py)).is_none_or(|x| x.get().is_settled()))
    }

    fn poll_settled(&self, cx: &mut Context<'_>) -> Poll<()> {
        gil::held(|py| match element_of(self.bind(py)) {
            Some(x) => x.get().poll_settled(cx),
            None => Poll::Ready(()),
        })
    }
}
