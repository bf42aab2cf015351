"""Methods of streams for engines, collections and pictures, which are loaded by the first call.

A stream knows nothing of those: they know streams. So these methods are attached from here.
"""

from __future__ import annotations

import os

from thalweg.runtime import pipelines
from thalweg.stream import Stream, no_default
from thalweg.stream.typevars import T

#: The methods.
__all__ = [
    "_ipython_display_",
    "_repr_html_",
    "explain",
    "progress",
    "scatter",
    "to_batch",
    "to_dataframe",
    "trace",
    "untrace",
    "visualize",
]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import PathLike
    from typing import Any, TextIO

    from thalweg.collections.batch import Batch
    from thalweg.parallel.scatter import scatter as scattered


def explain(self: Stream[Any]) -> str:
    """Explain how the pipeline runs: the chains of nodes that are compiled, and why others are not.

    A chain becomes one Python function; the engine runs other nodes. ``THALWEG_COMPILE=0`` in the environment disables
    compilation.

    Examples
    --------
    >>> from thalweg import Stream
    >>> source = Stream()
    >>> L = source.map(str).sink_to_list()
    >>> print(source.explain())  # doctest: +ELLIPSIS
    def chain(DONE, MANY, FAILED, ENDED, LEFT, JOINED, left, f1, f2):
        # x1: map(str)
        # x2: sink(append)
    ...
                x1 = f1(x0)
                end = f2(x1)
    ...
    # Stream: left to the engine, elements come in here
    """
    from thalweg.stream import compiled

    return compiled.explain(self)


def progress(self: Stream[T], total: int | None = None, label: str = "", file: TextIO | None = None) -> Stream[T]:
    """Show how many elements this node has received, their rate, and how many remain; return the node.

    The display ends when the pipeline is drained, or `total` elements have arrived.

    In a terminal it is a line on ``sys.stderr``, in a notebook a widget; with any other output there is none. An
    element costs nothing: a thread reads the node's counters ten times a second.

    Parameters
    ----------
    total: int
        Expected number of elements, if it is known.
    label: str
        Label of the line.
    file:
        Output file instead of ``sys.stderr``.

    Examples
    --------
    >>> import io
    >>> from thalweg import Stream
    >>> output = io.StringIO()
    >>> with Stream() as source:
    ...     L = source.progress(total=3, file=output).map(abs).sink_to_list()
    ...     source.emit_many([-1, -2, -3])
    >>> "3 of 3" in output.getvalue()
    True
    """
    from thalweg.view.progress import bar, of_stream

    shown = bar(file, label)
    if shown is not None:
        of_stream(self, total, shown)
    return self


def scatter(
    self: Stream[T], client: Any = None, backend: Any = None, unordered: bool = False, **kwargs: Any
) -> scattered[T]:
    """Move elements to an engine: threads, processes or a cluster; see :class:`thalweg.parallel.scatter`.

    Examples
    --------
    >>> from thalweg import Stream
    >>> source = Stream()
    >>> L = source.scatter(backend="thread").map(pow, 2).gather().sink_to_list()
    >>> source.emit(3)
    >>> source.drain()
    >>> L
    [9]
    """
    from thalweg import parallel

    return parallel.scatter(self, client, backend, unordered, **kwargs)


def to_batch(self: Stream[Any], **kwargs: Any) -> Batch:
    """Convert a stream of lists or tuples to a :class:`~thalweg.batch.Batch`.

    Examples
    --------
    >>> from thalweg import Stream
    >>> source = Stream()
    >>> L = source.to_batch().sum().stream.sink_to_list()
    >>> source.emit([1, 2])
    >>> L
    [3]
    """
    from thalweg.collections.batch import Batch

    return Batch(stream=self, **kwargs)


def to_dataframe(self: Stream[Any], example: Any, n: int | None = None, interval: Any = None) -> Any:
    """Convert a stream of data frames that look like `example`, or of single rows, to a streaming data frame.

    Parameters
    ----------
    example:
        A frame of pandas, Polars or Arrow, or a function that returns one.
    n: int
        Elements are rows: dictionaries, tuples or small frames. `n` of them make a frame; fewer at the end of an
        `interval`.
    interval:
        Elements are rows, and those that arrive within so many seconds make a frame.

    Examples
    --------
    >>> import pandas as pd
    >>> from thalweg import Stream
    >>> source = Stream()
    >>> L = source.to_dataframe(example=pd.DataFrame({"x": [0]})).x.sum().stream.sink_to_list()
    >>> source.emit(pd.DataFrame({"x": [1, 2]}))
    >>> [int(total) for total in L]
    [3]
    >>> rows = Stream()
    >>> L = rows.to_dataframe(pd.DataFrame({"x": [0]}), n=2).x.sum().stream.sink_to_list()
    >>> rows.emit_many([{"x": 1}, {"x": 2}, {"x": 3}, {"x": 4}])
    >>> [int(total) for total in L]
    [3, 10]
    """
    from thalweg.dataframe import DataFrame
    from thalweg.dataframe.rows import frames_of

    if n is None and interval is None:
        return DataFrame(stream=self, example=example)
    return frames_of(self, example, n, interval)


def trace(self: Stream[T], one_in: int = 1, provider: Any = None) -> Stream[T]:
    """Trace elements by OpenTelemetry, from emission to the last sink; return the node.

    An element is a span, which ends when the last sink is done with it; each visit at a node is a span in it, and so is
    each call on an engine, also in worker processes and on a cluster. In a function, the current span is that of its
    node. Elements with a ``traceparent``, from an HTTP request or a Kafka message, continue that trace, and requests
    and messages sent by a pipeline carry it on. A pipeline that is not traced pays nothing.

    Parameters
    ----------
    one_in: int
        Among elements without a trace, one in this many starts one; 0 means none. Elements with a trace are traced if
        it is sampled.
    provider: TracerProvider
        A tracer provider of OpenTelemetry; by default OpenTelemetry's global one.

    Raises
    ------
    ImportError
        ``opentelemetry-api`` is not installed: ``pip install 'thalweg[opentelemetry]'``.
    ValueError
        `one_in` is not a number of elements.

    Examples
    --------
    >>> from opentelemetry.sdk.trace import TracerProvider
    >>> from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    >>> from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    >>> from thalweg import Stream
    >>> spans = InMemorySpanExporter()
    >>> provider = TracerProvider()
    >>> provider.add_span_processor(SimpleSpanProcessor(spans))
    >>> source = Stream(stream_name="orders")
    >>> L = source.map(abs, stream_name="positive").sink_to_list()
    >>> _ = source.trace(provider=provider)
    >>> source.emit(-1)
    >>> [span.name for span in spans.get_finished_spans()]
    ['sink(append)', 'positive', 'orders']
    """
    from thalweg.view import tracing

    tracing.trace(self, one_in, provider)
    return self


def untrace(self: Stream[T]) -> Stream[T]:
    """Stop tracing elements of the pipeline, and return the node; elements in flight are traced to their end.

    Examples
    --------
    >>> from thalweg import Stream
    >>> source = Stream()
    >>> source.untrace() is source
    True
    """
    from thalweg.view import tracing

    tracing.untrace(self)
    return self


def visualize(self: Stream[Any], filename: str | PathLike[str] | None = no_default, **kwargs: Any) -> Any:
    """Draw the pipeline to a file or for the notebook; see :func:`thalweg.graph.visualize`.

    Examples
    --------
    >>> import os, tempfile
    >>> from thalweg import Stream
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     picture = Stream().map(str).visualize(os.path.join(directory, "pipeline.svg"))
    ...     os.listdir(directory)
    ['pipeline.svg']
    """
    from thalweg.view import graph

    return graph.visualize(self, filename, **kwargs)


def _repr_html_(self: Stream[Any]) -> str:
    from thalweg.view.notebook import repr_html

    return repr_html(self)


def _ipython_display_(self: Stream[Any], **kwargs: Any) -> Any:
    from thalweg.view.notebook import display_stream

    return display_stream(self, **kwargs)


def attach() -> None:
    """Attach all of them, and start the dashboard with the first pipeline if the environment asks for it.

    Examples
    --------
    >>> from thalweg import Stream, _extensions
    >>> Stream.scatter is _extensions.scatter
    True
    """
    for name in __all__:
        setattr(Stream, name, globals()[name])
    pipelines.call_with_first(_serve_if_asked)


def _serve_if_asked() -> None:
    if "THALWEG_DASHBOARD" in os.environ:
        from thalweg.view.dashboard import serve_if_asked

        serve_if_asked()
