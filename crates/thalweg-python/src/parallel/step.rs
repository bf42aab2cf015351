//! Steps of elements on an engine.

use std::any::Any;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};
use pyo3::{PyTraverseError, PyVisit};
use thalweg::CurrentCall;
use thalweg::trace::{Current, TraceContext};
use thalweg_tasks::parallel::{Outcome, StepTrace, Steps};

use super::fold::Fold;
use crate::blueprint::State;
use crate::function::Function;
use crate::lock::lock;
use crate::tasks::errors;
use crate::upcalls;
use crate::value::Value;
use crate::{call, gil};

/// Elements that are Python objects.
pub(crate) enum Objects {}

/// Reason why an element has no value.
pub(crate) struct Failed {
    pub(super) exception: PyErr,
    /// The node whose function failed; `None` if no node's did.
    pub(super) site: Option<State>,
    /// The element that it was called with.
    pub(super) element: Option<Value>,
    /// Whether it has been reported: behind a fork, it takes every branch.
    pub(super) is_told: AtomicBool,
}

impl Failed {
    pub(super) fn new(exception: PyErr, site: Option<State>, element: Option<Value>) -> Arc<Self> {
        Arc::new(Self {
            exception,
            site,
            element,
            is_told: AtomicBool::new(false),
        })
    }
}

/// A step of a traced element.
pub(super) struct Traced(Current);

impl Traced {
    /// What another process needs to continue the trace.
    pub(super) fn context(&self) -> Option<TraceContext> {
        self.0.context()
    }
}

impl StepTrace for Traced {
    fn begin(&self) -> Option<Arc<dyn StepTrace>> {
        Some(Arc::new(Self(self.0.run()?)))
    }

    fn within(&self, f: &mut dyn FnMut()) {
        self.0.within(f);
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Steps for Objects {
    fn trace() -> Option<Arc<dyn StepTrace>> {
        let current = thalweg::trace::current()?;
        Some(Arc::new(Traced(current)))
    }

    type Value = Value;
    type Step = Action;
    type Fold = Fold;
    type Failure = Arc<Failed>;

    fn run(step: &Action, x: Value) -> Outcome<Self> {
        gil::held(|py| match within(&step.call, || step.what.run(py, &x)) {
            Ok(Some(y)) => Outcome::Value(y),
            Ok(None) => Outcome::Dropped,
            Err(error) => Outcome::Failed(Failed::new(error, Some(step.site.clone()), Some(x))),
        })
    }

    fn pause(step: &Action, attempts: u32) -> Option<Duration> {
        step.policy.pause(attempts)
    }

    fn enter(f: impl FnOnce()) {
        gil::attach(|_| f());
    }

    fn sleep(pause: Duration) {
        gil::held(|py| gil::detach(py, || std::thread::sleep(pause)));
    }

    fn give_up(step: &Action, failure: Arc<Failed>) -> Outcome<Self> {
        step.policy.give_up(failure)
    }

    fn timed_out(step: &Action, x: Value, limit: Duration) -> Arc<Failed> {
        let error = gil::held(|py| errors::timed_out(py, limit));
        Failed::new(error, Some(step.site.clone()), Some(x))
    }

    fn fold(fold: &mut Fold, x: Value) -> Outcome<Self> {
        gil::held(|py| fold.take(py, x))
    }

    fn reset(fold: &mut Fold) {
        fold.reset();
    }
}

/// Marks running code as a function of a node, once the node has been built: see
/// [`outside_call`](thalweg::Stream::outside_call).
pub(super) type CallOfNode = Arc<OnceLock<CurrentCall>>;

/// Runs a function as the node's.
pub(super) fn within<R>(call: &CallOfNode, run: impl FnOnce() -> R) -> R {
    match call.get() {
        Some(call) => call.enter(run),
        None => run(),
    }
}

/// A step and its policy.
pub(crate) struct Action {
    what: Arc<What>,
    pub(super) policy: Arc<Policy>,
    /// The node whose function it calls, as named in reports of failures.
    pub(super) site: State,
    /// Marks running code as a function of the node.
    pub(super) call: CallOfNode,
}

enum What {
    /// Calls a function; awaits the result if it `is_awaited`.
    Call {
        function: Function,
        is_awaited: bool,
    },
    /// Drops elements for which a predicate is false; without one, false elements.
    Filter {
        predicate: Option<Function>,
        is_awaited: bool,
    },
    /// Takes an item, or a tuple of several items.
    Pick(Pick),
    /// Pairs the element with its key.
    Key { function: Function },
    /// Pairs the element with one of its items, as its key.
    KeyAt(Py<PyAny>),
    /// Turns an iterable element into a list.
    Items,
    /// Pairs the element with a number.
    Tag(usize),
}

enum Pick {
    One(Py<PyAny>),
    Several(Vec<Py<PyAny>>),
}

impl What {
    fn run(&self, py: Python<'_>, x: &Value) -> PyResult<Option<Value>> {
        let result = match self {
            Self::Call {
                function,
                is_awaited,
            } => finished(function.call_elsewhere(py, x)?, *is_awaited)?,
            Self::Filter {
                predicate,
                is_awaited,
            } => {
                let passes = match predicate {
                    None => x.bind(py).is_truthy()?,
                    Some(predicate) => {
                        finished(predicate.call_elsewhere(py, x)?, *is_awaited)?.is_truthy()?
                    }
                };
                return Ok(passes.then(|| x.clone()));
            }
            Self::Pick(Pick::One(key)) => x.bind(py).get_item(key.bind(py))?,
            Self::Pick(Pick::Several(keys)) => {
                let items = keys.iter().map(|key| x.bind(py).get_item(key.bind(py)));
                PyTuple::new(py, items.collect::<PyResult<Vec<_>>>()?)?.into_any()
            }
            Self::Key { function } => pair(function.call_elsewhere(py, x)?, x)?,
            Self::KeyAt(key) => pair(x.bind(py).get_item(key.bind(py))?, x)?,
            Self::Items => {
                let items = x.bind(py).try_iter()?.collect::<PyResult<Vec<_>>>()?;
                PyList::new(py, items)?.into_any()
            }
            Self::Tag(number) => pair(number.into_pyobject(py)?.into_any(), x)?,
        };
        Ok(Some(Value::from(result)))
    }
}

/// A step in the form that is sent: kind, function or item, arguments, keyword arguments, whether the element is
/// unpacked, and whether the result is awaited.
type Sent<'py> = (
    String,
    Option<Bound<'py, PyAny>>,
    Option<Bound<'py, PyTuple>>,
    Option<Bound<'py, PyDict>>,
    bool,
    bool,
);

impl What {
    /// The form in which it is sent to another process.
    fn sent<'py>(&self, py: Python<'py>) -> PyResult<Sent<'py>> {
        let call = |kind: &str, function: &Function, is_awaited| {
            let (callable, args, kwargs) = function.parts(py);
            let (args, kwargs) = (args.cloned(), kwargs.cloned());
            let callable = Some(callable.clone());
            (
                kind.to_owned(),
                callable,
                args,
                kwargs,
                function.is_splayed(),
                is_awaited,
            )
        };
        let plain = |kind: &str, what| (kind.to_owned(), what, None, None, false, false);
        Ok(match self {
            Self::Call {
                function,
                is_awaited,
            } => call("call", function, *is_awaited),
            Self::Filter {
                predicate: Some(predicate),
                is_awaited,
            } => call("filter", predicate, *is_awaited),
            Self::Filter { .. } => plain("filter", None),
            Self::Pick(Pick::One(key)) => plain("item", Some(key.bind(py).clone())),
            Self::Pick(Pick::Several(keys)) => {
                plain("several", Some(PyList::new(py, keys)?.into_any()))
            }
            Self::Key { function } => call("key", function, false),
            Self::KeyAt(key) => plain("key at", Some(key.bind(py).clone())),
            Self::Items => plain("items", None),
            Self::Tag(number) => plain("tag", Some(number.into_pyobject(py)?.into_any())),
        })
    }

    fn received((kind, what, args, kwargs, is_splayed, is_awaited): Sent<'_>) -> PyResult<Self> {
        let call = |callable: &Bound<'_, PyAny>| {
            Function::new(callable, args.as_ref(), kwargs.as_ref()).splayed(is_splayed)
        };
        Ok(match (kind.as_str(), what) {
            ("call", Some(callable)) => Self::Call {
                function: call(&callable),
                is_awaited,
            },
            ("filter", predicate) => Self::Filter {
                predicate: predicate.as_ref().map(call),
                is_awaited,
            },
            ("item", Some(key)) => Self::Pick(Pick::One(key.unbind())),
            ("several", Some(keys)) => Self::Pick(Pick::Several(keys.extract()?)),
            ("key", Some(callable)) => Self::Key {
                function: call(&callable),
            },
            ("key at", Some(key)) => Self::KeyAt(key.unbind()),
            ("items", None) => Self::Items,
            ("tag", Some(number)) => Self::Tag(number.extract()?),
            (other, _) => {
                let message = format!("this version of thalweg knows no step {other:?}");
                return Err(PyValueError::new_err(message));
            }
        })
    }
}

impl Action {
    /// The function that it calls.
    pub(super) fn function(&self) -> Option<Function> {
        match &*self.what {
            What::Call { function, .. } | What::Key { function } => Some(function.clone()),
            What::Filter { predicate, .. } => predicate.clone(),
            _ => None,
        }
    }

    /// The form in which it is sent to another process.
    pub(super) fn sent<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        (self.what.sent(py)?, self.policy.sent()).into_pyobject(py)
    }

    /// A received step; its node is in another process.
    pub(super) fn received(sent: &Bound<'_, PyAny>) -> PyResult<Self> {
        let (what, policy) = sent.extract::<(Sent<'_>, SentPolicy)>()?;
        Ok(Self {
            what: Arc::new(What::received(what)?),
            policy: Arc::new(Policy::received(policy)),
            site: State::default(),
            call: CallOfNode::default(),
        })
    }
}

fn pair<'py>(first: Bound<'py, PyAny>, x: &Value) -> PyResult<Bound<'py, PyAny>> {
    let py = first.py();
    Ok(PyTuple::new(py, [&first, x.bind(py)])?.into_any())
}

/// Result of a call, awaited if it is awaitable.
pub(super) fn finished(result: Bound<'_, PyAny>, is_awaited: bool) -> PyResult<Bound<'_, PyAny>> {
    if !is_awaited {
        return Ok(result);
    }
    let py = result.py();
    let wait = upcalls::PARALLEL.get(py, "run_until_done")?;
    call::one(&wait, &result)
}

/// How often a failed call is repeated, and what the element becomes then.
#[derive(Default)]
pub(super) struct Policy {
    times: AtomicU32,
    skips: AtomicBool,
    pauses: Mutex<Pauses>,
    /// How often the policy has been set.
    changes: AtomicU32,
}

/// A policy in the form that is sent: number of retries, first and longest pause in seconds, and whether the element is
/// dropped after them.
pub(super) type SentPolicy = (u32, f64, f64, bool);

/// Pause before the second attempt. Pauses double up to the longest.
#[derive(Clone, Copy, Default)]
struct Pauses {
    first: Duration,
    longest: Duration,
}

impl Policy {
    pub(super) fn set(&self, times: u32, first: f64, longest: f64, skips: bool) {
        let seconds = |seconds| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
        *lock(&self.pauses) = Pauses {
            first: seconds(first),
            longest: seconds(longest),
        };
        self.times.store(times, Ordering::Relaxed);
        self.skips.store(skips, Ordering::Relaxed);
        self.note_change();
    }

    /// Notes that programs with this policy have to be pickled again.
    pub(super) fn note_change(&self) {
        self.changes.fetch_add(1, Ordering::Relaxed);
    }

    /// How often the policy has been set.
    pub(super) fn changes(&self) -> u32 {
        self.changes.load(Ordering::Relaxed)
    }

    pub(super) fn sent(&self) -> SentPolicy {
        let pauses = *lock(&self.pauses);
        (
            self.times.load(Ordering::Relaxed),
            pauses.first.as_secs_f64(),
            pauses.longest.as_secs_f64(),
            self.skips.load(Ordering::Relaxed),
        )
    }

    pub(super) fn received((times, first, longest, skips): SentPolicy) -> Self {
        let policy = Self::default();
        policy.set(times, first, longest, skips);
        policy
    }

    pub(super) fn pause(&self, attempts: u32) -> Option<Duration> {
        if attempts > self.times.load(Ordering::Relaxed) {
            return None;
        }
        let pauses = *lock(&self.pauses);
        let doubled = 2_u32.checked_pow(attempts.saturating_sub(1));
        let pause = doubled.map_or(Duration::MAX, |times| pauses.first.saturating_mul(times));
        Some(pause.min(pauses.longest.max(pauses.first)))
    }

    pub(super) fn give_up(&self, failure: Arc<Failed>) -> Outcome<Objects> {
        if self.skips.load(Ordering::Relaxed) {
            Outcome::Dropped
        } else {
            Outcome::Failed(failure)
        }
    }
}

/// What a node does with each element on an engine: elements that have come keep the action of their time.
#[derive(Clone)]
pub(super) struct CurrentAction(Arc<Mutex<Arc<Action>>>);

impl CurrentAction {
    pub(super) fn get(&self) -> Arc<Action> {
        lock(&self.0).clone()
    }

    fn set(&self, action: Action) {
        let before = std::mem::replace(&mut *lock(&self.0), Arc::new(action));
        // May run code of the user's.
        drop(before);
    }
}

/// A step of each element on an engine. It shows its function to the garbage collector.
#[pyclass(frozen, module = "thalweg._thalweg.parallel")]
pub(crate) struct Step {
    pub(super) action: CurrentAction,
}

impl Step {
    fn new(what: What, site: Bound<'_, PyAny>) -> Self {
        let action = Action {
            what: Arc::new(what),
            policy: Arc::default(),
            site: Arc::new(Mutex::new(Some(Value::from(site)))),
            call: CallOfNode::default(),
        };
        Self {
            action: CurrentAction(Arc::new(Mutex::new(Arc::new(action)))),
        }
    }

    /// References shown to the garbage collector by the step's node.
    pub(super) fn states(step: &Bound<'_, Self>) -> [State; 2] {
        let itself = Value::from(step.clone().into_any());
        let site = step.get().action.get().site.clone();
        [site, Arc::new(Mutex::new(Some(itself)))]
    }
}

#[pymethods]
impl Step {
    /// Calls a function.
    #[staticmethod]
    #[pyo3(signature = (site, function, args, kwargs, *, splayed=false, awaited=false))]
    fn call(
        site: Bound<'_, PyAny>,
        function: &Bound<'_, PyAny>,
        args: &Bound<'_, PyTuple>,
        kwargs: &Bound<'_, PyDict>,
        splayed: bool,
        awaited: bool,
    ) -> Self {
        let function = Function::new(function, Some(args), Some(kwargs)).splayed(splayed);
        let what = What::Call {
            function,
            is_awaited: awaited,
        };
        Self::new(what, site)
    }

    /// Drops elements for which a predicate is false.
    #[staticmethod]
    #[pyo3(signature = (site, predicate, args, kwargs, *, awaited=false))]
    fn filter(
        site: Bound<'_, PyAny>,
        predicate: Option<&Bound<'_, PyAny>>,
        args: &Bound<'_, PyTuple>,
        kwargs: &Bound<'_, PyDict>,
        awaited: bool,
    ) -> Self {
        let function = |predicate| Function::new(predicate, Some(args), Some(kwargs));
        let what = What::Filter {
            predicate: predicate.map(function),
            is_awaited: awaited,
        };
        Self::new(what, site)
    }

    /// Takes an item; for a list of keys, a tuple of items.
    #[staticmethod]
    fn pick(site: Bound<'_, PyAny>, pick: &Bound<'_, PyAny>) -> Self {
        let what = match pick.cast::<PyList>() {
            Ok(keys) => Pick::Several(keys.iter().map(Bound::unbind).collect()),
            Err(_) => Pick::One(pick.clone().unbind()),
        };
        Self::new(What::Pick(what), site)
    }

    /// Pairs the element with its key: the result of a function, or an item.
    #[staticmethod]
    fn key(site: Bound<'_, PyAny>, key: &Bound<'_, PyAny>) -> Self {
        let what = if key.is_callable() {
            What::Key {
                function: Function::new(key, None, None),
            }
        } else {
            What::KeyAt(key.clone().unbind())
        };
        Self::new(what, site)
    }

    /// Turns an element into a list.
    #[staticmethod]
    fn items(site: Bound<'_, PyAny>) -> Self {
        Self::new(What::Items, site)
    }

    /// Pairs the element with a number.
    #[staticmethod]
    fn tag(site: Bound<'_, PyAny>, number: usize) -> Self {
        Self::new(What::Tag(number), site)
    }

    /// Sets the number of retries, the pauses in seconds, and whether the element is dropped after them.
    fn set_policy(&self, times: u32, first: f64, longest: f64, skips: bool) {
        let action = self.action.get();
        action.policy.set(times, first, longest, skips);
    }

    /// Does what another step does with the elements that come from now on.
    fn replace(&self, other: &Bound<'_, Self>) {
        let (now, new) = (self.action.get(), other.get().action.get());
        self.action.set(Action {
            what: new.what.clone(),
            policy: now.policy.clone(),
            site: now.site.clone(),
            call: now.call.clone(),
        });
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        let Ok(action) = self.action.0.try_lock() else {
            return Ok(());
        };
        action
            .function()
            .map_or(Ok(()), |function| function.visit(&visit))
    }
}
