"""Grouping rows into frames."""

from __future__ import annotations

from functools import partial
from typing import Any

from thalweg.dataframe.backend import backend_of
from thalweg.dataframe.frame import DataFrame
from thalweg.dataframe.schema import Schema, SchemaError

__all__ = ["frames_of"]


def frames_of(stream: Any, example: Any, n: int | None, interval: Any) -> DataFrame:
    """Create a streaming frame from a stream of rows.

    Parameters
    ----------
    stream
        Its elements are dictionaries, tuples in the order of the columns, or small frames. Other elements fail alone.
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
    rows = stream.map(partial(_read, Schema(example)))
    if n is None:
        batches = rows.timed_window(interval).filter(bool)
    else:
        batches = rows.partition(n) if interval is None else rows.partition(n, timeout=interval)
    make = partial(backend_of(example).from_rows, example=example)
    return DataFrame(batches.map(make), example)


def _read(schema: Schema, row: Any) -> Any:
    """A row as a tuple in the order of the columns; a small frame as it is."""
    names = schema.names
    if isinstance(row, (tuple, list)):
        if len(row) != len(names):
            raise TypeError(f"a row needs {len(names)} values, for {names}, and not {row!r}")
        return tuple(row)
    if backend_of(row).is_frame(row):
        return row
    if hasattr(row, "keys"):
        return _pick(schema, row)
    if len(names) != 1:
        raise TypeError(f"a row is a dict, a tuple or a frame with the columns {names}, and not {row!r}")
    return (row,)


def _pick(schema: Schema, row: Any) -> tuple[Any, ...]:
    try:
        return tuple([row[name] for name in schema.names])
    except (KeyError, IndexError):
        there = list(row.keys())
        missing = next((i for i, name in enumerate(schema.names) if name not in there), None)
        if missing is None:
            raise
        raise SchemaError(schema.names[missing], schema.types[missing], None, f"the row has {there}") from None
