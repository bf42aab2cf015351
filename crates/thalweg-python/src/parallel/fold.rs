//! States folded over the elements of a stream on an engine.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};
use thalweg_tasks::parallel::{Outcome, Strand, pause_aside};

use super::program::Pickled;
use super::step::{CallOfNode, Failed, Objects, Policy, SentPolicy, finished, within};
use crate::blueprint::State;
use crate::function::Function;
use crate::lock::lock;
use crate::value::Value;

/// A state and the function that updates it.
pub(crate) struct Fold {
    function: Function,
    is_awaited: Arc<AtomicBool>,
    returns_state: bool,
    with_state: bool,
    state: State,
    start: State,
    policy: Arc<Policy>,
    pub(super) site: State,
    call_of_node: CallOfNode,
    /// Its counterpart in worker processes.
    pub(super) remote: RemoteState,
}

/// A state folded in worker processes.
#[derive(Default)]
pub(super) struct RemoteState {
    pub(super) program: Pickled,
    /// The state as pickled by its last holder; `None` at the beginning.
    pub(super) state: Option<Py<PyBytes>>,
    /// The pickled initial state; `None` if the first element becomes the state, or before it is needed.
    start: Option<Py<PyBytes>>,
}

/// A fold function in the form that is sent: function, keyword arguments, whether the result is awaited, whether it is
/// a pair with the next state, whether the state is sent on, and the policy.
type Sent<'py> = (
    Bound<'py, PyAny>,
    Option<Bound<'py, PyDict>>,
    bool,
    bool,
    bool,
    SentPolicy,
);

impl Fold {
    /// The form in which it is sent to another process.
    pub(super) fn sent<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let (callable, _, kwargs) = self.function.parts(py);
        let sent: Sent<'_> = (
            callable.clone(),
            kwargs.cloned(),
            self.is_awaited.load(Ordering::Relaxed),
            self.returns_state,
            self.with_state,
            self.policy.sent(),
        );
        Ok(sent.into_pyobject(py)?.into_any())
    }

    /// Builds the same fold in another process, with a given state.
    pub(super) fn received(sent: &Bound<'_, PyAny>, state: Option<Value>) -> PyResult<Self> {
        let (callable, kwargs, is_awaited, returns_state, with_state, policy) =
            sent.extract::<Sent<'_>>()?;
        Ok(Self {
            function: Function::new(&callable, None, kwargs.as_ref()),
            is_awaited: Arc::new(AtomicBool::new(is_awaited)),
            returns_state,
            with_state,
            state: Arc::new(Mutex::new(state)),
            start: State::default(),
            policy: Arc::new(Policy::received(policy)),
            site: State::default(),
            call_of_node: CallOfNode::default(),
            remote: RemoteState::default(),
        })
    }

    /// Sets the state.
    pub(super) fn put(&self, state: Option<Value>) {
        let before = std::mem::replace(&mut *lock(&self.state), state);
        drop(before);
    }

    pub(super) fn state(&self) -> Option<Value> {
        lock(&self.state).clone()
    }

    pub(super) fn function(&self) -> &Function {
        &self.function
    }

    pub(super) fn changes(&self) -> u32 {
        self.policy.changes()
    }

    /// The pickled initial state, if there is one.
    pub(super) fn pickled_start(&mut self, py: Python<'_>) -> PyResult<Option<Py<PyBytes>>> {
        let start = lock(&self.start).clone();
        if let (None, Some(start)) = (&self.remote.start, start) {
            self.remote.start = Some(super::program::dumps(start.bind(py))?.unbind());
        }
        Ok(self.remote.start.as_ref().map(|start| start.clone_ref(py)))
    }

    pub(super) fn take(&mut self, py: Python<'_>, x: Value) -> Outcome<Objects> {
        let state = lock(&self.state).clone();
        let Some(state) = state else {
            let result = self.shown(py, &x, x.clone());
            *lock(&self.state) = Some(x.clone());
            return result.map_or_else(|error| self.failed(error, x), Outcome::Value);
        };
        let mut attempts = 0;
        let (state, result) = loop {
            match self.call(py, &state, &x) {
                Ok(result) => break result,
                Err(error) => {
                    attempts += 1;
                    let Some(pause) = self.policy.pause(attempts) else {
                        return self.failed(error, x);
                    };
                    pause_aside::<Objects>(pause);
                }
            }
        };
        let result = self.shown(py, &state, result);
        let before = lock(&self.state).replace(state);
        drop(before);
        result.map_or_else(|error| self.failed(error, x), Outcome::Value)
    }

    /// The next state, and the result to send.
    fn call(&self, py: Python<'_>, state: &Value, x: &Value) -> PyResult<(Value, Value)> {
        let call = || {
            finished(
                self.function.call_on_elsewhere(py, state, x)?,
                self.is_awaited.load(Ordering::Relaxed),
            )
        };
        let result = within(&self.call_of_node, call)?;
        if self.returns_state {
            let (state, result) = result.extract::<(Bound<'_, PyAny>, Bound<'_, PyAny>)>()?;
            return Ok((Value::from(state), Value::from(result)));
        }
        Ok((Value::from(result.clone()), Value::from(result)))
    }

    fn shown(&self, py: Python<'_>, state: &Value, result: Value) -> PyResult<Value> {
        if !self.with_state {
            return Ok(result);
        }
        let pair = PyTuple::new(py, [state.object(), result.object()])?;
        Ok(Value::from(pair.into_any()))
    }

    fn failed(&self, error: PyErr, x: Value) -> Outcome<Objects> {
        let failure = Failed::new(error, Some(self.site.clone()), Some(x));
        self.policy.give_up(failure)
    }

    pub(super) fn reset(&mut self) {
        let start = lock(&self.start).clone();
        let before = std::mem::replace(&mut *lock(&self.state), start);
        drop(before);
    }
}

/// A state of an `accumulate` on an engine.
#[pyclass(frozen, module = "thalweg._thalweg.parallel")]
pub(crate) struct Accumulation {
    pub(super) strand: Arc<Strand<Objects>>,
    pub(super) function: Function,
    pub(super) states: [State; 3],
    pub(super) call_of_node: CallOfNode,
    policy: Arc<Policy>,
    is_awaited: Arc<AtomicBool>,
}

#[pymethods]
impl Accumulation {
    /// A state that begins as `start`, a tuple that is empty if the first element becomes the state.
    #[new]
    #[pyo3(signature = (site, function, kwargs, start, *, returns_state, with_state, awaited))]
    fn new(
        site: Bound<'_, PyAny>,
        function: &Bound<'_, PyAny>,
        kwargs: &Bound<'_, PyDict>,
        start: &Bound<'_, PyTuple>,
        returns_state: bool,
        with_state: bool,
        awaited: bool,
    ) -> Self {
        let function = Function::new(function, None, Some(kwargs));
        let first = || start.iter().next().map(Value::from);
        let shared = |value| Arc::new(Mutex::new(value));
        let states = [
            shared(first()),
            shared(first()),
            shared(Some(Value::from(site))),
        ];
        let [state, start, site] = states.clone();
        let policy = Arc::new(Policy::default());
        let is_awaited = Arc::new(AtomicBool::new(awaited));
        let call_of_node = CallOfNode::default();
        let fold = Fold {
            function: function.clone(),
            is_awaited: is_awaited.clone(),
            returns_state,
            with_state,
            state,
            start,
            policy: policy.clone(),
            site,
            call_of_node: call_of_node.clone(),
            remote: RemoteState::default(),
        };
        Self {
            strand: Strand::new(fold),
            function,
            states,
            call_of_node,
            policy,
            is_awaited,
        }
    }

    /// Replaces the function, also for elements that wait for the state.
    fn set_function(&self, function: &Bound<'_, PyAny>, awaited: bool) {
        self.is_awaited.store(awaited, Ordering::Relaxed);
        self.function.replace(function);
        self.policy.note_change();
    }

    /// Sets the number of retries, the pauses in seconds, and whether the element is dropped after them.
    fn set_policy(&self, times: u32, first: f64, longest: f64, skips: bool) {
        self.policy.set(times, first, longest, skips);
    }

    /// Resets the state for the elements that follow; the arguments are ignored.
    #[pyo3(signature = (*_ignored))]
    fn reset(&self, _ignored: &Bound<'_, PyTuple>) {
        self.strand.reset();
    }
}
