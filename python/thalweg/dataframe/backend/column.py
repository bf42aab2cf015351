"""Columns as numpy arrays, in which aggregations are computed whatever library they come from."""

from __future__ import annotations

from datetime import date, time, timedelta
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Column", "Ranked", "find_kind", "is_missing", "rank"]

_KINDS = {"b": "number", "i": "number", "u": "number", "f": "number", "c": "number", "M": "time", "m": "duration"}


class Column(NamedTuple):
    """Values of a column, and which of them are there."""

    values: np.ndarray[Any, Any]
    #: False where a value is missing; None if none is.
    valid: np.ndarray[Any, Any] | None = None

    def present(self) -> np.ndarray[Any, Any]:
        """Values that are not missing.

        Examples
        --------
        >>> import numpy as np
        >>> from thalweg.dataframe.backend import Column
        >>> Column(np.array([1, 2]), np.array([True, False])).present().tolist()
        [1]
        """
        return self.values if self.valid is None else self.values[self.valid]

    def take(self, rows: Any) -> Column:
        """Some rows: a slice, a mask or positions.

        Examples
        --------
        >>> import numpy as np
        >>> from thalweg.dataframe.backend import Column
        >>> Column(np.array([1, 2, 3])).take(slice(1, None)).values.tolist()
        [2, 3]
        """
        return Column(self.values[rows], None if self.valid is None else self.valid[rows])

    def copy(self) -> Column:
        """The same values in memory of their own.

        Examples
        --------
        >>> import numpy as np
        >>> from thalweg.dataframe.backend import Column
        >>> values = np.array([1])
        >>> Column(values).copy().values is values
        False
        """
        return Column(self.values.copy(), self.valid)

    @staticmethod
    def join(columns: list[Column]) -> Column:
        """One column of several, one below the other.

        Examples
        --------
        >>> import numpy as np
        >>> from thalweg.dataframe.backend import Column
        >>> Column.join([Column(np.array([1])), Column(np.array([2]))]).values.tolist()
        [1, 2]
        """
        if all(column.valid is None for column in columns):
            valid = None
        else:
            valid = np.concatenate(
                [np.ones(len(column.values), bool) if column.valid is None else column.valid for column in columns]
            )
        return Column(np.concatenate([column.values for column in columns]), valid)


class Ranked:
    """A value of an ordered category, which compares by its place among the categories.

    Examples
    --------
    >>> from thalweg.dataframe.backend.column import Ranked
    >>> sizes = "small", "large"
    >>> max(Ranked(0, sizes), Ranked(1, sizes)).value
    'large'
    """

    __slots__ = ("categories", "place")

    def __init__(self, place: int, categories: tuple[Any, ...]) -> None:
        self.place = place
        self.categories = categories

    @property
    def value(self) -> Any:
        """The category itself."""
        return self.categories[self.place]

    def __lt__(self, other: Ranked) -> bool:
        return self.place < self._comparable(other)

    def __gt__(self, other: Ranked) -> bool:
        return self.place > self._comparable(other)

    def _comparable(self, other: Ranked) -> int:
        if self.categories is not other.categories and self.categories != other.categories:
            raise ValueError(f"the categories {self.categories} cannot be compared with others: {other.categories}")
        return other.place


def rank(codes: np.ndarray[Any, Any], categories: Any) -> Column:
    """Column of an ordered category, given as places among the categories, -1 where a value is missing.

    Examples
    --------
    >>> import numpy as np
    >>> from thalweg.dataframe.backend.column import rank
    >>> [one.value for one in rank(np.array([1, -1, 0]), ["small", "large"]).present()]
    ['large', 'small']
    """
    known = tuple(categories)
    ranked = np.empty(len(known) + 1, object)
    ranked[:-1] = [Ranked(place, known) for place in range(len(known))]
    valid = codes >= 0
    return Column(ranked[codes], None if valid.all() else valid)


def is_missing(value: Any) -> bool:
    """Whether an object stands for a missing value.

    Examples
    --------
    >>> from thalweg.dataframe.backend.column import is_missing
    >>> is_missing(None), is_missing(float("nan")), is_missing("")
    (True, True, False)
    """
    # NaN and NaT differ from themselves.
    return value is None or (isinstance(value, (float, date)) and value != value)


def find_kind(values: np.ndarray[Any, Any]) -> str | None:
    """Kind of the values: ``"number"``, ``"time"``, ``"duration"``, ``"text"``, ``"category"``; None if it is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> from thalweg.dataframe.backend.column import find_kind
    >>> find_kind(np.array([1])), find_kind(np.array(["a"], dtype=object)), find_kind(np.array([], dtype=object))
    ('number', 'text', None)
    """
    kind = _KINDS.get(values.dtype.kind)
    if kind is None:
        first = next((value for value in values if value is not None and value == value), None)
        kind = next((kind for kind, types in _OBJECTS.items() if isinstance(first, types)), None)
    return kind


_OBJECTS: dict[str, Any] = {"text": str, "time": (date, time), "duration": timedelta, "category": Ranked}
