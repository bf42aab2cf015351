//! The current span of a thread.

use std::any::Any;
use std::cell::RefCell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use super::{Span, TraceContext, Traced, TracedNode};

/// Whether anything in this process has ever been traced: if not, nothing is looked up.
static IS_ON: AtomicBool = AtomicBool::new(false);

thread_local! {
    static CURRENT: RefCell<Vec<Current>> = const { RefCell::new(Vec::new()) };
}

/// The current work of a thread: a span, and the name of its node.
#[derive(Clone)]
pub struct Current {
    span: Arc<dyn Span>,
    name: Arc<str>,
    node: u64,
    /// The trace's first span in this process, by its address.
    trace: usize,
}

impl std::fmt::Debug for Current {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Current")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Current {
    /// The name of the node.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The context for others to continue the trace.
    pub fn context(&self) -> Option<TraceContext> {
        guarded(|| self.span.context()).flatten()
    }

    /// Marks the span as failed.
    pub fn fail(&self, error: &str) {
        guarded(|| self.span.fail(error));
    }

    /// Begins a span for the call of a function, on another thread or in another process. `None` if the tracer has
    /// panicked.
    #[must_use]
    pub fn run(&self) -> Option<Self> {
        Some(Self {
            span: guarded(|| self.span.run(&self.name))?,
            name: self.name.clone(),
            node: self.node,
            trace: self.trace,
        })
    }

    /// Runs `f` in this span.
    pub fn within<R>(&self, f: impl FnOnce() -> R) -> R {
        let _entered = Entered::new(self.clone());
        f()
    }
}

/// The current span of this thread, if there is one: for code that continues it elsewhere.
///
/// ```
/// assert!(thalweg::trace::current().is_none());
/// ```
pub fn current() -> Option<Current> {
    if !IS_ON.load(Ordering::Relaxed) {
        return None;
    }
    // A thread that is ending has none.
    let last = CURRENT.try_with(|current| current.borrow().last().cloned());
    last.ok().flatten()
}

/// The context of the current span: for headers of requests and messages.
///
/// ```
/// assert!(thalweg::trace::current_context().is_none());
/// ```
pub fn current_context() -> Option<TraceContext> {
    current()?.context()
}

/// Whether this thread has a current span.
pub(crate) fn is_within() -> bool {
    current().is_some()
}

/// Notes that something may be traced from now on.
pub(crate) fn turn_on() {
    IS_ON.store(true, Ordering::Relaxed);
}

/// Calls a tracer's function; a panic in it counts as if there were no tracer.
pub(crate) fn guarded<R>(f: impl FnOnce() -> R) -> Option<R> {
    catch_unwind(AssertUnwindSafe(f)).ok()
}

/// A scope in which a thread has a current span.
pub(crate) struct Entered(Option<Box<dyn Any>>);

impl Entered {
    fn new(current: Current) -> Self {
        let entered = guarded(|| current.span.enter());
        let _ = CURRENT.try_with(|all| all.borrow_mut().push(current));
        Self(entered)
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let left = CURRENT.try_with(|all| all.borrow_mut().pop());
        let entered = self.0.take();
        guarded(move || drop(entered));
        guarded(move || drop(left));
    }
}

/// The visit of an element at a node: it lasts as long as calls that begin with it.
pub(crate) struct Visit {
    _entered: Entered,
}

impl Visit {
    /// `None` if this thread is at the node already, or the tracer has panicked.
    pub(crate) fn begin(traced: &Traced, node: &TracedNode<'_>) -> Option<Self> {
        let trace = traced.address();
        // If nodes call one another, each visit is inside the one before.
        let outer = current().filter(|current| current.trace == trace);
        if outer.as_ref().is_some_and(|outer| outer.node == node.id) {
            return None;
        }
        let span = guarded(|| match &outer {
            Some(outer) => outer.span.visit(node),
            None => traced.span.visit(node),
        })?;
        Some(Self {
            _entered: Entered::new(Current {
                span,
                name: node.name.into(),
                node: node.id,
                trace,
            }),
        })
    }
}

/// Marks the node's span as failed, if the function is called there.
pub(crate) fn fail(traced: &Traced, error: &str) {
    match current().filter(|current| current.trace == traced.address()) {
        Some(current) => current.fail(error),
        None => drop(guarded(|| traced.span.fail(error))),
    }
}

pin_project_lite::pin_project! {
    /// A future in a span.
    pub(crate) struct Within<F> {
        #[pin]
        future: F,
        current: Current,
    }
}

impl<F> Within<F> {
    pub(crate) fn new(future: F, current: Current) -> Self {
        Self { future, current }
    }
}

impl<F: Future> Future for Within<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        this.current.within(|| this.future.poll(cx))
    }
}
