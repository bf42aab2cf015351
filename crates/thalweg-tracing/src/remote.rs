//! Traces across processes.

use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use thalweg::trace::TraceContext;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// Span that continues a trace of another process, given the caller's
/// [`current_context`](thalweg::trace::current_context). Without a layer of `tracing-opentelemetry` in this process's
/// subscriber it continues nothing.
///
/// ```
/// use thalweg::trace::TraceContext;
///
/// /// In a worker process.
/// fn price(order: u32, traceparent: Option<String>) -> u32 {
///     let context = TraceContext::of_headers(traceparent.as_deref(), None);
///     let _span = context.map(|context| thalweg_tracing::resume("price", &context).entered());
///     order * 2
/// }
///
/// let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_string();
/// assert_eq!(price(2, Some(traceparent)), 4);
/// ```
pub fn resume(name: &str, parent: &TraceContext) -> tracing::Span {
    let span = tracing::info_span!(
        target: "thalweg",
        parent: None,
        "remote",
        otel.name = name,
        process = std::process::id(),
    );
    continue_trace(&span, parent);
    span
}

/// Makes a span continue a trace of another process.
pub(crate) fn continue_trace(span: &tracing::Span, parent: &TraceContext) {
    let flags = match parent.is_sampled() {
        true => TraceFlags::SAMPLED,
        false => TraceFlags::default(),
    };
    let state = parent.state().and_then(|state| state.parse().ok());
    let parent = SpanContext::new(
        TraceId::from(parent.trace_id()),
        SpanId::from(parent.span_id()),
        flags,
        true,
        state.unwrap_or(TraceState::NONE),
    );
    let context = opentelemetry::Context::new().with_remote_span_context(parent);
    // Fails only without a layer of OpenTelemetry.
    let _ = span.set_parent(context);
}

/// Context for continuing the trace elsewhere; `None` without a layer of OpenTelemetry.
pub(crate) fn context_of(span: &tracing::Span) -> Option<TraceContext> {
    let context = span.context();
    let span_context = context.span().span_context().clone();
    let trace = u128::from_be_bytes(span_context.trace_id().to_bytes());
    let id = u64::from_be_bytes(span_context.span_id().to_bytes());
    let trace_context = TraceContext::new(trace, id, span_context.is_sampled()).ok()?;
    Some(trace_context.with_state(&span_context.trace_state().header()))
}
