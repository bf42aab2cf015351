"""Statistics of a column: of a batch, by group or whole, and how those of two batches are merged.

A state is a tuple, whose items are numbers for a whole column, and arrays with an item for each group. Merging never
subtracts, so that no rounding errors add up, and an infinite value is gone when its rows leave a window.
"""

from __future__ import annotations

import functools
import operator
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np

from thalweg.dataframe.backend.column import Column, Ranked, find_kind

__all__ = ["Count", "Extreme", "Mean", "Size", "Sum", "Var"]

State = tuple[Any, ...]

#: Integers up to this size are exact as floating-point numbers.
_EXACT = 2**53


class Sum:
    """Total of the non-missing values."""

    name = "sum"

    def whole(self, column: Column) -> State:
        """State of a whole column."""
        present = _summable(column).present()
        return (_fold(present) if present.dtype == object else present.sum(),)

    def grouped(self, column: Column, codes: Any, groups: int) -> State:
        """State of each group."""
        values, codes = _present(_summable(column), codes)
        kind = values.dtype.kind
        if kind == "O":
            return (_fold_groups(values, codes, groups, _plus),)
        if kind == "f":
            return (np.bincount(codes, values, groups).astype(values.dtype, copy=False),)
        if kind == "b":
            return (np.bincount(codes[values], minlength=groups),)
        if kind in "iu":
            dtype = np.uint64 if kind == "u" else np.int64
            largest = max(abs(int(values.max())), abs(int(values.min()))) if len(values) else 0
            if largest * len(values) < _EXACT:
                return (np.bincount(codes, values, groups).astype(dtype),)
            values = values.astype(dtype)
        totals = np.zeros(groups, values.dtype)
        np.add.at(totals, codes, values)
        return (totals,)

    def combine(self, a: State, b: State) -> State:
        """State of the rows of `a`, and those of `b` after them."""
        return (_add(a[0], b[0]),)

    def finish(self, state: State) -> Any:
        """Result, or results, that a state stands for."""
        total = state[0]
        return _fill(total, _zero(total) if _is_object(total) else 0)


class Count:
    """Number of the non-missing values."""

    name = "count"

    def whole(self, column: Column) -> State:
        """State of a whole column."""
        return (len(column.values) if column.valid is None else int(column.valid.sum()),)

    def grouped(self, column: Column, codes: Any, groups: int) -> State:
        """State of each group."""
        return (np.bincount(codes if column.valid is None else codes[column.valid], minlength=groups),)

    def combine(self, a: State, b: State) -> State:
        """State of the rows of `a`, and those of `b` after them."""
        return (a[0] + b[0],)

    def finish(self, state: State) -> Any:
        """Result, or results, that a state stands for."""
        return state[0]


class Size(Count):
    """Number of the values, missing or not."""

    name = "size"

    def whole(self, column: Column) -> State:
        """State of a whole column."""
        return (len(column.values),)

    def grouped(self, column: Column, codes: Any, groups: int) -> State:
        """State of each group."""
        return (np.bincount(codes, minlength=groups),)


class Mean:
    """Average of the non-missing values."""

    name = "mean"
    _sum, _count = Sum(), Count()

    def whole(self, column: Column) -> State:
        """State of a whole column."""
        column = _numbers(column, self.name)
        return (*self._sum.whole(column), *self._count.whole(column))

    def grouped(self, column: Column, codes: Any, groups: int) -> State:
        """State of each group."""
        column = _numbers(column, self.name)
        return (*self._sum.grouped(column, codes, groups), *self._count.grouped(column, codes, groups))

    def combine(self, a: State, b: State) -> State:
        """State of the rows of `a`, and those of `b` after them."""
        return (_add(a[0], b[0]), a[1] + b[1])

    def finish(self, state: State) -> Any:
        """Result, or results, that a state stands for."""
        total, count = state
        if isinstance(count, np.ndarray):
            if total.dtype == object:
                return np.array([_divide(t, c) for t, c in zip(total, count, strict=True)], dtype=object)
            return total / count
        return _divide(total, count)


class Var:
    """Variance of the non-missing values, or their standard deviation."""

    def __init__(self, ddof: int = 1, *, is_std: bool = False) -> None:
        self.ddof = _checked_ddof(ddof)
        self.is_std = is_std
        self.name = "std" if is_std else "var"

    def whole(self, column: Column) -> State:
        """State of a whole column."""
        values = _floats(column, self.name)
        if not len(values):
            return (0, 0.0, 0.0)
        mean = values.mean()
        deviations = values - mean
        return (len(values), mean, deviations @ deviations)

    def grouped(self, column: Column, codes: Any, groups: int) -> State:
        """State of each group."""
        values = _floats(column, self.name)
        if column.valid is not None:
            codes = codes[column.valid]
        count = np.bincount(codes, minlength=groups)
        mean = np.bincount(codes, values, groups) / np.maximum(count, 1)
        deviations = values - mean[codes]
        return (count, mean, np.bincount(codes, deviations * deviations, groups))

    def combine(self, a: State, b: State) -> State:
        """State of the rows of `a`, and those of `b` after them."""
        count = a[0] + b[0]
        divisor = np.maximum(count, 1)
        difference = b[1] - a[1]
        mean = a[1] + difference * (b[0] / divisor)
        return (count, mean, a[2] + b[2] + difference * difference * (a[0] * b[0] / divisor))

    def finish(self, state: State) -> Any:
        """Result, or results, that a state stands for."""
        degrees = state[0] - self.ddof
        variance = np.where(degrees > 0, state[2] / np.maximum(degrees, 1), np.nan)
        result = np.sqrt(variance) if self.is_std else variance
        return result if result.ndim else result[()]


class Extreme:
    """Smallest or largest of the non-missing values."""

    def __init__(self, *, is_min: bool) -> None:
        self.name = "min" if is_min else "max"
        self._choose = min if is_min else max
        self._reduce = np.minimum if is_min else np.maximum
        # Unlike the others, these leave missing values out.
        self._merge = np.fmin if is_min else np.fmax

    def whole(self, column: Column) -> State:
        """State of a whole column."""
        present = column.present()
        if not len(present):
            return (None,)
        return (self._choose(present) if present.dtype == object else self._reduce.reduce(present),)

    def grouped(self, column: Column, codes: Any, groups: int) -> State:
        """State of each group."""
        values, codes = _present(column, codes)
        kind = values.dtype.kind
        if kind in "O":
            return (_fold_groups(values, codes, groups, self._either),)
        if kind in "iub":
            # A group's first value is as good as any to begin with.
            found = np.empty(groups, values.dtype)
            found[codes] = values
            self._reduce.at(found, codes, values)
            return (found if column.valid is None else _without_empty(found, codes),)
        found = np.full(groups, np.array("NaT", values.dtype) if kind in "mM" else np.nan, values.dtype)
        self._merge.at(found, codes, values)
        return (found,)

    def combine(self, a: State, b: State) -> State:
        """State of the rows of `a`, and those of `b` after them."""
        x, y = a[0], b[0]
        if _is_object(x) or _is_object(y):
            return (np.frompyfunc(self._either, 2, 1)(x, y),)
        if isinstance(x, np.ndarray):
            return (self._merge(x, y),)
        return (self._either(x, y),)

    def finish(self, state: State) -> Any:
        """Result, or results, that a state stands for."""
        return _fill(state[0], np.nan)

    def _either(self, x: Any, y: Any) -> Any:
        return y if x is None else x if y is None else self._choose(x, y)


def _checked_ddof(ddof: Any) -> Any:
    if not isinstance(ddof, Real):
        raise TypeError(f"ddof: a number that is subtracted from the count, not {ddof!r}")
    return ddof


def _present(column: Column, codes: Any) -> tuple[Any, Any]:
    return column.present(), codes if column.valid is None else codes[column.valid]


def _summable(column: Column) -> Column:
    kind = find_kind(column.values)
    if kind in ("time", "category"):
        raise TypeError(f"sum needs numbers, durations or text, and not {kind}")
    return column


def _numbers(column: Column, name: str) -> Column:
    values, valid = column
    kind = find_kind(values)
    if kind in ("text", "time", "category"):
        raise TypeError(f"{name} needs numbers, and not {kind}")
    # Totals of many batches would lose digits in smaller numbers, and overflow in integers.
    return Column(values.astype(float), valid) if values.dtype.kind in "iuf" and values.dtype != float else column


def _floats(column: Column, name: str) -> Any:
    kind = find_kind(column.values)
    if kind in ("text", "time", "duration", "category"):
        raise TypeError(f"{name} needs numbers, and not {kind}")
    if column.values.dtype.kind == "c":
        raise TypeError(f"{name} needs numbers, and not complex ones")
    return column.present().astype(float, copy=False)


def _plus(x: Any, y: Any) -> Any:
    return y if x is None else x if y is None else x + y


def _fold(values: Any) -> Any:
    if not len(values):
        return None
    if all(type(value) is str for value in values):
        return "".join(values)
    return functools.reduce(operator.add, values)


def _fold_groups(values: Any, codes: Any, groups: int, function: Any) -> Any:
    found = np.full(groups, None, object)
    for code, value in zip(codes, values, strict=True):
        found[code] = function(found[code], value)
    return found


def _without_empty(found: Any, codes: Any) -> Any:
    """Values of groups, with None for those without a row: as floating-point numbers, integers would lose digits."""
    has_rows = np.bincount(codes, minlength=len(found)) > 0
    return found if has_rows.all() else np.where(has_rows, found.astype(object), None)


def _zero(totals: Any) -> Any:
    """Total of no values, of the same type as those of other groups."""
    known = next((total for total in totals if total is not None), 0)
    return type(known)() if isinstance(known, (str, bytes, Decimal)) else 0


def _is_object(thing: Any) -> bool:
    return isinstance(thing, np.ndarray) and thing.dtype == object


def _add(x: Any, y: Any) -> Any:
    if _is_object(x) or _is_object(y):
        return np.frompyfunc(_plus, 2, 1)(x, y)
    return _plus(x, y)


def _divide(total: Any, count: Any) -> Any:
    return np.nan if count == 0 or total is None else total / count


def _fill(found: Any, default: Any) -> Any:
    if _is_object(found):
        filled = np.empty(len(found), object)
        for i, value in enumerate(found):
            filled[i] = _fill(value, default)
        return filled
    if isinstance(found, Ranked):
        return found.value
    return default if found is None else found
