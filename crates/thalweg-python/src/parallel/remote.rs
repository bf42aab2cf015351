//! Engines in other processes: the embedded engine's workers, executors, and clusters.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyTuple};
use thalweg_tasks::Failure;
use thalweg_tasks::host::Options;
use thalweg_tasks::parallel::{self, Batch};

use super::engines::lost;
use super::program::{Chain, Pickled, Programs, helper, returned};
use super::step::{Failed, Objects, Traced};
use crate::gil;
use crate::lock::lock;
use crate::tasks::{Batches, Engine, errors};
use crate::value::Value;

/// How often a batch is sent again after its process died.
const RETRIES: u32 = 2;

/// The transport to an engine outside this process.
pub(super) trait Transport: Send + Sync + 'static {
    fn width(&self, py: Python<'_>) -> usize;

    /// Sends a batch. Its result is passed to [`arrived`], or the reason for its loss to [`lose`].
    fn send(&self, py: Python<'_>, packed: &Packed<'_>, batch: Batch<Objects>);
}

/// Message of a batch: the program with its digest, and its arguments.
pub(super) struct Packed<'py> {
    pub(super) digest: Bound<'py, PyBytes>,
    pub(super) data: Bound<'py, PyBytes>,
    pub(super) args: Bound<'py, PyTuple>,
}

/// An engine that elements are sent to.
pub(super) struct Batching<T> {
    transport: T,
    programs: Mutex<Programs>,
}

impl<T> Batching<T> {
    pub(super) fn new(transport: T) -> Self {
        let programs = Mutex::default();
        Self {
            transport,
            programs,
        }
    }
}

impl<T: Transport> parallel::BatchEngine<Objects> for Batching<T> {
    fn width(&self) -> usize {
        gil::attach(|py| self.transport.width(py))
    }

    fn size_of(&self, value: &Value) -> usize {
        gil::held(|py| size_of(value.bind(py)))
    }

    fn send(&self, batch: Batch<Objects>) {
        gil::attach(|py| match self.pack(py, &batch) {
            Ok(packed) => self.transport.send(py, &packed, batch),
            Err(error) => lose(batch, error),
        });
    }

    fn lost(&self) -> Arc<Failed> {
        lost()
    }
}

/// Rough size of a value in bytes, only to tell whether it is large.
fn size_of(value: &Bound<'_, PyAny>) -> usize {
    let size = helper(value.py(), "size_of").and_then(|size_of| size_of.call1((value,)));
    size.and_then(|size| size.extract()).unwrap_or(0)
}

impl<T: Transport> Batching<T> {
    fn pack<'py>(&self, py: Python<'py>, batch: &Batch<Objects>) -> PyResult<Packed<'py>> {
        if batch.is_fold() {
            return pack_fold(py, batch);
        }
        let traces = traces_of(batch);
        let (values, which, chains) = chains_of(py, batch)?;
        // Pickling runs user code, which must not find a lock held.
        let mut programs = std::mem::take(&mut *lock(&self.programs));
        let pickled = programs.of_steps(py, &chains, batch.limit().is_some());
        *lock(&self.programs) = programs;
        let (digest, data) = pickled?;
        let args = match traces {
            None => (values, which).into_pyobject(py)?,
            Some(traces) => (values, which, traces).into_pyobject(py)?,
        };
        Ok(Packed { digest, data, args })
    }
}

/// Place, `traceparent` and `tracestate` of each traced element; `None` if none is traced.
fn traces_of(batch: &Batch<Objects>) -> Option<Vec<Told>> {
    let (mut place, mut told) = (0, Vec::new());
    batch.for_each(|trip| {
        let trace = trip.trace.and_then(|trace| trace.as_any().downcast_ref());
        if let Some(context) = trace.and_then(Traced::context) {
            let state = context.state().map(str::to_string);
            told.push((place, context.to_string(), state));
        }
        place += 1;
    });
    (!told.is_empty()).then_some(told)
}

/// Place of an element in a batch, and its `traceparent` and `tracestate`.
type Told = (usize, String, Option<String>);

/// The values of a batch, their chains of steps, and the chain of each value if there are several.
type Chained<'py> = (Bound<'py, PyList>, Option<Vec<usize>>, Vec<Chain>);

fn chains_of<'py>(py: Python<'py>, batch: &Batch<Objects>) -> PyResult<Chained<'py>> {
    let (mut values, mut which) = (Vec::new(), Vec::new());
    let mut chains: Vec<Chain> = Vec::new();
    batch.for_each(|trip| {
        let mut chain = Chain::new();
        trip.for_each_step(|step, is_wanted| chain.push((step.clone(), is_wanted)));
        let is_same = |known: &Chain| {
            let mut steps = known.iter().zip(&chain);
            known.len() == chain.len() && steps.all(|(a, b)| Arc::ptr_eq(&a.0, &b.0) && a.1 == b.1)
        };
        let known = chains.iter().position(is_same);
        which.push(known.unwrap_or(chains.len()));
        if known.is_none() {
            chains.push(chain);
        }
        values.push(trip.value.object().clone_ref(py));
    });
    let which = (chains.len() > 1).then_some(which);
    Ok((PyList::new(py, values)?, which, chains))
}

fn pack_fold<'py>(py: Python<'py>, batch: &Batch<Objects>) -> PyResult<Packed<'py>> {
    let (mut values, mut resets) = (Vec::new(), Vec::new());
    batch.for_each(|trip| {
        if trip.resets {
            resets.push(values.len());
        }
        values.push(trip.value.object().clone_ref(py));
    });
    let values = PyList::new(py, values)?;
    let traces = traces_of(batch);
    let packed = batch.with_fold(|fold| {
        let (digest, data) = Pickled::of_fold(fold, py)?;
        let state = fold.remote.state.as_ref().map(|state| state.clone_ref(py));
        let start = if state.is_none() || !resets.is_empty() {
            fold.pickled_start(py)?
        } else {
            None
        };
        let extra = (resets, state, start);
        let args = match traces {
            None => (values, extra).into_pyobject(py)?,
            Some(traces) => (values, extra, traces).into_pyobject(py)?,
        };
        Ok(Packed { digest, data, args })
    });
    packed.unwrap_or_else(|| Err(errors::closed(py)))
}

/// Display name of a batch's program: the names of the nodes that its first element passes.
fn shown(py: Python<'_>, batch: &Batch<Objects>) -> String {
    let mut sites = Vec::new();
    sites.extend(batch.with_fold(|fold| fold.site.clone()));
    batch.for_each(|trip| {
        if sites.is_empty() {
            trip.for_each_step(|step, _| sites.push(step.site.clone()));
        }
    });
    let names = sites.iter().filter_map(|site| {
        let site = lock(site).as_ref()?.object().clone_ref(py);
        site.bind(py).getattr("name").ok()?.extract::<String>().ok()
    });
    let names: Vec<String> = names.collect();
    names.join(", ")
}

/// Handles the result of a batch.
pub(super) fn arrived(batch: Batch<Objects>, result: PyResult<Bound<'_, PyAny>>) {
    match result.and_then(|result| returned(&result, &batch)) {
        Ok((outcomes, seconds, state)) => {
            if batch.is_fold() {
                batch.with_fold(|fold| fold.remote.state = state);
            }
            batch.settle(outcomes, seconds);
        }
        Err(error) => lose(batch, error),
    }
}

/// Handles the loss of a batch. The message names the function if it is known.
pub(super) fn lose(batch: Batch<Objects>, error: PyErr) {
    let mut steps = Vec::new();
    if batch.len() == 1 {
        batch.for_each(|trip| {
            trip.for_each_step(|step, _| steps.push((step.site.clone(), trip.value.clone())));
        });
    }
    let (site, element) = match <[_; 1]>::try_from(steps) {
        Ok([(site, element)]) => (Some(site), Some(element)),
        Err(_) => (None, None),
    };
    batch.lose(Failed::new(error, site, element));
}

/// The embedded engine's worker processes.
pub(super) struct Processes {
    engine: Py<Engine>,
    batches: Batches,
}

impl Processes {
    pub(super) fn new(engine: Bound<'_, Engine>) -> Self {
        let batches = Batches::default();
        Self {
            engine: engine.unbind(),
            batches,
        }
    }
}

impl Transport for Processes {
    fn width(&self, _: Python<'_>) -> usize {
        self.engine.get().threads_at_a_time()
    }

    fn send(&self, py: Python<'_>, packed: &Packed<'_>, batch: Batch<Objects>) {
        let limit = batch.limit();
        let options = Options {
            time_limit: limit,
            retries: RETRIES,
            ..Options::default()
        };
        let Packed { digest, data, args } = packed;
        let slot = self
            .batches
            .submit(self.engine.bind(py), digest, data, args, options, || {
                shown(py, &batch)
            });
        let slot = match slot {
            Ok(slot) => slot,
            Err(error) => return lose(batch, error),
        };
        let done = slot.clone();
        slot.when_here(move || {
            gil::attach(|py| {
                if let (Some(limit), Some(Failure::TimedOut(_))) =
                    (limit, done.failure().as_deref())
                {
                    return lose(batch, errors::timed_out(py, limit));
                }
                arrived(batch, Batches::result(py, &done));
            });
        });
    }
}

/// An executor or a cluster, by a `Transport` in Python.
pub(super) struct Foreign(pub(super) Py<PyAny>);

impl Transport for Foreign {
    fn width(&self, py: Python<'_>) -> usize {
        let width = self.0.bind(py).getattr("width");
        width.and_then(|width| width.extract()).unwrap_or(1)
    }

    fn send(&self, py: Python<'_>, packed: &Packed<'_>, batch: Batch<Objects>) {
        let limit = batch.limit().map(|limit: Duration| limit.as_secs_f64());
        let done = match Bound::new(py, Arrival(Mutex::new(Some(batch)))) {
            Ok(done) => done,
            Err(error) => return error.write_unraisable(py, None),
        };
        let Packed { digest, data, args } = packed;
        let sent = helper(py, "BatchCall")
            .and_then(|call| call.call1((digest, data, args)))
            .and_then(|call| self.0.bind(py).call_method1("send", (call, &done, limit)));
        if let Err(error) = sent
            && let Some(batch) = done.get().take()
        {
            lose(batch, error);
        }
    }
}

/// Receives the result of a batch.
#[pyclass(frozen, module = "thalweg._thalweg.parallel")]
pub(crate) struct Arrival(Mutex<Option<Batch<Objects>>>);

impl Arrival {
    fn take(&self) -> Option<Batch<Objects>> {
        lock(&self.0).take()
    }
}

#[pymethods]
impl Arrival {
    /// Called once, with the result of the batch or with an exception.
    fn __call__(&self, result: Bound<'_, PyAny>, error: Option<Bound<'_, PyAny>>) {
        let Some(batch) = self.take() else { return };
        let result = match error {
            None => Ok(result),
            Some(error) => Err(PyErr::from_value(error)),
        };
        arrived(batch, result);
    }
}
