"""Columns as numpy arrays, in which aggregations are computed whatever library they come from."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

__all__ = ["Column", "find_kind"]

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


def find_kind(values: np.ndarray[Any, Any]) -> str | None:
    """Kind of the values: ``"number"``, ``"time"``, ``"duration"``, ``"text"``; None if it is unknown.

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
        kind = "text" if isinstance(first, str) else None
    return kind
