//! Traces: the way of single elements, from source to last sink.
//!
//! The engine knows no tracing system. A [`Tracer`] does: it is told of each traced element, of each node that the
//! element visits, and of the functions that run for it. The crate `thalweg-tracing` is one for `tracing` and
//! OpenTelemetry. A pipeline that is not traced pays nothing.

mod context;
mod current;

use std::any::Any;
use std::sync::Arc;

pub use context::{ContextError, TraceContext};
pub use current::{Current, current, current_context};
pub(crate) use current::{Visit, Within, fail, guarded, is_within, turn_on};

/// A node that an element visits.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct TracedNode<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its [id](crate::Stream::node_id).
    pub id: u64,
    /// The kind of its operator.
    pub kind: &'static str,
}

impl<'a> TracedNode<'a> {
    pub(crate) fn new(name: &'a str, id: u64, kind: &'static str) -> Self {
        Self { name, id, kind }
    }
}

/// Receives the events of traced elements: see [`Stream::trace`](crate::Stream::trace).
///
/// It is called inside pipelines, so it must not touch any, and must be quick. A panic in it counts as if there were no
/// tracer.
pub trait Tracer: Send + Sync + 'static {
    /// Begins the trace of an element that is emitted at a node; `None` to leave it untraced. `parent` is the trace it
    /// belongs to: that of a request, or of an element of another pipeline.
    fn begin(&self, node: &TracedNode<'_>, parent: Option<&TraceContext>) -> Option<Arc<dyn Span>>;
}

/// A span of a traced element. Dropping it ends the span.
pub trait Span: Send + Sync + 'static {
    /// Begins a visit at a node.
    fn visit(&self, node: &TracedNode<'_>) -> Arc<dyn Span>;

    /// Begins a call of a function for the element, on a thread of an engine or in another process.
    fn run(&self, name: &str) -> Arc<dyn Span>;

    /// Makes it the current span of this thread until the result is dropped, on the same thread.
    fn enter(&self) -> Box<dyn Any>;

    /// The context for others to continue the trace; `None` if there is none.
    fn context(&self) -> Option<TraceContext>;

    /// Marks it as failed.
    fn fail(&self, error: &str);
}

/// The span of an element in flight.
#[derive(Clone)]
pub(crate) struct Traced {
    pub(crate) span: Arc<dyn Span>,
    /// Counts those in flight.
    pub(crate) _alive: Arc<()>,
}

impl Traced {
    /// Identity of a trace.
    fn address(&self) -> usize {
        Arc::as_ptr(&self.span).addr()
    }
}
