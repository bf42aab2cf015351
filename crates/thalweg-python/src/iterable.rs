//! Elements of a Python iterable on their way into a pipeline.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use pyo3::prelude::*;

use crate::call;
use crate::last_value::LastValue;
use crate::lock::lock;
use crate::value::Value;

/// Something that is set or not, for threads to look at.
#[pyclass(frozen, module = "thalweg._thalweg")]
pub(crate) struct Flag(Arc<AtomicBool>);

#[pymethods]
impl Flag {
    #[new]
    fn new(is_set: bool) -> Self {
        Self(Arc::new(AtomicBool::new(is_set)))
    }

    #[getter]
    fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    #[setter]
    fn set_is_set(&self, is_set: bool) {
        self.0.store(is_set, Ordering::Relaxed);
    }
}

/// The next `n` elements of an iterator, or fewer if `stop` gets set: what a source emits at a time. The
/// rest stays in the iterator.
#[pyclass(frozen, module = "thalweg._thalweg")]
pub(crate) struct Batch {
    iterator: Py<PyAny>,
    n: usize,
    stop: Arc<AtomicBool>,
    end: Arc<End>,
}

/// How an iterator ended.
#[derive(Default)]
struct End {
    is_over: AtomicBool,
    problem: Mutex<Option<PyErr>>,
}

#[pymethods]
impl Batch {
    #[new]
    fn new(iterator: Py<PyAny>, n: usize, stop: &Flag) -> Self {
        Self {
            iterator,
            n,
            stop: stop.0.clone(),
            end: Arc::default(),
        }
    }

    /// Whether the iterator has no more.
    #[getter]
    fn is_over(&self) -> bool {
        self.end.is_over.load(Ordering::Relaxed)
    }

    /// The iterator's own exception.
    #[getter]
    fn problem(&self, py: Python<'_>) -> Option<PyErr> {
        lock(&self.end.problem)
            .as_ref()
            .map(|error| error.clone_ref(py))
    }
}

/// Elements as the engine takes them.
pub(crate) struct Elements {
    iterator: Py<PyAny>,
    left: usize,
    stop: Option<Arc<AtomicBool>>,
    end: Arc<End>,
    current: LastValue,
}

impl Elements {
    /// Elements of an iterable: all, or a batch.
    ///
    /// # Errors
    /// It is not iterable.
    pub(crate) fn new(elements: &Bound<'_, PyAny>, current: &LastValue) -> PyResult<Self> {
        let current = current.clone();
        if let Ok(batch) = elements.cast::<Batch>() {
            let batch = batch.get();
            return Ok(Self {
                iterator: batch.iterator.clone_ref(elements.py()),
                left: batch.n,
                stop: Some(batch.stop.clone()),
                end: batch.end.clone(),
                current,
            });
        }
        Ok(Self {
            iterator: elements.try_iter()?.into_any().unbind(),
            left: usize::MAX,
            stop: None,
            end: Arc::default(),
            current,
        })
    }

    /// The iterable's exception, raised once its elements have been sent.
    pub(crate) fn problem(&self) -> impl Fn(Python<'_>) -> Option<PyErr> + Send + 'static {
        let end = self.end.clone();
        move |py| lock(&end.problem).as_ref().map(|error| error.clone_ref(py))
    }
}

impl Iterator for Elements {
    type Item = Value;

    #[inline]
    fn next(&mut self) -> Option<Value> {
        let is_stopped = |stop: &Arc<AtomicBool>| stop.load(Ordering::Relaxed);
        if self.left == 0 || self.stop.as_ref().is_some_and(is_stopped) {
            return None;
        }
        self.left -= 1;
        crate::gil::held(|py| match call::next(self.iterator.bind(py)) {
            Ok(Some(x)) => {
                self.current.set(py, x.as_unbound());
                Some(Value::from(x))
            }
            Ok(None) => {
                self.left = 0;
                self.end.is_over.store(true, Ordering::Relaxed);
                None
            }
            Err(error) => {
                self.left = 0;
                crate::interrupt::note(py, &error);
                *lock(&self.end.problem) = Some(error);
                None
            }
        })
    }
}
