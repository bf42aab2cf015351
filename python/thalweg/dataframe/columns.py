"""Operations on columns, for batches of a table and for updating results."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

from thalweg.collections.streaming import Streaming, map_partitions
from thalweg.dataframe.backend import backend_of
from thalweg.dataframe.schema import pick

__all__ = ["BaseFrame", "Columns", "Origin", "call_method", "subscript"]


class Origin(NamedTuple):
    """The frames that unchanged columns were selected from.

    Aggregations read the columns there, which saves a step; windows of libraries without an index also need the column
    of times.
    """

    stream: Any
    example: Any
    names: list[Any]
    is_series: bool


class BaseFrame(Streaming):
    """Common base of frames and series. Its methods are those of pandas, applied to each arriving frame."""

    @staticmethod
    def map_partitions(func: Any, *args: Any, **kwargs: Any) -> Streaming:
        """Call a function on every batch: see `thalweg.collections.streaming.map_partitions`."""
        example = next((arg.example for arg in args if isinstance(arg, BaseFrame)), None)
        if example is not None and getattr(func, "__module__", None) in ("_operator", "operator"):
            func = backend_of(example).operation(func)
        return map_partitions(func, *args, **kwargs)

    def round(self, decimals: int = 0) -> Streaming:
        """Round to this many decimal places."""
        return self._each("round", decimals)

    def reset_index(self) -> Streaming:
        """Number the rows, and turn the previous index into a column."""
        return self._each("reset_index")

    def set_index(self, index: Any, **kwargs: Any) -> Streaming:
        """Make a column the index."""
        return self._each("set_index", index, **kwargs)

    def tail(self, n: int = 5) -> Streaming:
        """Keep the last `n` rows of each frame."""
        return self._each("tail", n)

    def astype(self, dt: Any) -> Streaming:
        """Convert to another type."""
        return self._each("astype", dt)

    def map(self, func: Any, na_action: str | None = None) -> Streaming:
        """Map each value by a function or a mapping."""
        return self._each("map", func, na_action=na_action)

    @property
    def index(self) -> Streaming:
        """Labels of the rows."""
        return map_partitions(getattr, self, "index")

    def _each(self, method: str, *args: Any, **kwargs: Any) -> Streaming:
        return map_partitions(partial(call_method, method), self, *args, **kwargs)


def call_method(name: str, frame: Any, *args: Any, **kwargs: Any) -> Any:
    """Call a method of a frame by name.

    Examples
    --------
    >>> import pandas as pd
    >>> from thalweg.dataframe.columns import call_method
    >>> int(call_method("sum", pd.Series([1, 2])))
    3
    """
    return getattr(frame, name)(*args, **kwargs)


class Columns:
    """Operations of collections with columns."""

    stream: Any
    example: Any

    @property
    def columns(self) -> Any:
        """The names of the columns."""
        return (
            self.example.columns if hasattr(self.example, "groupby") else backend_of(self.example).names(self.example)
        )

    @property
    def dtypes(self) -> Any:
        """The types of the columns."""
        return self.example.dtypes if hasattr(self.example, "dtypes") else self.example.schema.types

    def __getitem__(self, index: Any) -> Streaming:
        taken = map_partitions(subscript, self, index)
        if isinstance(index, (str, list)) and hasattr(taken, "_origin"):
            names = index if isinstance(index, list) else [index]
            taken._origin = Origin(self.stream, self.example, names, isinstance(index, str))
        return taken

    def __getattr__(self, key: str) -> Streaming:
        example = self.__dict__.get("example")
        names = () if example is None else backend_of(example).names(example)
        if example is None or (key not in names and len(names)):
            raise AttributeError(f"{type(self).__name__} has no attribute and no column {key!r}")
        return self[key]

    def __dir__(self) -> list[str]:
        columns = (
            column
            for column in backend_of(self.example).names(self.example)
            if isinstance(column, str) and column.isidentifier()
        )
        return [*super().__dir__(), *columns]

    def assign(self, **kwargs: Any) -> Streaming:
        """Add columns, or replace them: by a series, a value, or a function of the frame.

        Examples
        --------
        >>> import pandas as pd
        >>> from thalweg.dataframe import DataFrame
        >>> points = DataFrame(example=pd.DataFrame({"x": [0], "y": [0]}))
        >>> results = points.assign(z=points.x + points.y).z.stream.sink_to_list()
        >>> points.emit(pd.DataFrame({"x": [1, 2], "y": [10, 20]}))
        >>> [z.tolist() for z in results]
        [[11, 22]]
        """
        return map_partitions(partial(_assign, list(kwargs)), self, *kwargs.values())

    def query(self, expr: str, **kwargs: Any) -> Streaming:
        """Keep the rows for which an expression holds.

        Examples
        --------
        >>> import pandas as pd
        >>> from thalweg.dataframe import DataFrame
        >>> points = DataFrame(example=pd.DataFrame({"x": [0]}))
        >>> results = points.query("x > 1").x.stream.sink_to_list()
        >>> points.emit(pd.DataFrame({"x": [1, 2, 3]}))
        >>> [x.tolist() for x in results]
        [[2, 3]]
        """
        return map_partitions(partial(call_method, "query"), self, expr, **kwargs)

    def to_frame(self) -> Any:
        """Return the collection itself."""
        return self

    @property
    def plot(self) -> Any:
        """Live plots by hvplot, which recognizes frames only under the name of the replaced package.

        Raises
        ------
        ImportError
            hvplot is not installed, or `install_as("streamz")` was not called before it was imported.
        """
        try:
            import hvplot.streamz  # noqa: F401
        except ImportError as error:
            raise ImportError(
                "plots of streaming frames need hvplot, and thalweg.install_as('streamz') before it is imported"
            ) from error
        return self.hvplot


def subscript(piece: Any, index: Any) -> Any:
    """Select a column, columns, or the rows of a mask.

    Examples
    --------
    >>> import pandas as pd
    >>> from thalweg.dataframe.columns import subscript
    >>> subscript(pd.DataFrame({"x": [1, 2]}), pd.Series([False, True])).x.tolist()
    [2]
    """
    backend = backend_of(piece)
    if backend.is_frame(piece):
        if isinstance(index, (str, bytes, int)):
            return pick(piece, index)
        if isinstance(index, list) and not any(isinstance(name, bool) for name in index):
            for name in index:
                pick(piece, name)
            return backend.select(piece, index)
    return backend.take(piece, index)


def _assign(names: list[str], frame: Any, *values: Any) -> Any:
    return backend_of(frame).assign(frame, dict(zip(names, values, strict=True)))
