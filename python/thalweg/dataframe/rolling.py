"""Rolling aggregations: a result for each row, over the rows up to it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from thalweg.collections.streaming import Streaming
from thalweg.dataframe.applied import apply
from thalweg.dataframe.backend import Column, backend_of
from thalweg.dataframe.groupby import has_column
from thalweg.dataframe.schema import Schema, SchemaError

__all__ = ["Rolling"]


#: More rows than there are, and few enough for the loops of numpy.
_MOST = 2**62


class Rolling:
    """Rolling aggregations over a streaming frame or series, with the results of pandas on the whole.

    Returned by ``frame.rolling(...)``. Columns can be selected from it.

    Parameters
    ----------
    sdf
        The streaming frame or series.
    window
        A number of rows, or a duration such as ``"10s"``, for an index with times in ascending order.
    min_periods
        Minimum number of values for a result; by default `window` if that is a number of rows, or 1 for a duration.
    with_state
        Whether to emit pairs of the state (the rows that later windows need) and the result.
    start
        An earlier state to continue from; empty for none.
    on
        The column with the times, instead of the index; in Polars and Arrow, by default the only one with times.

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
        self,
        sdf: Any,
        window: Any,
        min_periods: int | None = None,
        with_state: bool = False,
        start: Any = (),
        on: Any = None,
    ) -> None:
        self.root = sdf
        self.on = on
        if isinstance(window, (bool, float)):
            raise TypeError(f"rolling needs a whole number of rows or a duration such as '10s', and not {window!r}")
        has_rows = hasattr(window, "__index__")
        self.window: Any = min(window.__index__(), _MOST) if has_rows else pd.Timedelta(window)
        if not self.window > (0 if has_rows else pd.Timedelta(0)):
            raise ValueError(f"rolling needs at least 1 row, or a duration above zero, and not {window!r}")
        self.min_periods = self._check_periods(min_periods)
        self.with_state = with_state
        self.start = start

    def _check_periods(self, min_periods: Any) -> Any:
        if min_periods is None:
            return None
        if isinstance(min_periods, bool) or not hasattr(min_periods, "__index__"):
            raise TypeError(f"rolling needs a whole number as min_periods, and not {min_periods!r}")
        most = _MOST if isinstance(self.window, pd.Timedelta) else self.window
        if not 0 <= min_periods <= most:
            raise ValueError(f"rolling needs min_periods from 0 to the rows of the window, and not {min_periods!r}")
        return min_periods

    def __getitem__(self, key: Any) -> Rolling:
        return type(self)(self.root[key], self.window, self.min_periods, self.with_state, self.start, self.on)

    def __getattr__(self, key: str) -> Rolling:
        if not has_column(self, key):
            raise AttributeError(f"{type(self).__name__} has no attribute and no column {key!r}")
        return self[key]

    def sum(self) -> Streaming:
        """Sum."""
        return self._roll("sum")

    def mean(self) -> Streaming:
        """Mean."""
        return self._roll("mean")

    def min(self) -> Streaming:
        """Smallest value."""
        return self._roll("min")

    def max(self) -> Streaming:
        """Largest value."""
        return self._roll("max")

    def median(self) -> Streaming:
        """Median."""
        return self._roll("median")

    def std(self, *args: Any, **kwargs: Any) -> Streaming:
        """Standard deviation; the arguments are those of pandas."""
        return self._roll("std", *args, **kwargs)

    def var(self, *args: Any, **kwargs: Any) -> Streaming:
        """Variance; the arguments are those of pandas."""
        return self._roll("var", *args, **kwargs)

    def count(self, *args: Any, **kwargs: Any) -> Streaming:
        """Count the non-missing values."""
        return self._roll("count", *args, **kwargs)

    def aggregate(self, *args: Any, **kwargs: Any) -> Streaming:
        """Aggregate by a name that pandas knows, or with a function."""
        return self._roll("aggregate", *args, **kwargs)

    def quantile(self, *args: Any, **kwargs: Any) -> Streaming:
        """Quantile; the arguments are those of pandas."""
        return self._roll("quantile", *args, **kwargs)

    def _roll(self, name: str, *args: Any, **kwargs: Any) -> Streaming:
        origin = getattr(self.root, "_origin", None)
        root = self.root if origin is None else origin
        stream, example = root.stream, root.example
        schema = Schema(example, None if origin is None else origin.names)
        step = _Step(name, self, schema, origin, args, kwargs)
        # Its rows need not be in order.
        example = backend_of(example).slice(example, 0, 1)
        start = self.start if len(self.start) else None
        return apply(stream, step, example, start=start, with_state=self.with_state, stream_type="streaming")


class _Tail(NamedTuple):
    """Rows that later windows need."""

    times: Any
    columns: list[Column]
    #: For each column, whether it has finite numbers only.
    are_finite: list[bool]


class _Step:
    """What `accumulate` calls.

    The state is a tail of rows: as arrays, or where users see it as a frame or a series.
    """

    def __init__(
        self, name: str, rolling: Rolling, schema: Schema, origin: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        self.name, self.window, self.on = name, rolling.window, rolling.on
        self.is_by_time = isinstance(self.window, pd.Timedelta)
        least = rolling.min_periods
        self.least = least if least is not None else 1 if self.is_by_time else int(self.window)
        self.has_visible_state = rolling.with_state
        self.is_series = not schema.is_frame or (origin is not None and origin.is_series)
        #: Columns that are taken from each batch; None if it is one's own.
        self.picked = None if origin is None else origin.names
        self.schema, self.backend = schema, backend_of(rolling.root.example)
        self.args, self.kwargs = args, kwargs

    def __call__(self, state: Any, new: Any) -> tuple[Any, Any]:
        columns = self.schema.read(new)
        names = self.schema.read_names(new)
        times = self.backend.times(new, self.on) if self.is_by_time else None
        tail = state if state is None or isinstance(state, _Tail) else self._read(state)
        are_finite = [_is_finite(column) for column in columns]
        before = 0
        if tail is not None and tail.columns and len(tail.columns[0].values):
            before = len(tail.columns[0].values)
            if len(new):
                columns = [Column.join(pair) for pair in zip(tail.columns, columns, strict=True)]  # type: ignore[arg-type]
                times = None if times is None else np.concatenate([tail.times, times])
                are_finite = [a and b for a, b in zip(tail.are_finite, are_finite, strict=True)]
            else:
                times, columns, are_finite = tail
        size = before + len(new)
        starts = self._find_starts(before, size, times)
        with np.errstate(all="ignore"):
            arrays = [self._roll(*pair, before, starts) for pair in zip(columns, are_finite, strict=True)]
        result = self.backend.aligned(new, names, arrays, is_series=self.is_series)
        kept = slice(self._find_tail(size, times), size)
        if self.has_visible_state:
            return self._show(state, new, kept.stop - kept.start), result
        cut = [column.take(kept) for column in columns]
        if not before:
            # What was joined is ours already.
            cut = [column.copy() for column in cut]
        are_finite = [is_finite or _is_finite(column) for column, is_finite in zip(cut, are_finite, strict=True)]
        return _Tail(None if times is None else times[kept], cut, are_finite), result

    def _read(self, state: Any) -> _Tail:
        """A tail of rows that a user has seen."""
        times = self.backend.times(state, self.on) if self.is_by_time else None
        columns = [self.backend.column(state)] if self.is_series else self.schema.read(state)
        return _Tail(times, columns, [_is_finite(column) for column in columns])

    def _show(self, state: Any, new: Any, size: int) -> Any:
        """The last rows, as users see them."""
        backend = self.backend
        rows = new
        if self.picked is not None:
            rows = backend.series(new, self.picked[0]) if self.is_series else backend.select(new, self.picked)
        if state is not None and len(state):
            rows = backend.concat([state, rows]) if len(rows) else state
        return backend.protect(backend.slice(rows, len(rows) - size, len(rows)))

    def _find_starts(self, before: int, size: int, times: Any) -> Any:
        """Position of the first row of each new row's window."""
        if times is None:
            return np.maximum(np.arange(before, size) - self.window + 1, 0)
        if size and times.dtype.kind != "M":
            raise SchemaError("index" if self.on is None else self.on, "times", str(times.dtype))
        from_there = times[max(before - 1, 0) :]
        if not (from_there[1:] >= from_there[:-1]).all() or (size and np.isnat(times[-1])):
            raise ValueError("rolling over a duration needs times in ascending order, with none missing")
        return np.searchsorted(times, times[before:] - self.window.to_timedelta64(), side="right")

    def _find_tail(self, size: int, times: Any) -> int:
        """Position of the first row to keep, which later windows reach back to."""
        if times is None:
            # One more than they do: so streamz's states are.
            return max(size - int(self.window), 0)
        if not size:
            return 0
        return int(np.searchsorted(times, times[-1] - self.window.to_timedelta64(), side="right"))

    def _roll(self, column: Column, is_finite: bool, before: int, starts: Any) -> Any:
        is_plain = is_finite and not self.args and not self.kwargs
        if is_plain and self.name == "count":
            return _count(column, before, starts, self.least)
        values = column.values if column.valid is None else np.where(column.valid, column.values, np.nan)
        bounds = _Bounds(before, starts)
        loop = _LOOPS.get(self.name) if is_plain else None
        if loop is not None:
            start, end = bounds.get_window_bounds(len(values))
            return loop(values.astype(float, copy=False), start, end, max(self.least, 0))[before:]
        rolling = pd.Series(values).rolling(bounds, min_periods=self.least)
        return getattr(rolling, self.name)(*self.args, **self.kwargs).to_numpy()[before:]


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


def _count(column: Column, before: int, starts: Any, least: int) -> Any:
    """Numbers of values in the windows that end at each new row."""
    # To a count, a missing value is one, too.
    rows = np.arange(before + 1, len(column.values) + 1) - starts
    counts = rows if column.valid is None else _slide(column.valid.astype(np.int64), before, starts)
    return np.where(rows >= least, counts, np.nan)


def _slide(values: Any, before: int, starts: Any) -> Any:
    """Sums of integers in the windows: that of the first, with what enters later ones, without what leaves them."""
    if not len(starts):
        return values[:0]
    first, last = int(starts[0]), int(starts[-1])
    entered = np.cumsum(values[before:])
    entered += values[first:before].sum()
    left = np.zeros(last - first + 1, values.dtype)
    np.cumsum(values[first:last], out=left[1:])
    entered -= left[starts - first]
    return entered


def _find_loops() -> dict[str, Any]:
    """Compiled loops of pandas, whose public methods take ten times as long for a few rows."""
    try:
        from pandas._libs.window import aggregations

        return {"sum": aggregations.roll_sum, "mean": aggregations.roll_mean}
    except (ImportError, AttributeError):
        return {}


_LOOPS = _find_loops()
