"""Running totals, products and extremes: a result for each row."""

from __future__ import annotations

from typing import Any

from thalweg.dataframe.backend import backend_of

__all__ = ["Cumulative"]


class Cumulative:
    """What `accumulate` calls for `cumsum`, `cumprod`, `cummin` and `cummax`.

    The state is the last row of the results, in which each column has its last value that is there.
    """

    def __init__(self, operation: str) -> None:
        self.operation = operation

    def __call__(self, last: Any, new: Any) -> tuple[Any, Any]:
        """Add a batch: the next state, and the results of its rows."""
        if not len(new):
            return last, new
        state, result = backend_of(new).cumulate(self.operation, last, new)
        return state, result
