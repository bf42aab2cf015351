"""Rolling aggregations: a result for each row, over the rows that lead up to it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from thalweg.collections.streaming import Streaming
from thalweg.dataframe.applied import apply
from thalweg.dataframe.backend import backend_of

__all__ = ["Rolling"]


class Rolling:
    """Rolling aggregations over a streaming frame or series, as pandas' own over all of it at once.

    It comes from ``frame.rolling(...)``. Columns can be taken from it.

    Parameters
    ----------
    sdf
        The streaming frame or series.
    window
        How many rows, or a duration such as ``"10s"``, in which case the index has times in ascending order.
    min_periods
        How many values there have to be for a result; left out, as many as `window` has rows, or 1 for a duration.
    with_state
        Whether to send pairs of the state, which is the rows that later windows reach back to, and the result.
    start
        A state that was sent before, to go on from; empty for none.

    Examples
    --------
    >>> import pandas as pd
    >>> from thalweg.dataframe import DataFrame
    >>> points = DataFrame(example=pd.DataFrame({"x": [0]}))
    >>> results = points.rolling(2).x.sum().stream.sink_to_list()
    >>> points.emit(pd.DataFrame({"x": [1, 2]}))
    >>> points.emit(pd.DataFrame({"x": [3]}))
    >>> [series.tolist() for series in results]
    [[nan, 3.0], [5.0]]
    """

    def __init__(
        self, sdf: Any, window: Any, min_periods: int | None = None, with_state: bool = False, start: Any = ()
    ) -> None:
        self.root = sdf
        self.window = window if hasattr(window, "__index__") else pd.Timedelta(window)
        self.min_periods = min_periods
        self.with_state = with_state
        self.start = start

    def __getitem__(self, key: Any) -> Rolling:
        return type(self)(self.root[key], self.window, self.min_periods, self.with_state, self.start)

    def __getattr__(self, key: str) -> Rolling:
        root = self.__dict__.get("root")
        columns = getattr(root, "columns", None) if root is not None else None
        if columns is None or (key not in columns and len(columns)):
            raise AttributeError(f"{type(self).__name__} has no attribute and no column {key!r}")
        return self[key]

    def sum(self) -> Streaming:
        """Add up."""
        return self._roll("sum")

    def mean(self) -> Streaming:
        """Average."""
        return self._roll("mean")

    def min(self) -> Streaming:
        """Find the smallest value."""
        return self._roll("min")

    def max(self) -> Streaming:
        """Find the largest value."""
        return self._roll("max")

    def median(self) -> Streaming:
        """Find the value in the middle."""
        return self._roll("median")

    def std(self, *args: Any, **kwargs: Any) -> Streaming:
        """Take the standard deviation; the arguments are pandas'."""
        return self._roll("std", *args, **kwargs)

    def var(self, *args: Any, **kwargs: Any) -> Streaming:
        """Take the variance; the arguments are pandas'."""
        return self._roll("var", *args, **kwargs)

    def count(self, *args: Any, **kwargs: Any) -> Streaming:
        """Count the values that are there."""
        return self._roll("count", *args, **kwargs)

    def aggregate(self, *args: Any, **kwargs: Any) -> Streaming:
        """Aggregate in a way that pandas knows, or with a function."""
        return self._roll("aggregate", *args, **kwargs)

    def quantile(self, *args: Any, **kwargs: Any) -> Streaming:
        """Find a quantile; the arguments are pandas'."""
        return self._roll("quantile", *args, **kwargs)

    def _roll(self, name: str, *args: Any, **kwargs: Any) -> Streaming:
        example = self.root.example
        if len(example):
            # Its rows need not be in order.
            example = backend_of(example).slice(example, 0, 1)
        step = _Step(name, self.window, self.min_periods, args, kwargs)
        start = self.start if len(self.start) else None
        return apply(
            self.root.stream, step, example, start=start, with_state=self.with_state, stream_type="streaming"
        )


class _Step:
    """What `accumulate` calls. The state is the rows that later windows reach back to."""

    def __init__(
        self, name: str, window: Any, min_periods: int | None, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        self.name, self.window, self.min_periods = name, window, min_periods
        self.args, self.kwargs = args, kwargs

    def __call__(self, tail: Any, new: Any) -> tuple[Any, Any]:
        backend = backend_of(new)
        if tail is None or not len(tail):
            rows, before = new, 0
        elif not len(new):
            rows, before = tail, len(tail)
        else:
            rows, before = backend.concat([tail, new]), len(tail)
        size = len(rows)
        starts, times = self._find_starts(rows, before, backend)
        with np.errstate(all="ignore"):
            result = self._roll(rows, before, starts, backend)
        return backend.protect(backend.slice(rows, self._find_tail(size, times), size)), result

    def _find_starts(self, rows: Any, before: int, backend: Any) -> tuple[Any, Any]:
        """Position of the first row of each new row's window."""
        positions = np.arange(before, len(rows))
        if not isinstance(self.window, pd.Timedelta):
            return np.maximum(positions - self.window + 1, 0), None
        times = backend.times(rows, None)
        if len(times) and times.dtype.kind != "M":
            from thalweg.dataframe.schema import SchemaError

            raise SchemaError("index", "times", str(times.dtype))
        from_there = times[max(before - 1, 0) :]
        if not (from_there[1:] >= from_there[:-1]).all():
            raise ValueError("rolling over a duration needs an index in ascending order, without missing times")
        return np.searchsorted(times, times[before:] - self.window.to_timedelta64(), side="right"), times

    def _find_tail(self, size: int, times: Any) -> int:
        """Position of the first row to keep, which later windows reach back to."""
        if times is None:
            # One more than they do: so streamz's states are.
            return max(size - self.window, 0)
        if not size:
            return 0
        return int(np.searchsorted(times, times[-1] - self.window.to_timedelta64(), side="right"))

    def _roll(self, rows: Any, before: int, starts: Any, backend: Any) -> Any:
        new = backend.slice(rows, before, len(rows))
        fast = _FAST.get(self.name) if not self.args and not self.kwargs else None
        if fast is not None:
            is_frame = backend.is_frame(rows)
            names = backend.names(rows) if is_frame else [None]
            columns = [backend.column(backend.series(rows, name) if is_frame else rows) for name in names]
            if all(_is_finite(column) for column in columns):
                least = self._least()
                arrays = [fast(column, before, starts, least) for column in columns]
                return backend.aligned(new, names, arrays)
        bounds = _Bounds(before, starts)
        rolling = rows.rolling(bounds, min_periods=self._least())
        result = getattr(rolling, self.name)(*self.args, **self.kwargs)
        return result.iloc[before:]

    def _least(self) -> int:
        """How many values there have to be for a result."""
        if self.min_periods is not None:
            return self.min_periods
        return 1 if isinstance(self.window, pd.Timedelta) else int(self.window)


class _Bounds(pd.api.indexers.BaseIndexer):
    """Windows of the new rows; those of older rows, whose results are known, are empty."""

    def __init__(self, before: int, starts: Any) -> None:
        super().__init__()
        self.before, self.starts = before, starts

    def get_window_bounds(
        self, num_values: int = 0, min_periods: Any = None, center: Any = None, closed: Any = None, step: Any = None
    ) -> tuple[Any, Any]:
        start = np.zeros(num_values, np.int64)
        end = np.zeros(num_values, np.int64)
        start[self.before :] = self.starts
        end[self.before :] = np.arange(self.before, num_values) + 1
        return start, end


def _is_finite(column: Any) -> bool:
    values, valid = column
    if values.dtype.kind not in "iufb":
        return False
    return values.dtype.kind != "f" or bool(np.isfinite(values if valid is None else values[valid]).all())


def _sums(column: Any, before: int, starts: Any) -> tuple[Any, Any]:
    """Sums and counts of the windows that end at each new row."""
    values, valid = column
    values = values.astype(float)
    if valid is not None:
        values = np.where(valid, values, 0.0)
    ends = np.arange(before + 1, len(values) + 1)
    totals = _differences(values, starts, ends)
    counts = ends - starts if valid is None else _differences(valid.astype(np.int64), starts, ends)
    return totals, counts


def _differences(values: Any, starts: Any, ends: Any) -> Any:
    so_far = np.zeros(len(values) + 1, values.dtype)
    np.cumsum(values, out=so_far[1:])
    return so_far[ends] - so_far[starts]


def _rolling_sum(column: Any, before: int, starts: Any, least: int) -> Any:
    totals, counts = _sums(column, before, starts)
    return np.where(counts >= max(least, 0), totals, np.nan)


def _rolling_mean(column: Any, before: int, starts: Any, least: int) -> Any:
    totals, counts = _sums(column, before, starts)
    return np.where(counts >= max(least, 1), totals / counts, np.nan)


def _rolling_count(column: Any, before: int, starts: Any, least: int) -> Any:
    _, counts = _sums(column, before, starts)
    # To a count, a missing value is one, too.
    rows = np.arange(before + 1, len(column.values) + 1) - starts
    return np.where(rows >= least, counts, np.nan)


_FAST = {"sum": _rolling_sum, "mean": _rolling_mean, "count": _rolling_count}
