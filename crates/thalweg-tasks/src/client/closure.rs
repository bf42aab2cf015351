//! Closures as tasks on threads.

use crate::error::TaskError;
use crate::panics::panic_message;
use crate::place;
use crate::scheduler::{Deferred, Dependencies};
use crate::task_types::TaskTypes;
use crate::threads::{ThreadPool, Token, Work, as_task};
use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Task types for closures, with values of any type.
#[derive(Debug)]
pub enum Closures {}

/// A result, with its holder.
pub(crate) type Value = Arc<dyn Holds>;

/// Holder of a task's result.
pub trait Holds: Send + Sync {
    /// The result, if it is available.
    fn held(&self) -> Option<&dyn Any>;
}

/// A result without a task.
pub(super) struct Held<T>(pub(super) T);

impl<T: Send + Sync + 'static> Holds for Held<T> {
    fn held(&self) -> Option<&dyn Any> {
        Some(&self.0)
    }
}

/// A closure that is called once, and then its result: both in one allocation.
struct Once<F, T> {
    closure: Mutex<Option<F>>,
    result: OnceLock<T>,
}

impl<F: Send, T: Send + Sync + 'static> Holds for Once<F, T> {
    fn held(&self) -> Option<&dyn Any> {
        Some(self.result.get()?)
    }
}

pub trait RunOnce: Holds {
    /// Calls it, unless that was done before.
    fn run(self: Arc<Self>, dependencies: &Dependencies<Closures>) -> Outcome;
}

impl<F, T> RunOnce for Once<F, T>
where
    F: FnOnce(&Dependencies<Closures>) -> Result<T, TaskError> + Send + 'static,
    T: Send + Sync + 'static,
{
    fn run(self: Arc<Self>, dependencies: &Dependencies<Closures>) -> Outcome {
        let closure = self
            .closure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let closure = closure.ok_or(TaskError::RanBefore)?;
        let result = closure(dependencies)?;
        self.result.get_or_init(|| result);
        Ok(self)
    }
}

impl TaskTypes for Closures {
    type Program = Closure;
    type Value = Value;
    type Error = TaskError;
}

type Outcome = Result<Value, TaskError>;

type Often = dyn FnMut(&Dependencies<Closures>) -> Outcome + Send;

/// The closure of a task.
pub enum Closure {
    /// Consumed by the call.
    Once(Option<Arc<dyn RunOnce>>),
    /// It can run again.
    Often(Box<Often>),
}

impl Closure {
    pub(crate) fn once<T: Send + Sync + 'static>(
        f: impl FnOnce(&Dependencies<Closures>) -> Result<T, TaskError> + Send + 'static,
    ) -> Self {
        Self::Once(Some(Arc::new(Once {
            closure: Mutex::new(Some(f)),
            result: OnceLock::new(),
        })))
    }

    pub(crate) fn often<T: Send + Sync + 'static>(
        mut f: impl FnMut(&Dependencies<Closures>) -> Result<T, TaskError> + Send + 'static,
    ) -> Self {
        Self::Often(Box::new(move |dependencies| {
            Ok(Arc::new(Held(f(dependencies)?)) as Value)
        }))
    }

    fn run(&mut self, dependencies: &Dependencies<Closures>) -> Outcome {
        match self {
            Self::Once(f) => f.take().ok_or(TaskError::RanBefore)?.run(dependencies),
            Self::Often(f) => f(dependencies),
        }
    }
}

impl fmt::Debug for Closure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Once(_) => "Once",
            Self::Often(_) => "Often",
        })
    }
}

/// Runs closures one after the other.
pub(crate) struct ClosureRunner;

impl Work<Closures> for ClosureRunner {
    fn work(&self, pool: &Arc<ThreadPool<Closures>>) {
        let mut deferred = Deferred::default();
        let mut next = None;
        while let Some(mut assignment) = next.take().or_else(|| pool.take()) {
            let token = Token::of(&assignment);
            let run = || assignment.program.run(&assignment.dependencies);
            let outcome = catch_unwind(AssertUnwindSafe(|| as_task(token, run)))
                .unwrap_or_else(|payload| Err(TaskError::Panicked(panic_message(payload))));
            next = pool.finish(assignment, outcome, &mut deferred);
        }
    }
}

/// Calls a closure that blocks, for a lock or an answer, for example, and lets another thread run tasks meanwhile.
///
/// Waiting for a task does this by itself, since tasks that wait for tasks could otherwise occupy all threads for ever.
/// Outside of a task, or if the system cannot start a thread, the closure is simply called.
///
/// ```
/// use thalweg_tasks::{Client, block_in_place};
///
/// let client = Client::threads(1)?;
/// let inner = client.clone();
/// let outer = client.submit(move || {
///     let six = inner.submit(|| 2 * 3);
///     block_in_place(|| six.result())
/// });
/// assert_eq!(outer.result()??, 6);
/// # Ok::<(), thalweg_tasks::Error>(())
/// ```
pub fn block_in_place<R>(f: impl FnOnce() -> R) -> R {
    let _aside = place::aside();
    f()
}
