//! Elements of a Python iterable on their way into a pipeline.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use pyo3::exceptions::PyTimeoutError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyList, PyRange, PySlice, PyString, PyTuple, PyType};
use thalweg::{EmitMany, HostBatches, Stream};

use crate::last_value::LastValue;
use crate::lock::lock;
use crate::value::Value;
use crate::{call, contention, gil, interrupt};

/// A flag shared between threads.
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

/// The next `n` elements of an iterator, or fewer if `stop` gets set: one emission of a source. The rest stays in the
/// iterator.
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

    /// Whether the iterator is exhausted.
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

/// A batch as one of the interpreter's own sequences, which nobody else changes: a list, a tuple or a range, whose
/// numbers are created as they are needed.
pub(crate) struct SequenceBatch(pub(crate) Py<PyAny>);

impl IntoIterator for SequenceBatch {
    type Item = Value;
    type IntoIter = std::vec::IntoIter<Value>;

    fn into_iter(self) -> Self::IntoIter {
        let values: Vec<_> = gil::held(|py| {
            let elements = self.0.bind(py).try_iter();
            let elements = elements.into_iter().flatten();
            elements.map_while(Result::ok).map(Value::from).collect()
        });
        values.into_iter()
    }
}

/// Origin of the elements.
enum Source {
    Iterator(Py<PyAny>),
    /// A sequence, which can be sliced, and the number of elements taken.
    Sequence(Py<PyAny>, usize),
}

/// The elements, as an iterator for the engine.
pub(crate) struct Elements {
    from: Source,
    left: usize,
    /// Whether several elements may be taken at a time.
    in_batches: bool,
    stop: Option<Arc<AtomicBool>>,
    end: Arc<End>,
    current: LastValue,
    ends_with_interrupt: bool,
    /// When an interrupt was seen first.
    interrupted: Option<Instant>,
}

/// Time in which a sequence may be sent to its end after an interrupt.
const PATIENCE: Duration = Duration::from_millis(50);

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
                from: Source::Iterator(batch.iterator.clone_ref(elements.py())),
                left: batch.n,
                in_batches: false,
                stop: Some(batch.stop.clone()),
                end: batch.end.clone(),
                current,
                ends_with_interrupt: false,
                interrupted: None,
            });
        }
        let from = if is_sequence(elements) {
            Source::Sequence(elements.clone().unbind(), 0)
        } else {
            Source::Iterator(elements.try_iter()?.into_any().unbind())
        };
        Ok(Self {
            from,
            left: usize::MAX,
            in_batches: false,
            stop: None,
            end: Arc::default(),
            current,
            ends_with_interrupt: false,
            interrupted: None,
        })
    }

    /// The iterable's exception, raised once its elements have been sent.
    pub(crate) fn problem(&self) -> impl Fn(Python<'_>) -> Option<PyErr> + Send + 'static {
        let end = self.end.clone();
        move |py| lock(&end.problem).as_ref().map(|error| error.clone_ref(py))
    }

    /// Sends all elements.
    pub(crate) fn emit(mut self, out: &Stream<Value>) -> EmitMany<Value, Self> {
        self.in_batches = gil::attach(|py| self.come_in_batches(py).unwrap_or(false));
        if self.in_batches {
            out.emit_host_batches(self)
        } else {
            out.emit_many(self)
        }
    }

    /// Whether several elements may be taken at a time: those of a collection, whose iteration runs no user code, which
    /// could wait for more, or for a source to be stopped.
    fn come_in_batches(&self, py: Python<'_>) -> PyResult<bool> {
        match &self.from {
            Source::Iterator(iterator) => is_builtin(iterator.bind(py)),
            Source::Sequence(..) => Ok(true),
        }
    }

    /// Number of elements left in a collection.
    fn count(&self, py: Python<'_>) -> PyResult<usize> {
        match &self.from {
            Source::Iterator(iterator) => iterator
                .call_method0(py, intern!(py, "__length_hint__"))?
                .extract(py),
            Source::Sequence(sequence, taken) => {
                Ok(sequence.bind(py).len()?.saturating_sub(*taken))
            }
        }
    }

    /// The same elements, for an emitter that sends no more after an interrupt, such as Ctrl-C.
    pub(crate) fn until_interrupt(mut self) -> Self {
        self.ends_with_interrupt = true;
        self
    }

    fn has_ended(&self) -> bool {
        let is_stopped = |stop: &Arc<AtomicBool>| stop.load(Ordering::Relaxed);
        self.left == 0 || self.stop.as_ref().is_some_and(is_stopped)
    }

    /// Whether an interrupt ends the emission. What is left of an iterator is still in it; short sequences are sent to
    /// their end.
    fn is_interrupted(&mut self) -> bool {
        if !self.ends_with_interrupt || !interrupt::is_noted() {
            return false;
        }
        let since = *self.interrupted.get_or_insert_with(Instant::now);
        matches!(self.from, Source::Iterator(_)) || since.elapsed() >= PATIENCE
    }

    /// Ends the emission if the time limit of the emitting thread has passed; returns whether it has.
    fn is_late(&mut self) -> bool {
        let Some(limit) = contention::passed_limit(Duration::ZERO) else {
            return false;
        };
        let message = format!("not all elements were taken within {limit:?}: no more are sent");
        gil::held(|py| self.fail(py, PyTimeoutError::new_err(message)));
        true
    }

    fn note_end(&mut self) {
        self.left = 0;
        self.end.is_over.store(true, Ordering::Relaxed);
    }

    fn fail(&mut self, py: Python<'_>, error: PyErr) {
        self.left = 0;
        interrupt::note(py, &error);
        *lock(&self.end.problem) = Some(error);
    }

    /// Returns up to `size` elements, including those before an exception, and the exception.
    fn take<'py>(&mut self, py: Python<'py>, size: usize) -> (Bound<'py, PyAny>, PyResult<()>) {
        let list = PyList::empty(py);
        let taken = match &mut self.from {
            Source::Iterator(iterator) => islice(py)
                .and_then(|islice| islice.call1((&*iterator, size)))
                .and_then(|next| list.call_method1(intern!(py, "extend"), (next,))),
            Source::Sequence(sequence, taken) => {
                let end = taken.saturating_add(size);
                let slice = PySlice::new(py, signed(*taken), signed(end), 1);
                *taken = end;
                match sequence.bind(py).get_item(slice) {
                    Ok(elements) => return (elements, Ok(())),
                    Err(error) => Err(error),
                }
            }
        };
        (list.into_any(), taken.map(drop))
    }
}

impl HostBatches for Elements {
    type Batch = SequenceBatch;

    fn next_batch(&mut self, size: usize) -> Option<(SequenceBatch, usize)> {
        if self.has_ended() || self.is_late() || self.is_interrupted() {
            return None;
        }
        let size = size.min(self.left);
        gil::held(|py| {
            let (batch, taken) = self.take(py, size);
            let len = batch.len().unwrap_or(0);
            self.left -= len.min(self.left);
            match taken {
                Ok(()) if len < size => self.note_end(),
                Ok(()) => {}
                Err(error) => self.fail(py, error),
            }
            let last = batch.get_item(len.checked_sub(1)?).ok()?;
            self.current.set(py, last.as_unbound());
            Some((SequenceBatch(batch.unbind()), len))
        })
    }
}

impl Iterator for Elements {
    type Item = Value;

    fn size_hint(&self) -> (usize, Option<usize>) {
        if !self.in_batches {
            return (0, None);
        }
        let count = gil::held(|py| self.count(py)).unwrap_or(0);
        (count.min(self.left), None)
    }

    #[inline]
    fn next(&mut self) -> Option<Value> {
        if self.has_ended() || self.is_late() || self.is_interrupted() {
            return None;
        }
        let next = gil::held(|py| {
            let next = match &mut self.from {
                Source::Iterator(iterator) => call::next(iterator.bind(py))?,
                Source::Sequence(sequence, taken) => element(sequence.bind(py), taken)?,
            };
            Ok(next.map(|x| {
                self.current.set(py, x.as_unbound());
                Value::from(x)
            }))
        });
        self.left -= 1;
        match next {
            Ok(Some(x)) => return Some(x),
            Ok(None) => self.note_end(),
            Err(error) => gil::held(|py| self.fail(py, error)),
        }
        None
    }
}

/// The next element of a sequence after those taken.
fn element<'py>(
    sequence: &Bound<'py, PyAny>,
    taken: &mut usize,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    if *taken >= sequence.len()? {
        return Ok(None);
    }
    let x = sequence.get_item(*taken)?;
    *taken += 1;
    Ok(Some(x))
}

fn signed(place: usize) -> isize {
    isize::try_from(place).unwrap_or(isize::MAX)
}

/// Whether it is one of the interpreter's own sequences, whose slices equal their iteration.
fn is_sequence(elements: &Bound<'_, PyAny>) -> bool {
    elements.is_exact_instance_of::<PyList>()
        || elements.is_exact_instance_of::<PyTuple>()
        || elements.is_exact_instance_of::<PyRange>()
}

fn islice(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static ISLICE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    ISLICE.import(py, "itertools", "islice")
}

/// Whether an iterator is one of the interpreter's own, over an existing collection.
fn is_builtin(iterator: &Bound<'_, PyAny>) -> PyResult<bool> {
    static TYPES: PyOnceLock<Vec<Py<PyType>>> = PyOnceLock::new();
    let py = iterator.py();
    let types = TYPES.get_or_try_init(py, || {
        let collections = [
            PyList::empty(py).into_any(),
            PyTuple::empty(py).into_any(),
            PyString::new(py, "").into_any(),
            PyBytes::new(py, b"").into_any(),
            PyDict::new(py).into_any(),
            PyRange::new(py, 0, 0)?.into_any(),
        ];
        collections
            .iter()
            .map(|it| Ok(it.try_iter()?.get_type().unbind()))
            .collect::<PyResult<_>>()
    })?;
    let kind = iterator.get_type();
    Ok(types.iter().any(|known| kind.is(known)))
}
