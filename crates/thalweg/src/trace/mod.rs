//! Traces: what becomes of single elements, from their source to the last sink.
//!
//! The engine knows no tracing system. Somebody who does is a [`Tracer`]: it is told of each element that is traced, of
//! each node that the element comes to, and where functions run for it. The crate `thalweg-tracing` is one for
//! `tracing` and OpenTelemetry. While nobody traces a pipeline, it costs nothing there.

mod context;
mod current;

use std::any::Any;
use std::sync::Arc;

pub use context::{ContextError, TraceContext};
pub use current::{Current, current, current_context};
pub(crate) use current::{Visit, Within, fail, guarded, is_within, turn_on};

/// A node that an element comes to.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct TracedNode<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its [id](crate::Stream::node_id).
    pub id: u64,
    /// What kind of operator it is.
    pub kind: &'static str,
}

impl<'a> TracedNode<'a> {
    pub(crate) fn new(name: &'a str, id: u64, kind: &'static str) -> Self {
        Self { name, id, kind }
    }
}

/// Somebody who is told what becomes of elements: see [`Stream::trace`](crate::Stream::trace).
///
/// It is called inside pipelines, so it must not touch any, and is quick. What panics in it is as if it were not there.
pub trait Tracer: Send + Sync + 'static {
    /// Begins the trace of an element that is emitted at a node; `None` if it is not to be traced. `parent` is what the
    /// element belongs to elsewhere: the request that it came with, or the element of another pipeline.
    fn begin(&self, node: &TracedNode<'_>, parent: Option<&TraceContext>) -> Option<Arc<dyn Span>>;
}

/// Something that is done for an element that is traced. It has been done when it is dropped.
pub trait Span: Send + Sync + 'static {
    /// The element comes to a node.
    fn visit(&self, node: &TracedNode<'_>) -> Arc<dyn Span>;

    /// A function is called for the element, on a thread of an engine or in a process of its own.
    fn run(&self, name: &str) -> Arc<dyn Span>;

    /// From now on this thread works on it, until what is returned is dropped, on the same thread.
    fn enter(&self) -> Box<dyn Any>;

    /// What others need to know who go on with it; `None` if it is in no trace that others could know.
    fn context(&self) -> Option<TraceContext>;

    /// It has failed.
    fn fail(&self, error: &str);
}

/// What an element carries that is traced.
#[derive(Clone)]
pub(crate) struct Traced {
    pub(crate) span: Arc<dyn Span>,
    /// Counts those that are on their way.
    pub(crate) _alive: Arc<()>,
}

impl Traced {
    /// What tells traces apart.
    fn address(&self) -> usize {
        Arc::as_ptr(&self.span).addr()
    }
}
