"""Bases of aggregations, also of your own."""

from __future__ import annotations

from typing import Any

__all__ = ["Aggregation", "Mergeable"]


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

    def on_new(self, acc: Any, new: Any) -> tuple[Any, Any]:
        """Add rows: the next state, and the result."""
        raise NotImplementedError(f"{type(self).__name__} has no method `on_new`")

    def on_old(self, acc: Any, old: Any) -> tuple[Any, Any]:
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
        """Result of a state; the state itself, unless it is overridden."""
        return state

    def initial(self, new: Any) -> Any:
        """No state: the first batch makes it."""
        return None

    def on_new(self, acc: Any, new: Any) -> tuple[Any, Any]:
        """Add rows: the next state, and the result."""
        partial = self.partial(new)
        state = partial if acc is None else self.merge(acc, partial)
        return state, self.result(state)

    def on_old(self, acc: Any, old: Any) -> tuple[Any, Any]:
        """States are merged, and nothing is ever taken out of one."""
        raise NotImplementedError(f"{type(self).__name__} merges states, and takes no rows out of them")
