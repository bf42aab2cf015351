//! Elements of a stream on an engine: values, and steps that make them.

use super::queue::{Job, Queue};
use super::trace::{StepTrace, traced};
use crate::place;
use crate::sync::{Mutex, get_mut, lock};
use smallvec::SmallVec;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// The types of a stream on an engine: its values, steps and failures.
///
/// They are opaque to the stream: closures and their results, or functions and objects of another language.
pub trait Steps: Sized + Send + Sync + 'static {
    /// An element's value.
    type Value: Clone + Send + Sync + 'static;
    /// A function to apply to a value.
    type Step: Send + Sync + 'static;
    /// A state, and the function that folds elements into it.
    type Fold: Send + 'static;
    /// Why there is no value.
    type Failure: Clone + Send + Sync + 'static;

    /// Runs a step once. Must not panic.
    fn run(step: &Self::Step, x: Self::Value) -> Outcome<Self>;

    /// Pause before a step that failed `attempts` times on an element is retried; `None` if it is not retried.
    fn pause(step: &Self::Step, attempts: u32) -> Option<Duration>;

    /// Runs `f` in a context in which values may be touched, on a thread that is not the engine's.
    fn enter(f: impl FnOnce()) {
        f();
    }

    /// Sleeps on a thread of the engine.
    fn sleep(pause: Duration) {
        std::thread::sleep(pause);
    }

    /// Outcome of an element on which a step failed for the last time.
    fn give_up(step: &Self::Step, failure: Self::Failure) -> Outcome<Self>;

    /// The failure of a step that exceeded its time limit.
    fn timed_out(step: &Self::Step, x: Self::Value, limit: Duration) -> Self::Failure;

    /// Folds one more element. A failure leaves the state as it was. Must not panic.
    fn fold(fold: &mut Self::Fold, x: Self::Value) -> Outcome<Self>;

    /// Resets a state to its initial value.
    fn reset(fold: &mut Self::Fold);

    /// The trace of a step requested on this thread, if its element is traced.
    fn trace() -> Option<Arc<dyn StepTrace>> {
        None
    }
}

/// Outcome of an element.
pub enum Outcome<S: Steps> {
    /// A value.
    Value(S::Value),
    /// Nothing: a filter or a policy dropped it.
    Dropped,
    /// A failure.
    Failed(S::Failure),
}

impl<S: Steps> fmt::Debug for Outcome<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Value(..) => "Value",
            Self::Dropped => "Dropped",
            Self::Failed(..) => "Failed",
        })
    }
}

impl<S: Steps> Clone for Outcome<S> {
    fn clone(&self) -> Self {
        match self {
            Self::Value(value) => Self::Value(value.clone()),
            Self::Dropped => Self::Dropped,
            Self::Failed(failure) => Self::Failed(failure.clone()),
        }
    }
}

/// An element in flight: a value, or a step that computes it.
///
/// A step runs once, on a thread of the engine, after it has been [launched](Self::launch). Earlier steps that were not
/// launched run with it, one after the other on the same thread. A part that is never launched is launched when its
/// last holder drops it, so that every function is called with every element.
pub struct Part<S: Steps>(Arc<Cell<S>>);

impl<S: Steps> fmt::Debug for Part<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Part").finish_non_exhaustive()
    }
}

struct Cell<S: Steps> {
    state: Mutex<State<S>>,
    /// The queue of its engine.
    queue: Arc<Queue<S>>,
    /// Number of steps before it that may be outstanding.
    depth: u32,
}

enum State<S: Steps> {
    /// Not started.
    Open {
        input: Input<S>,
        step: Arc<S::Step>,
        trace: Option<Arc<dyn StepTrace>>,
        is_launched: bool,
        watchers: Watchers,
    },
    /// In progress.
    Busy(Watchers),
    Settled(Outcome<S>),
}

/// Inputs of a step.
pub(super) enum Input<S: Steps> {
    Value(S::Value),
    Part(Part<S>),
}

/// Wakers to call when it settles.
#[derive(Default)]
struct Watchers {
    wakers: SmallVec<[Waker; 1]>,
    calls: Vec<Box<dyn FnOnce() + Send>>,
}

impl Watchers {
    fn add(&mut self, waker: &Waker) {
        if !self.wakers.iter().any(|known| known.will_wake(waker)) {
            self.wakers.push(waker.clone());
        }
    }

    fn tell(self) {
        self.wakers.into_iter().for_each(Waker::wake);
        self.calls.into_iter().for_each(|call| call());
    }
}

/// Maximum number of steps that run together: longer chains are launched in parts, since steps that do not run are
/// dropped recursively.
const DEEPEST: u32 = 64;

impl<S: Steps> Clone for Part<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S: Steps> Part<S> {
    fn new(queue: &Arc<Queue<S>>, state: State<S>, depth: u32) -> Self {
        Self(Arc::new(Cell {
            state: Mutex::new(state),
            queue: queue.clone(),
            depth,
        }))
    }

    /// An element whose outcome is known.
    pub fn settled(queue: &Arc<Queue<S>>, outcome: Outcome<S>) -> Self {
        Self::new(queue, State::Settled(outcome), 0)
    }

    /// An element to be [settled](Self::settle).
    pub(super) fn busy(queue: &Arc<Queue<S>>) -> Self {
        Self::new(queue, State::Busy(Watchers::default()), 0)
    }

    /// A part that applies a step to a value.
    pub fn first(queue: &Arc<Queue<S>>, value: S::Value, step: Arc<S::Step>) -> Self {
        Self::open(queue, Input::Value(value), step, 0)
    }

    /// A part that applies a step to this element.
    pub fn then(self, step: Arc<S::Step>) -> Self {
        let (queue, depth) = (self.0.queue.clone(), self.0.depth + 1);
        let part = Self::open(&queue, self.into_input(), step, depth % DEEPEST);
        if depth == DEEPEST {
            part.launch();
        }
        part
    }

    fn open(queue: &Arc<Queue<S>>, input: Input<S>, step: Arc<S::Step>, depth: u32) -> Self {
        let state = State::Open {
            input,
            step,
            trace: S::trace(),
            is_launched: false,
            watchers: Watchers::default(),
        };
        Self::new(queue, state, depth)
    }

    pub(super) fn into_input(self) -> Input<S> {
        // The only holder need not clone the value.
        match Arc::try_unwrap(self.0) {
            Ok(mut cell) => match cell.take_state() {
                State::Settled(Outcome::Value(value)) => Input::Value(value),
                state => {
                    *get_mut(&mut cell.state) = state;
                    Input::Part(Self(Arc::new(cell)))
                }
            },
            Err(cell) => Input::Part(Self(cell)),
        }
    }

    /// Launches it, unless it was launched before.
    pub fn launch(&self) {
        let is_new = match &mut *lock(&self.0.state) {
            State::Open { is_launched, .. } => !std::mem::replace(is_launched, true),
            _ => false,
        };
        if is_new {
            self.0.queue.push(Job::Part(self.clone()));
        }
    }

    /// The queue of its engine.
    pub fn queue(&self) -> &Arc<Queue<S>> {
        &self.0.queue
    }

    /// Whether its outcome is known.
    pub fn is_settled(&self) -> bool {
        matches!(*lock(&self.0.state), State::Settled(_))
    }

    /// Its outcome, once known.
    pub fn outcome(&self) -> Option<Outcome<S>> {
        self.look(Outcome::clone)
    }

    /// Reads the outcome, if it is known. `look` must not wait for anything.
    pub fn look<R>(&self, look: impl FnOnce(&Outcome<S>) -> R) -> Option<R> {
        match &*lock(&self.0.state) {
            State::Settled(outcome) => Some(look(outcome)),
            _ => None,
        }
    }

    /// Whether nobody else holds it.
    pub fn is_alone(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }

    /// Ready if the outcome is known; otherwise the waker is woken then.
    pub fn poll_settled(&self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut *lock(&self.0.state) {
            State::Settled(_) => Poll::Ready(()),
            State::Open { watchers, .. } | State::Busy(watchers) => {
                watchers.add(cx.waker());
                Poll::Pending
            }
        }
    }

    /// Calls `call` when the outcome is known, on the thread that settles it; at once, if it is known.
    pub(super) fn when_settled(&self, call: impl FnOnce() + Send + 'static) {
        match &mut *lock(&self.0.state) {
            State::Settled(_) => {}
            State::Open { watchers, .. } | State::Busy(watchers) => {
                watchers.calls.push(Box::new(call));
                return;
            }
        }
        call();
    }

    /// Settles it with an outcome, unless it is settled.
    pub(super) fn settle(&self, outcome: Outcome<S>) {
        let mut state = lock(&self.0.state);
        if matches!(*state, State::Settled(_)) {
            return;
        }
        let before = std::mem::replace(&mut *state, State::Settled(outcome));
        drop(state);
        if let State::Open { watchers, .. } | State::Busy(watchers) = before {
            watchers.tell();
        }
    }

    /// Starts it, unless it has been started.
    fn begin(&self) -> Begun<S> {
        let mut state = lock(&self.0.state);
        match std::mem::replace(&mut *state, State::Busy(Watchers::default())) {
            State::Open {
                input,
                step,
                trace,
                watchers,
                ..
            } => {
                *state = State::Busy(watchers);
                Begun::Mine(input, step, trace)
            }
            State::Busy(watchers) => {
                *state = State::Busy(watchers);
                Begun::Busy
            }
            State::Settled(outcome) => {
                let found = outcome.clone();
                *state = State::Settled(outcome);
                Begun::Settled(found)
            }
        }
    }
}

enum Begun<S: Steps> {
    Mine(Input<S>, Arc<S::Step>, Option<Arc<dyn StepTrace>>),
    Busy,
    Settled(Outcome<S>),
}

impl<S: Steps> State<S> {
    /// Whether it is neither started nor launched.
    fn is_left(&self) -> bool {
        matches!(
            self,
            Self::Open {
                is_launched: false,
                ..
            }
        )
    }
}

impl<S: Steps> Cell<S> {
    fn take_state(&mut self) -> State<S> {
        std::mem::replace(get_mut(&mut self.state), State::Busy(Watchers::default()))
    }
}

/// Launches a step that nobody can need any more: its function is called nevertheless.
impl<S: Steps> Drop for Cell<S> {
    fn drop(&mut self) {
        let is_left = State::is_left(get_mut(&mut self.state));
        if !is_left {
            return;
        }
        let state = self.take_state();
        Part::new(&self.queue, state, self.depth).launch();
    }
}

/// Started steps, the last first, and the input of the first.
pub(super) struct Line<S: Steps> {
    steps: SmallVec<[Begin<S>; 2]>,
    input: Option<Input<S>>,
}

/// A started part, its step and its trace.
type Begin<S> = (Part<S>, Arc<<S as Steps>::Step>, Option<Arc<dyn StepTrace>>);

impl<S: Steps> Line<S> {
    /// The part itself, and all unstarted parts before it.
    pub(super) fn of(part: Part<S>) -> Self {
        Self {
            steps: SmallVec::new(),
            input: Some(Input::Part(part)),
        }
    }

    /// Runs the steps; later, if another thread is computing their input.
    pub(super) fn run(self, queue: &Arc<Queue<S>>) {
        if let Some((line, outcome)) = self.begin(queue) {
            line.finish(outcome);
        }
    }

    /// The steps to run, with their input. `None` if there is nothing to run, or if another thread is computing the
    /// input, which is then waited for.
    pub(super) fn prepare(self, queue: &Arc<Queue<S>>) -> Option<Self> {
        let (mut line, outcome) = self.begin(queue)?;
        match outcome {
            Outcome::Value(value) if !line.steps.is_empty() => {
                line.input = Some(Input::Value(value));
                Some(line)
            }
            outcome => {
                line.finish(outcome);
                None
            }
        }
    }

    /// Starts all unstarted steps. Returns the input of the first.
    fn begin(mut self, queue: &Arc<Queue<S>>) -> Option<(Self, Outcome<S>)> {
        while let Some(input) = self.input.take() {
            let part = match input {
                Input::Value(value) => return Some((self, Outcome::Value(value))),
                Input::Part(part) => part,
            };
            match part.begin() {
                Begun::Mine(input, step, trace) => {
                    self.steps.push((part, step, trace));
                    self.input = Some(input);
                }
                Begun::Settled(outcome) => return Some((self, outcome)),
                Begun::Busy if self.steps.is_empty() => return None,
                Begun::Busy => {
                    let queue = queue.clone();
                    self.input = Some(Input::Part(part.clone()));
                    part.when_settled(move || queue.push_first(Job::Line(self)));
                    return None;
                }
            }
        }
        None
    }

    /// The input of the first step, once [prepared](Self::prepare).
    pub(super) fn value(&self) -> Option<&S::Value> {
        match &self.input {
            Some(Input::Value(value)) => Some(value),
            _ => None,
        }
    }

    /// The steps, the last first.
    pub(super) fn steps(
        &self,
    ) -> impl DoubleEndedIterator<Item = &Arc<S::Step>> + ExactSizeIterator {
        self.steps.iter().map(|(_, step, _)| step)
    }

    /// Begins the trace of the first step that is traced.
    pub(super) fn begin_trace(&mut self) -> Option<Arc<dyn StepTrace>> {
        let mut traces = self.steps.iter().rev();
        traces.find_map(|(_, _, trace)| trace.as_ref())?.begin()
    }

    /// For each step, the last first, whether its outcome is wanted beyond the next step.
    pub(super) fn wanted(&self) -> SmallVec<[bool; 2]> {
        let wanted = |(at, (part, ..)): (usize, &Begin<S>)| at == 0 || !part.is_alone();
        self.steps.iter().enumerate().map(wanted).collect()
    }

    /// Takes the outcomes of the wanted steps, in order.
    pub(super) fn settle(self, wanted: &[bool], mut next: impl FnMut() -> Outcome<S>) {
        let steps = self.steps.into_iter().zip(wanted);
        for ((part, ..), wanted) in steps.rev() {
            part.settle(if *wanted { next() } else { Outcome::Dropped });
        }
    }

    /// Fails the steps; by the policy, if only one of the functions can be the cause.
    pub(super) fn give_up(self, failure: S::Failure) {
        match self.steps.as_slice() {
            [(part, step, _)] => part.settle(S::give_up(step, failure)),
            _ => self.fail(&failure),
        }
    }

    fn finish(self, mut outcome: Outcome<S>) {
        for (part, step, trace) in self.steps.into_iter().rev() {
            if let Outcome::Value(value) = outcome {
                outcome = traced(trace.as_ref(), || run_step::<S>(&step, value));
            }
            if part.is_alone() {
                // Only the next step needs it.
                part.settle(Outcome::Dropped);
            } else {
                part.settle(outcome.clone());
            }
        }
    }

    /// Fails the steps and their input.
    pub(super) fn fail(self, failure: &S::Failure) {
        for (part, ..) in &self.steps {
            part.settle(Outcome::Failed(failure.clone()));
        }
        if let Some(Input::Part(part)) = &self.input {
            part.settle(Outcome::Failed(failure.clone()));
        }
    }
}

/// Runs a step until it succeeds or is given up, with pauses between attempts.
pub fn run_step<S: Steps>(step: &S::Step, value: S::Value) -> Outcome<S> {
    let mut attempts = 0;
    let mut kept = S::pause(step, 1).map(|_| value.clone());
    let mut next = value;
    loop {
        let failure = match S::run(step, next) {
            Outcome::Failed(failure) => failure,
            outcome => return outcome,
        };
        attempts += 1;
        let (Some(pause), Some(value)) = (S::pause(step, attempts), kept.take()) else {
            return S::give_up(step, failure);
        };
        pause_aside::<S>(pause);
        kept = Some(value.clone());
        next = value;
    }
}

/// Pauses before another attempt. Meanwhile the thread's place is another's: elements that are retried keep no others
/// from running, of this stream or of others on the same engine.
pub fn pause_aside<S: Steps>(pause: Duration) {
    if pause.is_zero() {
        return;
    }
    let _aside = (pause > place::MOMENT).then(place::aside);
    S::sleep(pause);
}
