"""Aggregations attached to a collection: locally in one step, on an engine in two."""

from __future__ import annotations

from typing import Any

from thalweg.collections.streaming import Streaming, get_stream_type

__all__ = ["apply", "collection"]


def apply(
    stream: Any, step: Any, example: Any, *, start: Any = None, with_state: bool = False, stream_type: str = "updating"
) -> Streaming:
    """Aggregate the batches of a stream.

    Parameters
    ----------
    stream
        The stream of batches.
    step
        Called with the state and a batch. If it has `prepare` and `advance`, the first is called on an engine for
        several batches at a time, and only the second for one after the other.
    example
        An example of a batch.
    start
        The initial state, or None.
    with_state
        Whether to emit pairs of the state and the result.
    stream_type
        ``"streaming"`` or ``"updating"``.
    """
    _, found = step(None, example)
    load = getattr(step, "load", None)
    if load is not None:
        start = load(start)
    options = {"start": start, "returns_state": True, "with_state": with_state}
    if hasattr(step, "advance") and _is_on_an_engine(stream):
        result = stream.map(step.prepare).accumulate(step.advance, **options)
    else:
        result = stream.accumulate(step, **options)
    return collection(result, found, stream_type)


def collection(stream: Any, example: Any, stream_type: str) -> Streaming:
    """The collection for the elements of a stream."""
    found = get_stream_type(example, stream_type)
    return Streaming(stream, example, stream_type=stream_type) if found is None else found(stream, example)


def _is_on_an_engine(stream: Any) -> bool:
    from thalweg.parallel.stream import ParallelStream

    return isinstance(stream, ParallelStream)
