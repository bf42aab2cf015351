"""Exponentially weighted averages."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Real
from typing import Any, NoReturn

import numpy as np

from thalweg.collections.streaming import Streaming
from thalweg.dataframe import aggregations
from thalweg.dataframe.window import Expanding

__all__ = ["EWM"]


class EWM(Expanding):
    """Exponentially weighted averages over all rows so far; returned by ``frame.ewm(...)``.

    Parameters
    ----------
    com, span, halflife, alpha
        The decay of the weights; exactly one of them, as in `pandas.DataFrame.ewm`.

    Examples
    --------
    >>> import pandas as pd
    >>> from thalweg.dataframe import DataFrame
    >>> points = DataFrame(example=pd.DataFrame({"x": [0.0]}))
    >>> results = points.ewm(alpha=0.5).x.mean().stream.sink_to_list()
    >>> points.emit(pd.DataFrame({"x": [1.0, 4.0]}))
    >>> [series.tolist() for series in results]
    [[3.0]]
    """

    def __init__(
        self,
        sdf: Any,
        n: Any = 1,
        value: Any = None,
        with_state: bool = False,
        start: Any = None,
        com: float | None = None,
        span: float | None = None,
        halflife: float | None = None,
        alpha: float | None = None,
    ) -> None:
        super().__init__(sdf, n=n, value=value, with_state=with_state, start=start)
        self._com = _find_com(com, span, halflife, alpha)
        self.com: Any = com
        self.span: Any = span
        self.halflife: Any = halflife
        self.alpha: Any = alpha

    def _over(self, root: Any) -> EWM:
        return type(self)(
            root,
            n=self.n,
            value=self.value,
            with_state=self.with_state,
            start=self.start,
            com=self.com,
            span=self.span,
            halflife=self.halflife,
            alpha=self.alpha,
        )

    def mean(self) -> Streaming:
        """Average: a frame with a single row, that of the newest row."""
        return self.aggregate(aggregations.EWMean(self._com))

    def full(self) -> NoReturn:
        """Not for weighted rows."""
        self._refuse("full")

    def apply(self, func: Callable[[Any], Any]) -> NoReturn:
        """Not for weighted rows."""
        self._refuse("apply")

    def sum(self) -> NoReturn:
        """Not for weighted rows."""
        self._refuse("sum")

    def count(self) -> NoReturn:
        """Not for weighted rows."""
        self._refuse("count")

    def var(self, ddof: int = 1) -> NoReturn:
        """Not for weighted rows."""
        self._refuse("var")

    def std(self, ddof: int = 1) -> NoReturn:
        """Not for weighted rows."""
        self._refuse("std")

    def min(self) -> NoReturn:
        """Not for weighted rows."""
        self._refuse("min")

    def max(self) -> NoReturn:
        """Not for weighted rows."""
        self._refuse("max")

    @property
    def size(self) -> NoReturn:
        """Not for weighted rows."""
        self._refuse("size")

    def value_counts(self) -> NoReturn:
        """Not for weighted rows."""
        self._refuse("value_counts")

    def groupby(self, other: Any) -> NoReturn:
        """Not for weighted rows."""
        self._refuse("groupby")

    def _refuse(self, name: str) -> NoReturn:
        raise NotImplementedError(f"an exponentially weighted window has a mean, and no {name}")


def _find_com(com: float | None, span: float | None, halflife: float | None, alpha: float | None) -> float:
    """Centre of mass of the weights."""
    given = {"com": com, "span": span, "halflife": halflife, "alpha": alpha}
    given = {name: value for name, value in given.items() if value is not None}
    if len(given) > 1:
        raise ValueError(f"Can only provide one of com, span, halflife and alpha, and not {', '.join(given)}")
    for name, value in given.items():
        if not isinstance(value, Real):
            raise TypeError(f"{name} has to be a number, and not {value!r}")
    if com is not None:
        return _checked(com, com >= 0, "com", "at least 0", com)
    if span is not None:
        return _checked(span, span >= 1, "span", "at least 1", (span - 1) / 2)
    if halflife is not None:
        _checked(halflife, halflife > 0, "halflife", "above 0", 0.0)
        return float(1 / (1 - np.exp(np.log(0.5) / halflife)) - 1)
    if alpha is not None:
        _checked(alpha, 0 < alpha <= 1, "alpha", "above 0 and at most 1", 0.0)
        return (1 - alpha) / alpha
    raise ValueError("Must pass one of com, span, halflife and alpha")


def _checked(value: float, is_good: bool, name: str, wanted: str, com: float) -> float:
    if not is_good:
        raise ValueError(f"{name} has to be {wanted}, and not {value!r}")
    return float(com)
