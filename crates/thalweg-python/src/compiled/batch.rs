//! Batches of elements in a chain.

use std::sync::atomic::Ordering;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyList;
use thalweg::FusedContext;

use super::{Compiled, frame, known};
use crate::call;
use crate::lock::lock;
use crate::value::Value;

/// A batch in progress.
pub(super) struct Batch {
    pub(super) len: usize,
    pub(super) iterator: Py<PyAny>,
    /// The elements that the nodes themselves have to process.
    rest: Vec<Value>,
}

/// Takes what is left of a batch, so that the chain finds no more.
fn take_rest(iterator: &Bound<'_, PyAny>) -> Vec<Value> {
    let rest = std::iter::from_fn(|| call::next(iterator).ok().flatten());
    rest.map(Value::from).collect()
}

/// A batch about to be sent.
struct Begun<'py> {
    iterator: Bound<'py, PyAny>,
    /// List for the outputs.
    made: Option<Bound<'py, PyList>>,
    /// What the generator is sent.
    message: Bound<'py, PyAny>,
}

impl Compiled {
    /// Runs a batch; returns the elements that are left.
    #[inline(never)]
    pub(super) fn run_batch(
        &self,
        elements: &Bound<'_, PyAny>,
        cx: &mut FusedContext<'_, Value>,
    ) -> Vec<Value> {
        let (py, len) = (elements.py(), elements.len().unwrap_or(0));
        let last = elements.get_item(len.wrapping_sub(1)).map(Value::from);
        let (Ok(last), Ok(begun)) = (last, self.begin_batch(elements)) else {
            return Vec::new();
        };
        let Begun {
            iterator,
            made,
            message,
        } = begun;
        *lock(&self.batch) = Some(Batch {
            len,
            iterator: iterator.clone().unbind(),
            rest: Vec::new(),
        });
        let mut rest = Vec::new();
        if self.known.load(Ordering::Relaxed) != known::BY_CHAIN {
            self.take_over(py, cx);
        }
        self.is_running.store(true, Ordering::Relaxed);
        loop {
            let answer = self.send_batch(&message);
            let has_ended = answer.is_err();
            let result = self.follow(answer, &last, true, cx);
            cx.keep_failure(result);
            self.take_up_left(py, cx);
            if has_ended {
                rest = take_rest(&iterator);
                break;
            }
            if frame::remaining(&iterator) == 0 {
                break;
            }
        }
        self.stops(py);
        let batch = lock(&self.batch).take();
        let len = batch.as_ref().map_or(len, |batch| batch.len) - rest.len();
        let received = self.received.load(Ordering::Relaxed);
        self.received
            .store(received + len as u64, Ordering::Relaxed);
        rest.extend(batch.into_iter().flat_map(|batch| batch.rest));
        if let Some(made) = made {
            let mut made: Vec<_> = made.iter().map(Value::from).collect();
            if !made.is_empty() {
                cx.send_many(0, &mut made);
            }
        }
        rest
    }

    /// Lets nodes process what arrived before an element failed, ahead of the next one of a batch: see `body` of
    /// `thalweg.stream.compiled.writer`.
    fn take_up_left(&self, py: Python<'_>, cx: &mut FusedContext<'_, Value>) {
        if !self.joins.is_empty() && !self.left.bind(py).is_empty() {
            cx.take_up(0..self.parts.len(), None);
            self.forget_left(py);
        }
    }

    /// Passes elements to the nodes themselves.
    pub(super) fn hand_back(&self, elements: Vec<Value>, cx: &mut FusedContext<'_, Value>) {
        for x in elements {
            let result = cx.hand_back(x);
            cx.keep_failure(result);
        }
    }

    /// Leaves the rest of a batch, after the current element is done.
    pub(crate) fn stop_batch(&self, py: Python<'_>) {
        if let Some(batch) = &mut *lock(&self.batch) {
            let left = take_rest(batch.iterator.bind(py));
            batch.len -= left.len();
            batch.rest.splice(0..0, left);
        }
    }

    fn begin_batch<'py>(&self, elements: &Bound<'py, PyAny>) -> PyResult<Begun<'py>> {
        let py = elements.py();
        let iterator = elements.try_iter()?.into_any();
        let made = self.is_last.then(|| PyList::empty(py));
        let message = match &made {
            Some(made) => {
                let append = made.getattr(intern!(py, "append"))?;
                (iterator.clone(), append).into_pyobject(py)?.into_any()
            }
            None => iterator.clone(),
        };
        Ok(Begun {
            iterator,
            made,
            message,
        })
    }

    pub(super) fn send_batch<'py>(
        &self,
        message: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = message.py();
        let generator = self.generator.bind(py);
        let answer = call::resume(generator, self.signals.many.bind(py).as_any())?;
        if self.is_done(&answer) {
            call::resume(generator, message)
        } else {
            // An interrupt arrived.
            Ok(answer)
        }
    }
}
