"""Traces by OpenTelemetry: the way of single elements, from source to last sink."""

from __future__ import annotations

import os

from thalweg import _thalweg
from thalweg.errors.missing_packages import need

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from opentelemetry.trace import Span, Tracer, TracerProvider

    from thalweg.stream import Stream

__all__ = ["resume_trace", "trace", "untrace"]

#: Name under which spans are made.
_SCOPE = "thalweg"


def trace(node: Stream[Any], one_in: int, provider: TracerProvider | None) -> None:
    """Trace a sample of elements of a node's pipeline.

    Raises
    ------
    ImportError
        `opentelemetry-api` is not installed.
    ValueError
        `one_in` is not a number of elements.
    """
    if isinstance(one_in, bool) or not isinstance(one_in, int) or not 0 <= one_in < 1 << 32:
        raise ValueError(f"trace: `one_in` is a number of elements, 0 for none, not {one_in!r}")
    if provider is not None and not hasattr(provider, "get_tracer"):
        raise TypeError(f"trace: `provider`: a tracer provider of OpenTelemetry, not {provider!r}")
    need("opentelemetry.trace", "trace", "opentelemetry")
    from opentelemetry.trace import get_tracer

    names = [each.name for each in node._pipeline.nodes() if each.name and not each.upstreams]
    tracer = get_tracer(_SCOPE, _thalweg.__version__, tracer_provider=provider)
    node._trace(_Tracer(tracer, ", ".join(names)), one_in)


def untrace(node: Stream[Any]) -> None:
    """Stop tracing elements."""
    node._untrace()


class _Tracer:
    """Called by the engine for each traced element."""

    def __init__(self, tracer: Tracer, pipeline: str) -> None:
        self._tracer, self._pipeline = tracer, pipeline

    def begin(self, name: str, number: int, kind: str, parent: str | None, state: str | None) -> _Span | None:
        # Without a parent it belongs to the span of the current thread, if there is one.
        context = None if parent is None else _extract(parent, state)
        attributes = {**_attributes(name, number, kind), "thalweg.pipeline": self._pipeline}
        span = self._tracer.start_span(name, context, attributes=attributes)
        return _Span(self._tracer, span) if span.is_recording() else None


class _Span:
    """A span of an element: its whole way, a visit at a node, or a call on an engine."""

    def __init__(self, tracer: Tracer, span: Span) -> None:
        from opentelemetry.trace import set_span_in_context

        self._tracer, self._span = tracer, span
        self._context = set_span_in_context(span)

    def visit(self, name: str, number: int, kind: str) -> _Span:
        attributes = _attributes(name, number, kind)
        return _Span(self._tracer, self._tracer.start_span(name, self._context, attributes=attributes))

    def run(self, name: str) -> _Span:
        span = self._tracer.start_span(f"run {name}", self._context, attributes={"thalweg.node": name})
        return _Span(self._tracer, span)

    def enter(self) -> Any:
        from opentelemetry.context import attach

        return attach(self._context)

    def leave(self, token: Any) -> None:
        from opentelemetry.context import detach

        detach(token)

    def context(self) -> tuple[str | None, str | None]:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        headers: dict[str, str] = {}
        TraceContextTextMapPropagator().inject(headers, self._context)
        return headers.get("traceparent"), headers.get("tracestate")

    def fail(self, error: str) -> None:
        from opentelemetry.trace import Status, StatusCode

        self._span.set_status(Status(StatusCode.ERROR, error))

    def end(self) -> None:
        self._span.end()


def _attributes(name: str, number: int, kind: str) -> dict[str, str | int]:
    return {"thalweg.node": name, "thalweg.node_id": number, "thalweg.kind": kind}


def _extract(parent: str, state: str | None) -> Any:
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    headers = {"traceparent": parent}
    if state is not None:
        headers["tracestate"] = state
    return TraceContextTextMapPropagator().extract(headers)


def resume_trace(parent: str, state: str | None) -> Callable[[], None] | None:
    """Continue an element's trace in a worker process; return a function to end it, or None without OpenTelemetry.

    The span belongs to this process's tracer provider: it is exported only if the process has one.

    Examples
    --------
    >>> from thalweg.view.tracing import resume_trace
    >>> end = resume_trace("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", None)
    >>> end()
    """
    try:
        from opentelemetry.context import attach, detach
        from opentelemetry.trace import get_tracer, set_span_in_context
    except ImportError:
        return None
    context = _extract(parent, state)
    span = get_tracer(_SCOPE).start_span("worker", context, attributes={"process.pid": os.getpid()})
    token = attach(set_span_in_context(span, context))

    def end() -> None:
        detach(token)
        span.end()

    return end
