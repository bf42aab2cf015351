"""Aggregations by group."""

from __future__ import annotations

from typing import Any

from thalweg.collections.streaming import Streaming
from thalweg.dataframe import statistics
from thalweg.dataframe.applied import apply
from thalweg.dataframe.reductions import GroupReduction
from thalweg.dataframe.sliding import Expanding, make_step

__all__ = ["GroupBy", "WindowedGroupBy", "has_column"]


class GroupBy:
    """Aggregations by group, over all rows so far.

    Returned by ``frame.groupby(...)``; columns can be selected from it.

    Parameters
    ----------
    root
        The streaming frame or series.
    grouper
        The name of a column or of a level of the index, a streaming series or index, a function of the frame that
        returns a label for each row, or a list of these.
    index
        The column or columns to aggregate; by default all except those grouped by.

    Examples
    --------
    >>> import pandas as pd
    >>> from thalweg.dataframe import DataFrame
    >>> sales = DataFrame(example=pd.DataFrame({"name": ["a"], "amount": [0]}))
    >>> totals = sales.groupby("name").amount.sum().stream.sink_to_list()
    >>> sales.emit(pd.DataFrame({"name": ["a", "b"], "amount": [1, 2]}))
    >>> sales.emit(pd.DataFrame({"name": ["a"], "amount": [3]}))
    >>> totals[-1].to_dict()
    {'a': 4, 'b': 2}
    """

    def __init__(self, root: Any, grouper: Any, index: Any = None) -> None:
        groupers = grouper if isinstance(grouper, list) else [grouper]
        if not groupers or any(one is None for one in groupers):
            raise TypeError(f"groupby needs the name of a column, a series, a function or a list, and not {grouper!r}")
        self.root = root
        self.grouper = grouper
        self.index = index

    def __getitem__(self, index: Any) -> GroupBy:
        return type(self)(self.root, self.grouper, index)

    def __getattr__(self, key: str) -> GroupBy:
        if not has_column(self, key):
            raise AttributeError(f"{type(self).__name__} has no attribute and no column {key!r}")
        return self[key]

    def count(self, start: Any = None) -> Streaming:
        """Count the non-missing values; `start` is an earlier result or state."""
        return self._aggregate(statistics.Count(), start=start)

    def sum(self, start: Any = None) -> Streaming:
        """Sum; `start` is an earlier result or state."""
        return self._aggregate(statistics.Sum(), start=start)

    def mean(self, with_state: bool = False, start: Any = None) -> Streaming:
        """Mean; `with_state` emits pairs of the state and the result, and `start` is an earlier state."""
        return self._aggregate(statistics.Mean(), start=start, with_state=with_state)

    def size(self) -> Streaming:
        """Count the rows."""
        return self._aggregate(statistics.Size())

    def var(self, ddof: int = 1) -> Streaming:
        """Variance; `ddof` is subtracted from the count."""
        return self._aggregate(statistics.Var(ddof))

    def std(self, ddof: int = 1) -> Streaming:
        """Standard deviation; `ddof` is subtracted from the count."""
        return self._aggregate(statistics.Var(ddof, is_std=True))

    def min(self) -> Streaming:
        """Smallest value."""
        return self._aggregate(statistics.Extreme(is_min=True))

    def max(self) -> Streaming:
        """Largest value."""
        return self._aggregate(statistics.Extreme(is_min=False))

    def _aggregate(self, statistic: Any, start: Any = None, with_state: bool = False) -> Streaming:
        groupers = self.grouper if isinstance(self.grouper, list) else [self.grouper]
        groupers = [_own_column(self.root, grouper) for grouper in groupers]
        sources = [found for found in map(_source, groupers) if found is not None]
        names = [_key_name(grouper) for grouper in groupers]
        places = [None if _source(grouper) is not None else grouper for grouper in groupers]
        reduction = GroupReduction(statistic, self.root.example, places, names, self.index)
        stream, example = self.root.stream, self.root.example
        if sources:
            stream = type(stream).zip(stream, *(source.stream for source in sources))
            example = (example, *(source.example for source in sources))
        return self._apply(stream, reduction, example, start, with_state)

    def _apply(self, stream: Any, reduction: Any, example: Any, start: Any, with_state: bool) -> Streaming:
        return apply(stream, Expanding(reduction), example, start=start, with_state=with_state)


class WindowedGroupBy(GroupBy):
    """Aggregations by group, over a window: see `GroupBy` and `Window`.

    Groups without rows in the window are not in the result.
    """

    def __init__(
        self,
        root: Any,
        grouper: Any,
        index: Any = None,
        n: int | None = None,
        value: Any = None,
        with_state: bool = False,
        start: Any = None,
        on: Any = None,
    ) -> None:
        super().__init__(root, grouper, index)
        self.n: Any = n
        self.value: Any = value
        self.on: Any = on
        self.with_state: Any = with_state
        self.start: Any = start

    def __getitem__(self, index: Any) -> WindowedGroupBy:
        return type(self)(self.root, self.grouper, index, self.n, self.value, self.with_state, self.start, self.on)

    def _apply(self, stream: Any, reduction: Any, example: Any, start: Any, with_state: bool) -> Streaming:
        step = make_step(reduction, self.root.example, self.n, self.value, self.on)
        return apply(stream, step, example, start=self.start if start is None else start,
                     with_state=self.with_state or with_state)  # fmt: skip


def has_column(thing: Any, key: str) -> bool:
    """Whether the root of a window or the like has a column of that name, or may have: its example has none at all."""
    root = thing.__dict__.get("root")
    columns = getattr(root, "columns", None) if root is not None else None
    return columns is not None and (key in columns or not len(columns))


def _source(grouper: Any) -> Any:
    """The collection that a grouper comes from; None if it is read from the frame."""
    if isinstance(grouper, Streaming):
        return grouper
    # A window's, say.
    return getattr(grouper, "__dict__", {}).get("root")


def _own_column(root: Any, grouper: Any) -> Any:
    """Name of the column that a grouper is, as in ``frame.groupby(frame.name)``; otherwise the grouper.

    As in pandas, such a column is a key and not aggregated.
    """
    column = getattr(_source(grouper), "_origin", None)
    if column is None or not column.is_series:
        return grouper
    name = column.names[0]
    if column.stream is root.stream:
        return name
    picked = getattr(root, "_origin", None)
    is_own = picked is not None and not picked.is_series and picked.stream is column.stream and name in picked.names
    return name if is_own else grouper


def _key_name(grouper: Any) -> Any:
    source = _source(grouper)
    if source is not None:
        return getattr(source.example, "name", None)
    return None if callable(grouper) else grouper
