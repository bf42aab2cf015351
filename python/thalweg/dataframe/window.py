"""Aggregations over sliding windows, and over all rows so far."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from thalweg.collections.streaming import OperatorMixin, Streaming, map_partitions
from thalweg.dataframe import aggregations, sliding
from thalweg.dataframe.applied import apply
from thalweg.dataframe.groupby import GroupBy, WindowedGroupBy, has_column

__all__ = ["Expanding", "Window"]


class Window(OperatorMixin):
    """Aggregations over the newest rows of a streaming frame or series.

    Returned by ``frame.window(...)``. Operators and columns work as on the frame.

    Parameters
    ----------
    sdf
        The streaming frame or series.
    n
        Number of rows in the window. Text and durations are taken as `value`.
    value
        Maximum distance of a row from the latest one, by its index: a duration such as ``"2h"``, or a number. A row at
        exactly that distance has left the window.
    with_state
        Whether to emit pairs of the state and the result.
    start
        An earlier state to continue from.
    on
        The column to use instead of the index; in Polars and Arrow, which have no index, by default the only one with
        times.

    Examples
    --------
    >>> import pandas as pd
    >>> from thalweg.dataframe import DataFrame
    >>> points = DataFrame(example=pd.DataFrame({"x": [0]}))
    >>> results = points.window(n=2).x.sum().stream.sink_to_list()
    >>> points.emit(pd.DataFrame({"x": [1, 2, 3]}))
    >>> points.emit(pd.DataFrame({"x": [4]}))
    >>> [int(total) for total in results]
    [5, 7]
    """

    def __init__(
        self,
        sdf: Any,
        n: Any = None,
        value: Any = None,
        with_state: bool = False,
        start: Any = None,
        on: Any = None,
    ) -> None:
        if value is None and n is not None and not hasattr(n, "__index__"):
            n, value = None, n
        self.root = sdf
        self.n = n
        self.value: Any = value if value is None or _is_number(value) else pd.Timedelta(value)
        self.with_state = with_state
        self.start = start
        self.on = on
        self._check()

    def _check(self) -> None:
        if (self.n is None) == (self.value is None):
            raise TypeError(f"window needs either n or value, and has n={self.n!r} and value={self.value!r}")
        if self.n is not None and self.n < 1:
            raise ValueError(f"window needs n of at least 1, and not {self.n!r}")
        if self.value is not None and not self.value > type(self.value)(0):
            raise ValueError(f"window needs a value above zero, and not {self.value!r}")

    def __getitem__(self, key: Any) -> Window:
        return self._over(self.root[key.root if isinstance(key, Window) else key])

    def __getattr__(self, key: str) -> Window:
        if not has_column(self, key):
            raise AttributeError(f"{type(self).__name__} has no attribute and no column {key!r}")
        return self[key]

    def _over(self, root: Any) -> Window:
        """The same window over another frame."""
        return type(self)(root, n=self.n, value=self.value, with_state=self.with_state, start=self.start, on=self.on)

    def map_partitions(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Window:
        """Call a function on every batch, and apply the same window to the result."""
        roots = [arg.root if isinstance(arg, Window) else arg for arg in args]
        return self._over(self.root.map_partitions(func, *roots, **kwargs))

    @property
    def index(self) -> Window:
        """Labels of the rows."""
        return self._over(self.root.index)

    @property
    def columns(self) -> Any:
        """Names of the columns."""
        return self.root.columns

    @property
    def dtypes(self) -> Any:
        """Types of the columns."""
        return self.root.dtypes

    @property
    def example(self) -> Any:
        """An example of a batch."""
        return self.root.example

    def reset_index(self) -> Window:
        """Number the rows of each batch, and make a column of the former index."""
        return self._over(self.root.reset_index())

    def aggregate(self, agg: Any) -> Streaming:
        """Aggregate with your own aggregation: see `thalweg.dataframe.aggregations`."""
        stream, example, reduction = aggregations.plan(agg, self.root)
        step = self._stepwise(agg) if reduction is None else self._step(reduction, example)
        return apply(stream, step, example, start=self.start, with_state=self.with_state)

    def _step(self, reduction: Any, example: Any) -> Any:
        return sliding.make_step(reduction, example, self.n, self.value, self.on)

    def _stepwise(self, agg: Any) -> Any:
        diff, window = (aggregations.diff_iloc, self.n) if self.n is not None else (aggregations.diff_loc, self.value)
        return partial(aggregations.window_accumulator, diff=diff, window=window, agg=agg)

    def full(self) -> Streaming:
        """All rows of the window. Other aggregations cost less."""
        return self.aggregate(aggregations.Full())

    def apply(self, func: Callable[[Any], Any]) -> Streaming:
        """Call a function on all rows of the window.

        Examples
        --------
        >>> import pandas as pd
        >>> from thalweg.dataframe import DataFrame
        >>> points = DataFrame(example=pd.DataFrame({"x": [0]}))
        >>> medians = points.window(n=3).apply(lambda frame: float(frame.x.median())).stream.sink_to_list()
        >>> points.emit(pd.DataFrame({"x": [9, 1, 5, 2]}))
        >>> medians
        [2.0]
        """
        return map_partitions(func, self.full())

    def sum(self) -> Streaming:
        """Sum."""
        return self.aggregate(aggregations.Sum())

    def count(self) -> Streaming:
        """Count the non-missing values."""
        return self.aggregate(aggregations.Count())

    def mean(self) -> Streaming:
        """Mean."""
        return self.aggregate(aggregations.Mean())

    def var(self, ddof: int = 1) -> Streaming:
        """Variance; `ddof` is subtracted from the count."""
        return self.aggregate(aggregations.Var(ddof=ddof))

    def std(self, ddof: int = 1) -> Streaming:
        """Standard deviation; `ddof` is subtracted from the count."""
        return self.aggregate(aggregations.Std(ddof=ddof))

    def min(self) -> Streaming:
        """Smallest value."""
        return self.aggregate(aggregations.Min())

    def max(self) -> Streaming:
        """Largest value."""
        return self.aggregate(aggregations.Max())

    @property
    def size(self) -> Streaming:
        """Number of values, missing or not."""
        return self.aggregate(aggregations.Size())

    def value_counts(self) -> Streaming:
        """Count the occurrences of each value, the most frequent first."""
        return self.aggregate(aggregations.ValueCounts())

    def groupby(self, other: Any) -> GroupBy:
        """Aggregate by group: see `GroupBy` for `other`."""
        return WindowedGroupBy(self.root, other, None, self.n, self.value, self.with_state, self.start, self.on)


class Expanding(Window):
    """Aggregations over all rows so far, with the methods of a window; returned by ``frame.expanding()``.

    Examples
    --------
    >>> import pandas as pd
    >>> from thalweg.dataframe import DataFrame
    >>> points = DataFrame(example=pd.DataFrame({"x": [0]}))
    >>> results = points.expanding().x.var().stream.sink_to_list()
    >>> points.emit(pd.DataFrame({"x": [1, 2]}))
    >>> points.emit(pd.DataFrame({"x": [3]}))
    >>> [float(variance) for variance in results]
    [0.5, 1.0]
    """

    def _check(self) -> None:
        # Nothing ever leaves: `n` and `value` say nothing.
        pass

    def _step(self, reduction: Any, example: Any) -> Any:
        return sliding.Expanding(reduction)

    def _stepwise(self, agg: Any) -> Any:
        return partial(aggregations.window_accumulator, diff=aggregations.diff_expanding, agg=agg)

    def groupby(self, other: Any) -> GroupBy:
        """Aggregate by group, over all rows so far."""
        return _ExpandingGroupBy(self.root, other, None, with_state=self.with_state, start=self.start)


class _ExpandingGroupBy(WindowedGroupBy):
    def _apply(self, stream: Any, reduction: Any, example: Any, start: Any, with_state: bool) -> Streaming:
        step = sliding.Expanding(reduction)
        return apply(stream, step, example, start=self.start if start is None else start,
                     with_state=self.with_state or with_state)  # fmt: skip


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, (bool, np.timedelta64))
