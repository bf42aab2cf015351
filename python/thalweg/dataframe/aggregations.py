"""Aggregations over frames: built-in ones, and the bases for your own.

There are two ways to write one. `Mergeable` is the better: a state for each batch, and a way to merge two. It works
without a window, in windows of any kind, and on engines. `Aggregation` is streamz's: it adds new rows to a state, and
removes those that leave a window.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from thalweg.dataframe import statistics
from thalweg.dataframe.backend import backend_of
from thalweg.dataframe.bases import Aggregation, Mergeable
from thalweg.dataframe.keys import number
from thalweg.dataframe.reductions import ColumnReduction, FrameReduction, GroupReduction, Reduction
from thalweg.dataframe.stepwise import accumulator, diff_expanding, diff_iloc, diff_loc, window_accumulator

__all__ = [
    "Aggregation",
    "Count",
    "EWMean",
    "Full",
    "GroupbyAggregation",
    "GroupbyCount",
    "GroupbyMean",
    "GroupbySize",
    "GroupbySum",
    "GroupbyVar",
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
    "plan",
    "window_accumulator",
]


class _Columnwise(Mergeable):
    """A statistic of each column."""

    statistic: Any

    def partial(self, frame: Any) -> Any:
        """State of the rows of one batch."""
        reduction = ColumnReduction(self.statistic, frame)
        return reduction, reduction.partial(reduction.prepare(frame))

    def merge(self, a: Any, b: Any) -> Any:
        """State of the rows of `a`, followed by those of `b`."""
        return a[0], a[0].merge(a[1], b[1])

    def result(self, state: Any) -> Any:
        """Result of a state."""
        return state[0].result(state[1])


class Sum(_Columnwise):
    """Total of each column."""

    def __init__(self) -> None:
        self.statistic: Any = statistics.Sum()


class Count(_Columnwise):
    """Number of non-missing values in each column."""

    def __init__(self) -> None:
        self.statistic: Any = statistics.Count()


class Size(_Columnwise):
    """Number of values, missing or not."""

    def __init__(self) -> None:
        self.statistic: Any = statistics.Size()


class Mean(_Columnwise):
    """Average of each column."""

    def __init__(self) -> None:
        self.statistic: Any = statistics.Mean()


class Var(_Columnwise):
    """Variance of each column; `ddof` is subtracted from the count."""

    def __init__(self, ddof: int = 1) -> None:
        self.ddof = ddof
        self.statistic: Any = statistics.Var(ddof)


class Std(_Columnwise):
    """Standard deviation of each column; `ddof` is subtracted from the count."""

    def __init__(self, ddof: int = 1) -> None:
        self.ddof = ddof
        self.statistic: Any = statistics.Var(ddof, is_std=True)


class Min(_Columnwise):
    """Smallest value of each column."""

    def __init__(self) -> None:
        self.statistic: Any = statistics.Extreme(is_min=True)


class Max(_Columnwise):
    """Largest value of each column."""

    def __init__(self) -> None:
        self.statistic: Any = statistics.Extreme(is_min=False)


class Full(Mergeable):
    """All rows of the window. Other aggregations cost less."""

    def partial(self, frame: Any) -> Any:
        """State of the rows of one batch."""
        return [frame]

    def merge(self, a: Any, b: Any) -> Any:
        """State of the rows of `a`, followed by those of `b`."""
        # Joined on demand: a pair costs the same whatever the length of its halves.
        return (a, b)

    def result(self, state: Any) -> Any:
        """Result of a state."""
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
    """Number of occurrences of each value of a series, the most frequent first."""

    def initial(self, new: Any, grouper: Any = None) -> Any:
        """No state: the first batch makes it."""
        return None

    def partial(self, frame: Any) -> Any:
        """State of the rows of one batch."""
        reduction = _ValueCounts(frame)
        return reduction, reduction.partial(reduction.prepare(frame))

    def merge(self, a: Any, b: Any) -> Any:
        """State of the rows of `a`, followed by those of `b`."""
        return a[0], a[0].merge(a[1], b[1])

    def result(self, state: Any) -> Any:
        """Result of a state."""
        return state[0].result(state[1])


class _ValueCounts(GroupReduction):
    """Groups of the values of a series, or of a column of a frame."""

    def __init__(self, example: Any, column: str | None = None) -> None:
        name = getattr(example, "name", None) if column is None else column
        super().__init__(statistics.Size(), example, [column], [name], None)
        series = example if column is None else self.backend.series(example, column)
        self.example = self.backend.slice(series, 0, 0)

    def _number(self, frame: Any, others: list[Any]) -> tuple[Any, Any]:
        if self.groupers == [None]:
            return number([self.backend.labels(frame)])
        return super()._number(frame, others)

    def result(self, state: Any) -> Any:
        return self.backend.counted(state.keys, state.columns[0][0], self.example)


class GroupbyAggregation(Mergeable):
    """A statistic of each group of rows, like `groupby`, for `aggregate`.

    Parameters
    ----------
    columns
        The column or columns to aggregate; None for all except those grouped by.
    grouper
        The name of the column to group by, or a list of names.

    Examples
    --------
    >>> import pandas as pd
    >>> from thalweg.dataframe import DataFrame
    >>> from thalweg.dataframe.aggregations import GroupbySum
    >>> sales = DataFrame(example=pd.DataFrame({"name": ["a"], "amount": [0]}))
    >>> totals = sales.aggregate(GroupbySum("amount", "name")).stream.sink_to_list()
    >>> sales.emit(pd.DataFrame({"name": ["a", "b", "a"], "amount": [1, 2, 3]}))
    >>> totals[-1].to_dict()
    {'a': 4, 'b': 2}
    """

    _statistic: Any = statistics.Sum

    def __init__(self, columns: Any, grouper: Any = None, **kwargs: Any) -> None:
        self.columns: Any = columns
        self.grouper: Any = grouper
        self.statistic: Any = self._statistic(**kwargs)

    def make_reduction(self, example: Any) -> GroupReduction:
        """How it is applied to batches that look like an example."""
        groupers = self.grouper if isinstance(self.grouper, list) else [self.grouper]
        return GroupReduction(self.statistic, example, groupers, groupers, self.columns)

    def partial(self, frame: Any) -> Any:
        """State of the rows of one batch."""
        reduction = self.make_reduction(frame)
        return reduction, reduction.partial(reduction.prepare(frame))

    def merge(self, a: Any, b: Any) -> Any:
        """State of the rows of `a`, followed by those of `b`."""
        return a[0], a[0].merge(a[1], b[1])

    def result(self, state: Any) -> Any:
        """Result of a state."""
        return state[0].result(state[1])


class GroupbySum(GroupbyAggregation):
    """Total of each group."""


class GroupbyCount(GroupbyAggregation):
    """Number of non-missing values in each group."""

    _statistic = statistics.Count


class GroupbySize(GroupbyAggregation):
    """Number of rows in each group."""

    _statistic = statistics.Size


class GroupbyMean(GroupbyAggregation):
    """Average of each group."""

    _statistic = statistics.Mean


class GroupbyVar(GroupbyAggregation):
    """Variance of each group."""

    _statistic = statistics.Var


class EWMean(Mergeable):
    """Exponentially weighted average of each column: a frame with a single row.

    Parameters
    ----------
    com
        Centre of mass: how many rows back the weights have their centre.
    """

    def __init__(self, com: float) -> None:
        self.com = com
        self.decay: float = 1 - 1 / (1 + com)

    def partial(self, frame: Any) -> Any:
        """State of the rows of one batch."""
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
        """State of the rows of `a`, followed by those of `b`."""
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
        """Result of a state."""
        _, averages, last, names = state
        arrays = [np.array([average])[: len(last)] for average, _ in averages]
        return backend_of(last).aligned(last, names, arrays)


def find_reduction(aggregation: Any, example: Any) -> Reduction | None:
    """How an aggregation is applied to batches that look like an example; None if its states cannot be merged."""
    if not isinstance(aggregation, Mergeable) or type(aggregation).on_new is not Mergeable.on_new:
        return None
    if isinstance(aggregation, _Columnwise):
        return ColumnReduction(aggregation.statistic, example)
    if isinstance(aggregation, ValueCounts):
        return _ValueCounts(example)
    if isinstance(aggregation, GroupbyAggregation):
        return aggregation.make_reduction(example)
    return FrameReduction(aggregation, example)


def plan(aggregation: Any, collection: Any) -> tuple[Any, Any, Reduction | None]:
    """Where an aggregation of a collection reads, and how it is applied: a stream, an example, and a reduction."""
    origin = getattr(collection, "_origin", None)
    found = find_reduction(aggregation, collection.example)
    if found is None and not (hasattr(aggregation, "initial") and hasattr(aggregation, "on_new")):
        raise TypeError(
            f"aggregate: an aggregation, such as `Max()` of thalweg.dataframe.aggregations, not {aggregation!r}"
        )
    if origin is not None:
        # Columns are read where they were taken from.
        if isinstance(found, ColumnReduction):
            picked = ColumnReduction(found.statistic, origin.example, origin.names, is_series=origin.is_series)
            return origin.stream, origin.example, picked
        if isinstance(found, _ValueCounts):
            return origin.stream, origin.example, _ValueCounts(origin.example, origin.names[0])
    return collection.stream, collection.example, found
