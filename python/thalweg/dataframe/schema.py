"""Batches that do not match the example."""

from __future__ import annotations

from typing import Any

from thalweg.dataframe.backend import Column, backend_of
from thalweg.dataframe.backend.column import find_kind

__all__ = ["Schema", "SchemaError", "pick", "read_columns"]


class SchemaError(TypeError, IndexError, KeyError):
    """A batch has other columns, or values of another kind, than the example.

    It is also a `KeyError`, `IndexError` and `TypeError`, which pandas and streamz raise in this case.

    Parameters
    ----------
    column
        Name of the column.
    expected
        The type in the example, such as ``"int64"``; None if it has no such column.
    found
        The type in the batch; None if it has no such column.
    note
        What else the message says.

    Examples
    --------
    >>> from thalweg.dataframe import SchemaError
    >>> str(SchemaError("x", "int64", "str"))
    "column 'x': expected int64, found str"
    """

    def __init__(self, column: Any, expected: str | None, found: str | None, note: str | None = None) -> None:
        self.column: Any = column
        self.expected: Any = expected
        self.found: Any = found
        self._note = note
        message = f"column {column!r}: expected {expected or 'no such column'}, found {found or 'none'}"
        super().__init__(message if note is None else f"{message}; {note}")

    def __str__(self) -> str:
        # A KeyError would quote it.
        return str(self.args[0])

    def __reduce__(self) -> Any:
        return type(self), (self.column, self.expected, self.found, self._note), self.__dict__


class Schema:
    """Columns that an aggregation reads, with the kinds of their values.

    Examples
    --------
    >>> import pandas as pd
    >>> from thalweg.dataframe.schema import Schema
    >>> schema = Schema(pd.DataFrame({"x": [1], "y": [2.0]}), ["y"])
    >>> [column.values.tolist() for column in schema.read(pd.DataFrame({"y": [3]}))]
    [[3]]
    """

    def __init__(self, example: Any, names: list[Any] | None = None) -> None:
        backend = backend_of(example)
        self.is_frame: bool = backend.is_frame(example)
        #: Whether the whole frame is read, and no column may be there besides.
        self._is_whole = names is None
        if not self.is_frame:
            # A series has a single column, whatever it is called.
            self.names: Any = [getattr(example, "name", None)]
            columns = [example]
        else:
            self.names = backend.names(example) if names is None else names
            columns = backend.read(example, self.names)
        #: An example without columns says nothing about them.
        self._is_open = self.is_frame and self._is_whole and not self.names
        self._kinds = [_kind_of_example(backend.column(column)) for column in columns]
        #: Type of each column, for messages.
        self.types: list[str] = [backend.describe(column) for column in columns]

    def read(self, batch: Any) -> list[Column]:
        """Columns of a batch, in the order of the example.

        Raises
        ------
        SchemaError
            If the batch does not look like the example.
        """
        backend = backend_of(batch)
        is_frame = backend.is_frame(batch)
        if is_frame != self.is_frame or not (is_frame or hasattr(batch, "dtype") or hasattr(batch, "type")):
            raise _wrong_kind("a frame" if self.is_frame else "a series", batch)
        if not self.is_frame:
            return [self._check(0, batch, backend)]
        if self._is_open:
            return [backend.column(backend.series(batch, name)) for name in backend.names(batch)]
        found = read_columns(batch, self.names, self.types)
        if self._is_whole:
            self._refuse_others(batch, backend)
        return [self._check(i, values, backend) for i, values in enumerate(found)]

    def read_names(self, batch: Any) -> list[Any]:
        """Names of the columns that `read` returns."""
        return backend_of(batch).names(batch) if self._is_open else self.names

    def _refuse_others(self, batch: Any, backend: Any) -> None:
        found = backend.names(batch)
        if len(found) > len(self.names):
            other = next((name for name in found if name not in self.names), found[-1])
            raise SchemaError(other, None, "one more")

    def _check(self, i: int, series: Any, backend: Any) -> Column:
        column: Column = backend.column(series)
        expected = self._kinds[i]
        if expected is not None and len(column.values):
            kind = find_kind(column.values)
            if kind is not None and kind != expected:
                raise SchemaError(self.names[i], self.types[i], backend.describe(series))
        return column


def _kind_of_example(column: Column) -> str | None:
    if not len(column.values) and column.values.dtype.kind in "fO":
        # What an empty frame has where nobody said a type.
        return None
    return find_kind(column.values)


def _wrong_kind(expected: str, found: Any) -> TypeError:
    text = " ".join(repr(found).split())
    shown = text if len(text) <= 80 else f"{text[:77]}..."
    return TypeError(
        f"expected {expected} like the example, and not {type(found).__name__}: {shown}; "
        "`to_dataframe(example, n=...)` makes frames of rows"
    )


def read_columns(frame: Any, names: list[Any], expected: list[str]) -> list[Any]:
    """Values of columns, as the library has them; `expected` says for each what it should be like.

    Raises
    ------
    SchemaError
        If there is no such column.

    Examples
    --------
    >>> import pandas as pd
    >>> from thalweg.dataframe.schema import read_columns
    >>> read_columns(pd.DataFrame({"x": [1]}), ["y"], ["int64"])
    Traceback (most recent call last):
    thalweg.dataframe.schema.SchemaError: column 'y': expected int64, found none; the batch has ['x']
    """
    backend = backend_of(frame)
    try:
        return backend.read(frame, names)
    except Exception:
        if not backend.is_frame(frame):
            raise _wrong_kind("a frame", frame) from None
        found = backend.names(frame)
        missing = next((i for i, name in enumerate(names) if name not in found), None)
        if missing is None:
            raise
        raise SchemaError(names[missing], expected[missing], None, f"the batch has {found}") from None


def pick(frame: Any, name: Any) -> Any:
    """Take a column out of a frame, as a series.

    Raises
    ------
    SchemaError
        If it has no such column.

    Examples
    --------
    >>> import pandas as pd
    >>> from thalweg.dataframe.schema import pick
    >>> pick(pd.DataFrame({"x": [1]}), "x").tolist()
    [1]
    """
    backend = backend_of(frame)
    try:
        return backend.series(frame, name)
    except Exception:
        read_columns(frame, [name], ["a column of that name"])
        raise
