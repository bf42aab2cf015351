//! Elements and their visits as spans.

use std::any::Any;
use std::sync::Arc;

use thalweg::trace::{Span, TraceContext, TracedNode, Tracer};
use tracing::field::Empty;

/// Traces elements of a pipeline as spans of the crate `tracing`: for [`Stream::trace`](thalweg::Stream::trace).
#[derive(Clone, Debug, Default)]
pub struct Spans {
    pipeline: Option<Arc<str>>,
}

impl Spans {
    /// Spans with the pipeline's name as a field.
    ///
    /// ```
    /// let source = thalweg::Stream::<i32>::new();
    /// source.trace(thalweg_tracing::Spans::of("numbers"), 1);
    /// ```
    pub fn of(pipeline: impl Into<Arc<str>>) -> Self {
        Self {
            pipeline: Some(pipeline.into()),
        }
    }
}

impl Tracer for Spans {
    fn begin(&self, node: &TracedNode<'_>, parent: Option<&TraceContext>) -> Option<Arc<dyn Span>> {
        let span = tracing::info_span!(
            target: "thalweg",
            "element",
            otel.name = node.name,
            otel.status_code = Empty,
            otel.status_description = Empty,
            pipeline = self.pipeline.as_deref(),
            node = node.name,
            node_id = node.id,
            kind = node.kind,
        );
        if span.is_disabled() {
            return None;
        }
        #[cfg(feature = "opentelemetry")]
        if let Some(parent) = parent {
            crate::remote::continue_trace(&span, parent);
        }
        #[cfg(not(feature = "opentelemetry"))]
        let _ = parent;
        Some(Arc::new(Traced(span)))
    }
}

/// The span of an element or a node.
struct Traced(tracing::Span);

impl Span for Traced {
    fn visit(&self, node: &TracedNode<'_>) -> Arc<dyn Span> {
        Arc::new(Self(tracing::info_span!(
            target: "thalweg",
            parent: &self.0,
            "node",
            otel.name = node.name,
            otel.status_code = Empty,
            otel.status_description = Empty,
            node = node.name,
            node_id = node.id,
            kind = node.kind,
        )))
    }

    fn run(&self, name: &str) -> Arc<dyn Span> {
        Arc::new(Self(tracing::info_span!(
            target: "thalweg",
            parent: &self.0,
            "run",
            otel.name = format_args!("run {name}"),
            otel.status_code = Empty,
            otel.status_description = Empty,
            node = name,
        )))
    }

    fn enter(&self) -> Box<dyn Any> {
        Box::new(self.0.clone().entered())
    }

    fn context(&self) -> Option<TraceContext> {
        #[cfg(feature = "opentelemetry")]
        return crate::remote::context_of(&self.0);
        #[cfg(not(feature = "opentelemetry"))]
        None
    }

    fn fail(&self, error: &str) {
        self.0.record("otel.status_code", "ERROR");
        self.0.record("otel.status_description", error);
        tracing::error!(target: "thalweg", parent: &self.0, error, "failed");
    }
}
