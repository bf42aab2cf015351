"""Grouping rows into frames."""

from __future__ import annotations

from functools import partial
from typing import Any

from thalweg.dataframe.backend import backend_of
from thalweg.dataframe.frame import DataFrame

__all__ = ["frames_of"]


def frames_of(stream: Any, example: Any, n: int | None, interval: Any) -> DataFrame:
    """Create a streaming frame from a stream of rows.

    Parameters
    ----------
    stream
        Its elements are dictionaries, tuples in the order of the columns, or small frames.
    example
        A frame with the same columns, or data to create one, or a function that returns one.
    n
        Rows per frame.
    interval
        Seconds after which the rows so far make a frame, unless there are `n` before.

    Examples
    --------
    >>> import pandas as pd
    >>> from thalweg import Stream
    >>> from thalweg.dataframe.rows import frames_of
    >>> source = Stream()
    >>> frames = frames_of(source, pd.DataFrame({"x": [0]}), 2, None).stream.sink_to_list()
    >>> source.emit_many([(1,), (2,)])
    >>> frames[0].x.tolist()
    [1, 2]
    """
    example = DataFrame(example=example).example
    if n is None:
        batches = stream.timed_window(interval).filter(bool)
    else:
        batches = stream.partition(n) if interval is None else stream.partition(n, timeout=interval)
    make = partial(backend_of(example).from_rows, example=example)
    return DataFrame(batches.map(make), example)
