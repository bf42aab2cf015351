"""Aggregations over frames: those that are built in, and the bases for your own.

There are two ways to write one. `Mergeable` is the better: a state for each batch, and a way to merge two. It works
over everything, in windows of any kind, and on engines. `Aggregation` is streamz's: it adds new rows to a state, and
takes those that leave a window out again.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from thalweg.dataframe import statistics
from thalweg.dataframe.backend import backend_of
from thalweg.dataframe.keys import number
from thalweg.dataframe.reductions import ColumnReduction, FrameReduction, GroupReduction, Reduction
from thalweg.dataframe.stepwise import accumulator, diff_expanding, diff_iloc, diff_loc, window_accumulator

__all__ = [
    "Aggregation",
    "Count",
    "EWMean",
    "Full",
    "Max",
    "Mean",
    "Mergeable",
    "Min",
    "Size",
    "Std",
    "Sum",
    "ValueCounts",
    "Var",
    "accumulator",
    "diff_expanding",
    "diff_iloc",
    "diff_loc",
    "find_reduction",
    "is_columnwise",
    "window_accumulator",
]


class Aggregation:
    """Base of aggregations that add new rows to a state, and take old ones out of it.

    Examples
    --------
    >>> import pandas as pd
    >>> from thalweg.dataframe import DataFrame
    >>> from thalweg.dataframe.aggregations import Aggregation
    >>> class Rows(Aggregation):
    ...     def initial(self, new):
    ...         return 0
    ...     def on_new(self, state, new):
    ...         return state + len(new), state + len(new)
    ...     def on_old(self, state, old):
    ...         return state - len(old), state - len(old)
    >>> points = DataFrame(example=pd.DataFrame({"x": [0]}))
    >>> results = points.window(n=3).aggregate(Rows()).stream.sink_to_list()
    >>> points.emit(pd.DataFrame({"x": [1, 2]}))
    >>> points.emit(pd.DataFrame({"x": [3, 4]}))
    >>> results
    [2, 3]
    """

    def initial(self, new: Any) -> Any:
        """First state, made before `new` is added; `new` tells what the rows look like."""
        raise NotImplementedError(f"{type(self).__name__} has no method `initial`")

    def on_new(self, state: Any, new: Any) -> tuple[Any, Any]:
        """Add rows: the next state, and the result."""
        raise NotImplementedError(f"{type(self).__name__} has no method `on_new`")

    def on_old(self, state: Any, old: Any) -> tuple[Any, Any]:
        """Take rows out that have left the window: the next state, and the result."""
        raise NotImplementedError(f"{type(self).__name__} has no method `on_old`, which windows need")


class Mergeable(Aggregation):
    """Base of aggregations whose states can be merged. States must not be changed once they are returned.

    Examples
    --------
    >>> import pandas as pd
    >>> from thalweg.dataframe import DataFrame
    >>> from thalweg.dataframe.aggregations import Mergeable
    >>> class Range(Mergeable):
    ...     def partial(self, frame):
    ...         return frame.x.min(), frame.x.max()
    ...     def merge(self, a, b):
    ...         return min(a[0], b[0]), max(a[1], b[1])
    ...     def result(self, state):
    ...         return int(state[1] - state[0])
    >>> points = DataFrame(example=pd.DataFrame({"x": [0]}))
    >>> results = points.window(n=2).aggregate(Range()).stream.sink_to_list()
    >>> for x in (7, 2, 3):
    ...     points.emit(pd.DataFrame({"x": [x]}))
    >>> results
    [0, 5, 1]
    """

    def partial(self, frame: Any) -> Any:
        """State of the rows of one batch."""
        raise NotImplementedError(f"{type(self).__name__} has no method `partial`")

    def merge(self, a: Any, b: Any) -> Any:
        """State of the rows of `a`, followed by those of `b`."""
        raise NotImplementedError(f"{type(self).__name__} has no method `merge`")

    def result(self, state: Any) -> Any:
        """What a state says; the state itself, unless it is overridden."""
        return state

    def initial(self, new: Any) -> Any:
        return None

    def on_new(self, state: Any, new: Any) -> tuple[Any, Any]:
        partial = self.partial(new)
        state = partial if state is None else self.merge(state, partial)
        return state, self.result(state)


class _Columnwise(Mergeable):
    """A statistic of each column."""

    statistic: Any

    def partial(self, frame: Any) -> Any:
        reduction = ColumnReduction(self.statistic, frame)
        return reduction, reduction.partial(reduction.prepare(frame))

    def merge(self, a: Any, b: Any) -> Any:
        return a[0], a[0].merge(a[1], b[1])

    def result(self, state: Any) -> Any:
        return state[0].result(state[1])


class Sum(_Columnwise):
    """Total of each column."""

    def __init__(self) -> None:
        self.statistic = statistics.Sum()


class Count(_Columnwise):
    """Number of values in each column that are there."""

    def __init__(self) -> None:
        self.statistic = statistics.Count()


class Size(_Columnwise):
    """Number of values, there or not."""

    def __init__(self) -> None:
        self.statistic = statistics.Size()


class Mean(_Columnwise):
    """Average of each column."""

    def __init__(self) -> None:
        self.statistic = statistics.Mean()


class Var(_Columnwise):
    """Variance of each column; `ddof` is subtracted from the count."""

    def __init__(self, ddof: int = 1) -> None:
        self.ddof = ddof
        self.statistic = statistics.Var(ddof)


class Std(_Columnwise):
    """Standard deviation of each column; `ddof` is subtracted from the count."""

    def __init__(self, ddof: int = 1) -> None:
        self.ddof = ddof
        self.statistic = statistics.Var(ddof, is_std=True)


class Min(_Columnwise):
    """Smallest value of each column."""

    def __init__(self) -> None:
        self.statistic = statistics.Extreme(is_min=True)


class Max(_Columnwise):
    """Largest value of each column."""

    def __init__(self) -> None:
        self.statistic = statistics.Extreme(is_min=False)


class Full(Mergeable):
    """All rows of the window. The others cost less."""

    def partial(self, frame: Any) -> Any:
        return [frame]

    def merge(self, a: Any, b: Any) -> Any:
        # Joined when they are asked for: a pair costs the same however long its halves are.
        return (a, b)

    def result(self, state: Any) -> Any:
        pieces, rest = [], [state]
        while rest:
            item = rest.pop()
            if isinstance(item, tuple):
                rest += item[::-1]
            else:
                pieces += item
        filled = [piece for piece in pieces if len(piece)] or pieces[:1]
        backend = backend_of(filled[0])
        return backend.protect(backend.concat(filled))


class ValueCounts(Mergeable):
    """How often each value of a series comes, the most frequent first."""

    def partial(self, frame: Any) -> Any:
        reduction = _ValueCounts(frame)
        return reduction, reduction.partial(reduction.prepare(frame))

    def merge(self, a: Any, b: Any) -> Any:
        return a[0], a[0].merge(a[1], b[1])

    def result(self, state: Any) -> Any:
        return state[0].result(state[1])


class _ValueCounts(GroupReduction):
    def __init__(self, example: Any) -> None:
        super().__init__(statistics.Size(), example, [None], [getattr(example, "name", None)], None)
        self.example = self.backend.slice(example, 0, 0)

    def _number(self, frame: Any, others: list[Any]) -> tuple[Any, Any]:
        return number([self.backend.labels(frame)])

    def result(self, state: Any) -> Any:
        return self.backend.counted(state.keys, state.columns[0][0], self.example)


class EWMean(Mergeable):
    """Exponentially weighted average of each column: a frame with a single row.

    Parameters
    ----------
    com
        Centre of mass: how many rows back the weights have their centre.
    """

    def __init__(self, com: float) -> None:
        self.com = com
        self.decay = 1 - 1 / (1 + com)

    def partial(self, frame: Any) -> Any:
        backend = backend_of(frame)
        is_frame = backend.is_frame(frame)
        names = backend.names(frame) if is_frame else [getattr(frame, "name", None)]
        series = [backend.series(frame, name) for name in names] if is_frame else [frame]
        averages = [self._average(backend.column(one)) for one in series]
        size = len(frame)
        return size, averages, backend.slice(frame, max(size - 1, 0), size), names

    def _average(self, column: Any) -> tuple[float, float]:
        """Average of a column, and the weight it has at its last row."""
        values, valid = column
        there = np.arange(len(values)) if valid is None else np.flatnonzero(valid)
        if not len(there):
            return float("nan"), 0.0
        # Counted from the last value: from the last row, all weights may be too small to tell from zero.
        weights = self.decay ** (there[-1] - there)
        weight = weights.sum()
        average = values[there].astype(float) @ weights / weight
        return average, weight * self.decay ** float(len(values) - 1 - there[-1])

    def merge(self, a: Any, b: Any) -> Any:
        fading = self.decay ** b[0]
        averages = []
        for (before, old), (new, weight) in zip(a[1], b[1], strict=True):
            old *= fading
            if new != new:
                averages.append((before, old))
            elif before != before:
                averages.append((new, weight))
            else:
                both = old + weight
                # Both weights may be too small to tell from zero, and then the newer value has all of it.
                averages.append(((old * before + weight * new) / both if both else new, both))
        return a[0] + b[0], averages, b[2], b[3]

    def result(self, state: Any) -> Any:
        _, averages, last, names = state
        arrays = [np.array([average])[: len(last)] for average, _ in averages]
        return backend_of(last).aligned(last, names, arrays)


def is_columnwise(aggregation: Any) -> bool:
    """Whether an aggregation is a statistic of each column, one of those that are built in."""
    return isinstance(aggregation, _Columnwise) and type(aggregation).on_new is Mergeable.on_new


def find_reduction(aggregation: Any, example: Any) -> Reduction | None:
    """How an aggregation is applied to batches that look like an example; None if its states cannot be merged."""
    if not isinstance(aggregation, Mergeable) or type(aggregation).on_new is not Mergeable.on_new:
        return None
    if is_columnwise(aggregation):
        return ColumnReduction(aggregation.statistic, example)
    if isinstance(aggregation, ValueCounts):
        return _ValueCounts(example)
    return FrameReduction(aggregation, example)
