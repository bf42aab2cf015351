//! The steps of a batch, as they run in another process.

use std::sync::{Arc, Weak};
use std::time::Instant;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyTuple};
use thalweg_tasks::parallel::{Batch, Outcome, Steps, run_step};

use super::fold::Fold;
use super::step::{Action, Failed, Objects};
use crate::blueprint::State;
use crate::function::Function;
use crate::upcalls::PARALLEL;
use crate::value::Value;

/// Steps, and whether the outcome of each is needed.
pub(super) type Chain = Vec<(Arc<Action>, bool)>;

/// The steps of a stream's batches, as called in another process.
///
/// Called with a list of values. Returns the list of needed outcomes; a dictionary of the places in that list without a
/// value, with `None` for a dropped element, or the step's number, the exception and the pickled element, unless it is
/// the original one; the seconds it took; and the pickled state, if there is one.
#[pyclass(frozen, module = "thalweg._thalweg.parallel")]
pub(crate) struct Program(What);

enum What {
    /// Steps applied to each element; once, if failures are handled elsewhere.
    Steps { chains: Vec<Chain>, is_once: bool },
    /// A fold function.
    Fold(Py<PyAny>),
}

#[pymethods]
impl Program {
    /// Received steps: for each chain its steps, and whether the outcome of each is needed.
    #[staticmethod]
    fn of_steps(sent: Vec<Vec<(Bound<'_, PyAny>, bool)>>, once: bool) -> PyResult<Self> {
        let step = |(step, is_wanted): &(Bound<'_, PyAny>, bool)| {
            Ok::<_, PyErr>((Arc::new(Action::received(step)?), *is_wanted))
        };
        let chain = |chain: &Vec<_>| chain.iter().map(step).collect::<PyResult<Chain>>();
        Ok(Self(What::Steps {
            chains: sent.iter().map(chain).collect::<PyResult<_>>()?,
            is_once: once,
        }))
    }

    /// A received fold function.
    #[staticmethod]
    fn of_fold(sent: Bound<'_, PyAny>) -> PyResult<Self> {
        Fold::received(&sent, None)?;
        Ok(Self(What::Fold(sent.unbind())))
    }

    /// `extra` is the chain's number for each value, if there are several chains. For a fold it is the places before
    /// which the state is reset, the state, and the initial state, both pickled. `traces` are the places of traced
    /// values, with `traceparent` and `tracestate`.
    #[pyo3(signature = (values, extra = None, traces = None))]
    fn __call__<'py>(
        &self,
        py: Python<'py>,
        values: &Bound<'py, PyList>,
        extra: Option<Bound<'py, PyAny>>,
        traces: Option<Vec<Trace>>,
    ) -> PyResult<Bound<'py, PyTuple>> {
        let began = Instant::now();
        let mut results = Results::new(py);
        let state = match &self.0 {
            What::Steps { chains, is_once } => {
                let which = extra
                    .map(|which| which.extract::<Vec<usize>>())
                    .transpose()?;
                for (place, value) in values.iter().enumerate() {
                    let at = which.as_ref().and_then(|which| which.get(place));
                    let Some(chain) = chains.get(at.copied().unwrap_or(0)) else {
                        continue;
                    };
                    resuming(py, traces.as_deref(), place, || {
                        results.run(chain, *is_once, Value::from(value))
                    })?;
                }
                None
            }
            What::Fold(sent) => {
                let traces = traces.as_deref();
                Some(results.fold(sent.bind(py), values, extra, traces)?)
            }
        };
        let troubles = (!results.troubles.is_empty()).then_some(results.troubles);
        let seconds = began.elapsed().as_secs_f64();
        (results.values, troubles, seconds, state).into_pyobject(py)
    }
}

/// Place, `traceparent` and `tracestate` of a traced value.
type Trace = (usize, String, Option<String>);

/// Calls `f` for the value at a place, within its span if it is traced.
fn resuming<R>(py: Python<'_>, traces: Option<&[Trace]>, place: usize, f: impl FnOnce() -> R) -> R {
    let traced = traces.and_then(|all| all.iter().find(|(traced, ..)| *traced == place));
    let span = traced.and_then(|(_, parent, state)| Resumed::begin(py, parent, state.as_deref()));
    let result = f();
    if let Some(span) = span {
        span.end();
    }
    result
}

/// The span in this process for an element traced elsewhere.
struct Resumed<'py>(Bound<'py, PyAny>);

impl<'py> Resumed<'py> {
    /// `None` if this process does not trace.
    fn begin(py: Python<'py>, parent: &str, state: Option<&str>) -> Option<Self> {
        let begun = helper(py, "resume_trace").and_then(|resume| resume.call1((parent, state)));
        match begun {
            Ok(end) => (!end.is_none()).then_some(Self(end)),
            // Tracing must not fail an element.
            Err(error) => {
                error.write_unraisable(py, None);
                None
            }
        }
    }

    fn end(self) {
        if let Err(error) = self.0.call0() {
            error.write_unraisable(self.0.py(), None);
        }
    }
}

impl Program {
    /// Replaces values that cannot be pickled by failures.
    pub(crate) fn without_unsendable<'py>(
        &self,
        result: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let wanted: Vec<_> = match &self.0 {
            What::Steps { chains, .. } => chains.iter().map(last_wanted).collect(),
            What::Fold(_) => vec![0],
        };
        // With several chains, it is not known here which of them a value belongs to.
        let number = match wanted.as_slice() {
            [number] => *number,
            _ => usize::MAX,
        };
        helper(result.py(), "without_unsendable")?.call1((result, number))
    }
}

/// Number of the last step of a chain.
fn last_wanted(chain: &Chain) -> usize {
    chain.len().saturating_sub(1)
}

/// Outcomes of the elements so far.
struct Results<'py> {
    values: Bound<'py, PyList>,
    troubles: Bound<'py, PyDict>,
}

impl<'py> Results<'py> {
    fn new(py: Python<'py>) -> Self {
        Self {
            values: PyList::empty(py),
            troubles: PyDict::new(py),
        }
    }

    fn run(&mut self, chain: &Chain, is_once: bool, x: Value) -> PyResult<()> {
        let mut outcome = Outcome::Value(x);
        let mut trouble = None;
        for (number, (step, is_wanted)) in chain.iter().enumerate() {
            if let Outcome::Value(x) = outcome {
                outcome = if is_once {
                    Objects::run(step, x)
                } else {
                    run_step::<Objects>(step, x)
                };
                trouble = self.trouble(&outcome, number)?;
            }
            if *is_wanted {
                self.add(&outcome, trouble.as_ref())?;
            }
        }
        Ok(())
    }

    /// Folds the values. Returns the final state, pickled.
    fn fold(
        &mut self,
        sent: &Bound<'py, PyAny>,
        values: &Bound<'py, PyList>,
        extra: Option<Bound<'py, PyAny>>,
        traces: Option<&[Trace]>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        type Extra<'py> = (
            Vec<usize>,
            Option<Bound<'py, PyBytes>>,
            Option<Bound<'py, PyBytes>>,
        );
        let py = values.py();
        let extra = extra
            .map(|extra| extra.extract::<Extra<'_>>())
            .transpose()?;
        let (resets, state, start) = extra.unwrap_or_default();
        let first = || match &start {
            Some(start) => loads(start).map(|start| Some(Value::from(start))),
            None => Ok(None),
        };
        let mut fold = Fold::received(sent, None)?;
        let state = match state {
            Some(state) => {
                let state = loads(&state)?.cast_into::<PyTuple>()?;
                state.iter().next().map(Value::from)
            }
            None => first()?,
        };
        fold.put(state);
        for (place, value) in values.iter().enumerate() {
            if resets.contains(&place) {
                fold.put(first()?);
            }
            let take = || fold.take(py, Value::from(value));
            let outcome = resuming(py, traces, place, take);
            let trouble = self.trouble(&outcome, 0)?;
            self.add(&outcome, trouble.as_ref())?;
        }
        let state = fold.state().map(Value::into_object);
        dumps(PyTuple::new(py, state)?.as_any())
    }

    fn add(
        &mut self,
        outcome: &Outcome<Objects>,
        trouble: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<()> {
        let py = self.values.py();
        let Outcome::Value(value) = outcome else {
            self.troubles.set_item(self.values.len(), trouble)?;
            return self.values.append(py.None());
        };
        self.values.append(value.bind(py))
    }

    /// Report on an element without a value.
    fn trouble(
        &self,
        outcome: &Outcome<Objects>,
        number: usize,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let Outcome::Failed(failed) = outcome else {
            return Ok(None);
        };
        let py = self.values.py();
        // With its traceback.
        let error = failed.exception.clone_ref(py).into_value(py);
        let element = failed.element.as_ref().filter(|_| number > 0);
        let element = element.map(|x| x.bind(py));
        let told = helper(py, "told")?.call1((error, element))?;
        Ok(Some((number, told).into_pyobject(py)?.into_any()))
    }
}

/// Outcomes of a batch, the seconds it took, and the pickled state of a fold.
pub(super) type Returned = (Vec<Outcome<Objects>>, f64, Option<Py<PyBytes>>);

/// Parses the return value of a [`Program`] for a batch.
pub(super) fn returned(result: &Bound<'_, PyAny>, batch: &Batch<Objects>) -> PyResult<Returned> {
    let (values, troubles, seconds, state) = result.extract::<(
        Bound<'_, PyList>,
        Option<Bound<'_, PyDict>>,
        f64,
        Option<Bound<'_, PyBytes>>,
    )>()?;
    let mut outcomes = Vec::with_capacity(values.len());
    let mut troubles = troubles.map(|troubles| Troubles::of(troubles, batch));
    for (place, value) in values.iter().enumerate() {
        let without = match &mut troubles {
            None => None,
            Some(troubles) => troubles.at(place)?,
        };
        outcomes.push(without.unwrap_or_else(|| Outcome::Value(Value::from(value))));
    }
    Ok((outcomes, seconds, state.map(Bound::unbind)))
}

/// Elements of a batch without a value.
struct Troubles<'py> {
    troubles: Bound<'py, PyDict>,
    elements: Vec<(Value, Vec<State>)>,
    /// The element of each outcome.
    owners: Vec<usize>,
    /// The last failure and its owner: all branches of a fork share one.
    last: Option<(usize, Arc<Failed>)>,
}

impl<'py> Troubles<'py> {
    fn of(troubles: Bound<'py, PyDict>, batch: &Batch<Objects>) -> Self {
        let (mut elements, mut owners) = (Vec::new(), Vec::new());
        let fold = batch.with_fold(|fold| fold.site.clone());
        batch.for_each(|trip| {
            let mut sites = Vec::new();
            trip.for_each_step(|step, is_wanted| {
                sites.push(step.site.clone());
                if is_wanted {
                    owners.push(elements.len());
                }
            });
            if let Some(site) = &fold {
                sites.push(site.clone());
                owners.push(elements.len());
            }
            elements.push((trip.value.clone(), sites));
        });
        Self {
            troubles,
            elements,
            owners,
            last: None,
        }
    }

    fn at(&mut self, place: usize) -> PyResult<Option<Outcome<Objects>>> {
        let Some(trouble) = self.troubles.get_item(place)? else {
            return Ok(None);
        };
        if trouble.is_none() {
            return Ok(Some(Outcome::Dropped));
        }
        let owner = self.owners.get(place).copied().unwrap_or(place);
        let known = self.last.take().filter(|(of, _)| *of == owner);
        let failed = match known {
            Some((_, failed)) => failed,
            None => self.failed(owner, &trouble)?,
        };
        self.last = Some((owner, failed.clone()));
        Ok(Some(Outcome::Failed(failed)))
    }

    fn failed(&self, owner: usize, trouble: &Bound<'py, PyAny>) -> PyResult<Arc<Failed>> {
        let (number, told) = trouble.extract::<(usize, Bound<'_, PyBytes>)>()?;
        let heard = helper(told.py(), "heard")?.call1((told,))?;
        let (error, x) = heard.extract::<(Bound<'_, PyAny>, Bound<'_, PyTuple>)>()?;
        let (came, sites) = self.elements.get(owner).cloned().unzip();
        let x = x.iter().next().map(Value::from).or(came);
        let site = sites.and_then(|sites| sites.get(number).cloned());
        Ok(Failed::new(PyErr::from_value(error), site, x))
    }
}

/// Pickles something.
pub(super) fn dumps<'py>(x: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    Ok(helper(x.py(), "dumps")?.call1((x,))?.cast_into()?)
}

fn loads<'py>(data: &Bound<'py, PyBytes>) -> PyResult<Bound<'py, PyAny>> {
    helper(data.py(), "loads")?.call1((data,))
}

/// A function of the package's Python code.
pub(super) fn helper<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    PARALLEL.get(py, name)
}

/// A program in the form that is sent. Keeps none of the user's functions alive.
#[derive(Default)]
pub(super) struct Pickled {
    /// The steps it was made of, and how often their policies had been set.
    steps: Vec<Vec<(Weak<Action>, bool)>>,
    changes: u32,
    is_once: bool,
    /// Whether each function is unchanged since it was pickled; empty if that cannot be determined.
    is_same: Option<Vec<Py<PyAny>>>,
    /// The digest and the pickle.
    data: Option<(Py<PyBytes>, Py<PyBytes>)>,
}

impl Pickled {
    /// Whether it was made of these steps.
    fn is_of(&self, chains: &[Chain], changes: u32, is_once: bool) -> bool {
        let same_step = |(known, was_wanted): &(Weak<Action>, bool),
                         (step, wanted): &(Arc<Action>, bool)| {
            std::ptr::eq(known.as_ptr(), Arc::as_ptr(step)) && was_wanted == wanted
        };
        let same_chain = |known: &Vec<_>, chain: &Chain| {
            known.len() == chain.len() && known.iter().zip(chain).all(|(a, b)| same_step(a, b))
        };
        self.changes == changes
            && self.is_once == is_once
            && self.steps.len() == chains.len()
            && self.steps.iter().zip(chains).all(|(a, b)| same_chain(a, b))
    }

    /// Whether the steps have been dropped.
    fn is_over(&self) -> bool {
        let mut steps = self.steps.iter().flatten();
        steps.any(|(step, _)| step.strong_count() == 0)
    }

    /// The digest and the pickle, pickled anew if a function may have changed.
    fn data<'py>(
        &mut self,
        py: Python<'py>,
        functions: &[Function],
        sent: impl FnOnce() -> PyResult<Bound<'py, PyAny>>,
    ) -> PyResult<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)> {
        if let (Some((digest, data)), Some(is_same)) = (&self.data, &self.is_same) {
            let mut all = is_same.iter();
            if all.try_fold(true, |all, is_same| {
                Ok::<_, PyErr>(all && is_same.bind(py).call0()?.is_truthy()?)
            })? {
                return Ok((digest.bind(py).clone(), data.bind(py).clone()));
            }
        }
        // Taken before pickling: the function may change meanwhile.
        let watch = helper(py, "watch")?;
        let watched = functions.iter().map(|function| {
            let (callable, args, kwargs) = function.parts(py);
            let is_same = watch.call1((callable, args, kwargs))?;
            Ok((!is_same.is_none()).then(|| is_same.unbind()))
        });
        self.is_same = watched.collect::<PyResult<_>>()?;
        let (digest, data) = helper(py, "pickled")?
            .call1((sent()?,))?
            .extract::<(Bound<'_, PyBytes>, Bound<'_, PyBytes>)>()?;
        self.data = Some((digest.clone().unbind(), data.clone().unbind()));
        Ok((digest, data))
    }

    /// The pickle of a fold.
    pub(super) fn of_fold<'py>(
        fold: &mut Fold,
        py: Python<'py>,
    ) -> PyResult<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)> {
        let mut pickled = std::mem::take(&mut fold.remote.program);
        let changes = fold.changes();
        if pickled.changes != changes {
            pickled = Self::default();
            pickled.changes = changes;
        }
        let functions = [fold.function().clone()];
        let data = pickled.data(py, &functions, || {
            Ok(("of_fold", (fold.sent(py)?,)).into_pyobject(py)?.into_any())
        });
        fold.remote.program = pickled;
        data
    }
}

/// Cache of the last programs sent.
#[derive(Default)]
pub(super) struct Programs(Vec<Pickled>);

/// Number of programs cached per stream.
const REMEMBERED: usize = 32;

impl Programs {
    /// The pickle of a chain's steps.
    pub(super) fn of_steps<'py>(
        &mut self,
        py: Python<'py>,
        chains: &[Chain],
        is_once: bool,
    ) -> PyResult<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)> {
        let steps = || chains.iter().flatten().map(|(step, _)| step);
        let changes = steps().map(|step| step.policy.changes()).sum();
        let known = self
            .0
            .iter()
            .position(|known| known.is_of(chains, changes, is_once));
        let at = known.unwrap_or_else(|| {
            self.0.retain(|known| !known.is_over());
            self.0.truncate(REMEMBERED - 1);
            let weak = |(step, wanted): &(Arc<Action>, bool)| (Arc::downgrade(step), *wanted);
            let made = Pickled {
                steps: chains
                    .iter()
                    .map(|chain| chain.iter().map(weak).collect())
                    .collect(),
                changes,
                is_once,
                ..Pickled::default()
            };
            self.0.insert(0, made);
            0
        });
        let functions: Vec<_> = steps().filter_map(|step| step.function()).collect();
        self.0[at].data(py, &functions, || {
            let sent = |(step, wanted): &(Arc<Action>, bool)| Ok((step.sent(py)?, *wanted));
            let chain = |chain: &Chain| chain.iter().map(sent).collect::<PyResult<Vec<_>>>();
            let chains = chains.iter().map(chain).collect::<PyResult<Vec<_>>>()?;
            Ok(("of_steps", (chains, is_once))
                .into_pyobject(py)?
                .into_any())
        })
    }
}
