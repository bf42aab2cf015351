//! Steps in Rust: closures with values of any type.

use crate::client::Client;
use crate::error::Error;
use crate::error::TaskError;
use crate::panics::panic_message;
use crate::parallel::{Engine, Outcome, Over, Part, Runner, StepTrace, Steps};
use crate::task_types::Failure;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use thalweg::ops::Promise;
use thalweg::trace::Current;

/// Values of any type, and closures.
#[derive(Debug)]
pub enum ClosureSteps {}

pub(super) type Value = Arc<dyn Any + Send + Sync>;
pub(super) type StreamFailure = Arc<Failure<TaskError>>;

impl Steps for ClosureSteps {
    type Value = Value;
    type Step = Box<dyn Fn(Value) -> Outcome<Self> + Send + Sync>;
    type Fold = Box<dyn FnMut(Value) -> Outcome<Self> + Send>;
    type Failure = StreamFailure;

    fn run(step: &Self::Step, x: Value) -> Outcome<Self> {
        caught(|| step(x))
    }

    fn pause(_: &Self::Step, _: u32) -> Option<Duration> {
        None
    }

    fn give_up(_: &Self::Step, failure: StreamFailure) -> Outcome<Self> {
        Outcome::Failed(failure)
    }

    fn timed_out(_: &Self::Step, _: Value, limit: Duration) -> StreamFailure {
        Arc::new(Failure::TimedOut(limit))
    }

    fn fold(fold: &mut Self::Fold, x: Value) -> Outcome<Self> {
        caught(|| fold(x))
    }

    fn reset(_: &mut Self::Fold) {}

    fn trace() -> Option<Arc<dyn StepTrace>> {
        let current = thalweg::trace::current()?;
        Some(Arc::new(Traced(current)))
    }
}

/// A step of a traced element.
struct Traced(Current);

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

fn caught(f: impl FnOnce() -> Outcome<ClosureSteps>) -> Outcome<ClosureSteps> {
    catch_unwind(AssertUnwindSafe(f))
        .unwrap_or_else(|payload| failed(TaskError::Panicked(panic_message(payload))))
}

pub(super) fn failed(error: TaskError) -> Outcome<ClosureSteps> {
    Outcome::Failed(Arc::new(Failure::Raised(error)))
}

/// Downcasts a value, without cloning it if nobody else holds it.
pub(super) fn owned<T: Clone + Send + Sync + 'static>(value: Value) -> T {
    let value = value
        .downcast::<T>()
        .expect("a stream has the type of its elements' values");
    Arc::try_unwrap(value).unwrap_or_else(|shared| T::clone(&shared))
}

/// The threads of a client.
pub(super) struct Threads(pub(super) Client);

impl Engine<ClosureSteps> for Threads {
    fn width(&self) -> usize {
        self.0.width()
    }

    fn start(&self, runner: Runner<ClosureSteps>, limit: Option<(Duration, Over<ClosureSteps>)>) {
        debug_assert!(limit.is_none(), "no step of a closure has a limit");
        drop(self.0.spawn(move || runner.run(|| {}), None));
    }

    fn lost(&self) -> StreamFailure {
        Arc::new(Failure::Closed)
    }
}

impl Promise for Part<ClosureSteps> {
    fn is_settled(&self) -> bool {
        Self::is_settled(self)
    }

    fn poll_settled(&self, cx: &mut Context<'_>) -> Poll<()> {
        Self::poll_settled(self, cx)
    }
}

/// The value of a settled element, if it has one.
pub(super) fn value_of<T: Clone + Send + Sync + 'static>(
    part: &Part<ClosureSteps>,
) -> Result<Option<T>, Error> {
    match part.outcome() {
        Some(Outcome::Value(value)) => Ok(Some(owned(value))),
        Some(Outcome::Failed(failure)) => Err(Error::Task(failure)),
        Some(Outcome::Dropped) | None => Ok(None),
    }
}
