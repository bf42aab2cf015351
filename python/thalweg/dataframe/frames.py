"""The collections: frames, series and indices."""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import partial
from typing import Any

from thalweg.collections.streaming import Streaming, _stream_types, map_partitions
from thalweg.dataframe import running
from thalweg.dataframe.kinds import is_dataframe_like, is_index_like, is_series_like
from thalweg.errors.missing_packages import need

try:
    import pandas as pd
except ImportError:
    need("pandas", "dataframe", "thalweg.dataframe")

__all__ = [
    "BaseFrame",
    "DataFrame",
    "DataFrames",
    "Frame",
    "Frames",
    "Index",
    "Series",
    "Seriess",
]


class BaseFrame(Streaming):
    """Common base of frames and series. Every method is pandas' own, called on each that comes."""

    def round(self, decimals: int = 0) -> Streaming:
        """Round to so many decimal places."""
        return self._each("round", decimals)

    def reset_index(self) -> Streaming:
        """Number the rows, and make a column of what they were called."""
        return self._each("reset_index")

    def set_index(self, index: Any, **kwargs: Any) -> Streaming:
        """Call the rows after a column."""
        return self._each("set_index", index, **kwargs)

    def tail(self, n: int = 5) -> Streaming:
        """Keep the last `n` rows of each."""
        return self._each("tail", n)

    def astype(self, dt: Any) -> Streaming:
        """Convert to another type."""
        return self._each("astype", dt)

    def map(self, func: Any, na_action: str | None = None) -> Streaming:
        """Call a function on each value, or look it up."""
        return self._each("map", func, na_action=na_action)

    @property
    def index(self) -> Streaming:
        """Labels of the rows."""
        return map_partitions(getattr, self, "index")

    def _each(self, method: str, *args: Any, **kwargs: Any) -> Streaming:
        return map_partitions(partial(_method, method), self, *args, **kwargs)


def _method(name: str, frame: Any, *args: Any, **kwargs: Any) -> Any:
    return getattr(frame, name)(*args, **kwargs)


class Frame(BaseFrame):
    """A stream of frames that are pieces of one long table, with totals over all that has come.

    Each total takes a `start`: the state to begin with, such as one that another process ended with.
    """

    _stream_type = "streaming"

    def sum(self, start: Any = None) -> Streaming:
        """Add up, by column.

        Examples
        --------
        >>> import pandas as pd
        >>> from thalweg.dataframe import DataFrame
        >>> points = DataFrame(example=pd.DataFrame({"x": [0]}))
        >>> totals = points.x.sum().stream.sink_to_list()
        >>> points.emit(pd.DataFrame({"x": [1, 2]}))
        >>> points.emit(pd.DataFrame({"x": [3]}))
        >>> [int(total) for total in totals]
        [3, 6]
        """
        return self._running(running.total, start)

    def count(self, start: Any = None) -> Streaming:
        """Count the values that are there, by column."""
        return self._running(running.count, start)

    def mean(self, start: Any = None) -> Streaming:
        """Average, by column."""
        return self._running(running.mean, start)

    @property
    def size(self) -> Streaming:
        """Number of values."""
        return self._running(running.size, None)

    def _running(self, function: Callable[[Any, Any], tuple[Any, Any]], start: Any) -> Streaming:
        return self.accumulate_partitions(function, start=start, returns_state=True, stream_type="updating")


class Frames(BaseFrame):
    """A stream of frames each of which replaces the one before; what is summed up is each by itself."""

    _stream_type = "updating"

    def sum(self, **kwargs: Any) -> Streaming:
        """Add up each, by column."""
        return self._each("sum", **kwargs)

    def mean(self, **kwargs: Any) -> Streaming:
        """Average each, by column."""
        return self._each("mean", **kwargs)

    def std(self, **kwargs: Any) -> Streaming:
        """Take the standard deviation of each, by column."""
        return self._each("std", **kwargs)

    def var(self, **kwargs: Any) -> Streaming:
        """Take the variance of each, by column."""
        return self._each("var", **kwargs)

    def count(self, **kwargs: Any) -> Streaming:
        """Count what is there in each, by column."""
        return self._each("count", **kwargs)

    def nlargest(self, n: int, *args: Any, **kwargs: Any) -> Streaming:
        """Keep the `n` largest rows of each."""
        return self._each("nlargest", n, *args, **kwargs)

    @property
    def size(self) -> Streaming:
        """Number of values of each."""
        return map_partitions(getattr, self, "size")


class _Columns:
    """Operations of collections with columns."""

    stream: Any
    example: Any

    @property
    def columns(self) -> Any:
        """The names of the columns."""
        return self.example.columns

    @property
    def dtypes(self) -> Any:
        """The types of the columns."""
        return self.example.dtypes

    def __getitem__(self, index: Any) -> Streaming:
        return map_partitions(operator.getitem, self, index)

    def __getattr__(self, key: str) -> Streaming:
        example = self.__dict__.get("example")
        if example is None or key not in example.columns:
            raise AttributeError(f"{type(self).__name__} has no attribute and no column {key!r}")
        return map_partitions(getattr, self, key)

    def __dir__(self) -> list[str]:
        columns = (column for column in self.columns if isinstance(column, str) and column.isidentifier())
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
        return map_partitions(partial(_method, "query"), self, expr, **kwargs)

    def to_frame(self) -> Any:
        """Return it as it is."""
        return self


def _assign(names: list[str], frame: Any, *values: Any) -> Any:
    return frame.assign(**dict(zip(names, values, strict=True)))


class DataFrame(_Columns, Frame):
    """A stream of data frames, handled as if it were one of them.

    Parameters
    ----------
    stream
        Where the frames come from; left out, a new ``Stream``. Or, alone, a dictionary of the columns' names and
        series, which are put side by side.
    example
        A frame with the same columns, or what one can be made of, or a function that returns one.

    Raises
    ------
    TypeError
        If there is no example, or no frame can be made of it.

    Examples
    --------
    >>> import pandas as pd
    >>> from thalweg.dataframe import DataFrame
    >>> points = DataFrame(example={"x": [0], "y": [0]})
    >>> far = points[points.x > 1].y.stream.sink_to_list()
    >>> points.emit(pd.DataFrame({"x": [1, 2], "y": [10, 20]}))
    >>> [y.tolist() for y in far]
    [[20]]
    """

    def __init__(self, stream: Any = None, example: Any = None) -> None:
        if isinstance(stream, dict) and example is None:
            side_by_side = map_partitions(partial(_concat, list(stream)), *stream.values())
            stream, example = side_by_side.stream, side_by_side.example
        if callable(example):
            example = example()
        if example is not None and not is_dataframe_like(example):
            example = pd.DataFrame(example)
        self._subtype = type(example)
        super().__init__(stream, example)

    def __setitem__(self, key: Any, value: Any) -> None:
        if isinstance(value, DataFrame):
            result = self.assign(**{name: value[column] for name, column in zip(key, value.columns, strict=True)})
        else:
            result = self.assign(**{key: value})
        # It goes on as the frame with the new column, which earlier expressions have not.
        self.stream, self.example = result.stream, result.example

    def verify(self, x: Any) -> None:
        """Check that a frame has the columns of the example, in the same order.

        Raises
        ------
        TypeError
            If it is no such frame.
        IndexError
            If its columns are different.
        """
        super().verify(x)
        if list(x.columns) != list(self.example.columns):
            raise IndexError(f"expected the columns {list(self.example.columns)}, and not {list(x.columns)}")


def _concat(names: list[str], *columns: Any) -> Any:
    frame = pd.concat(columns, axis=1)
    frame.columns = pd.Index(names)
    return frame


class Series(Frame):
    """A stream of series, handled as if it were one of them.

    Parameters
    ----------
    stream
        Where the series come from; left out, a new ``Stream``.
    example
        A series of the same type, or a function that returns one.

    Raises
    ------
    TypeError
        If the example is no series.

    Examples
    --------
    >>> import pandas as pd
    >>> from thalweg.dataframe import Series
    >>> celsius = Series(example=pd.Series([0.0]))
    >>> fahrenheit = (celsius * 9 / 5 + 32).stream.sink_to_list()
    >>> celsius.emit(pd.Series([100.0]))
    >>> [series.tolist() for series in fahrenheit]
    [[212.0]]
    """

    def __init__(self, stream: Any = None, example: Any = None) -> None:
        if callable(example):
            example = example()
        if example is not None and not self._is_like(example):
            raise TypeError(f"{type(self).__name__} needs an example of its kind, and not {type(example).__name__}")
        self._subtype = type(example)
        super().__init__(stream, example)

    @staticmethod
    def _is_like(example: Any) -> bool:
        return is_series_like(example)

    @property
    def dtype(self) -> Any:
        """The type of the values."""
        return self.example.dtype

    def __getitem__(self, index: Any) -> Streaming:
        return map_partitions(operator.getitem, self, index)

    def to_frame(self) -> Streaming:
        """Make data frames of one column."""
        return self._each("to_frame")


class Index(Series):
    """A stream of indices, handled as if it were one of them."""

    @staticmethod
    def _is_like(example: Any) -> bool:
        return is_index_like(example)


class DataFrames(_Columns, Frames):
    """A stream of data frames each of which replaces the one before."""


class Seriess(Frames):
    """A stream of series each of which replaces the one before."""

    @property
    def dtype(self) -> Any:
        """The type of the values."""
        return self.example.dtype

    def __getitem__(self, index: Any) -> Streaming:
        return map_partitions(operator.getitem, self, index)

    def to_frame(self) -> Streaming:
        """Make data frames of one column."""
        return self._each("to_frame")


_stream_types["streaming"].extend([(is_dataframe_like, DataFrame), (is_index_like, Index), (is_series_like, Series)])
_stream_types["updating"].extend([(is_dataframe_like, DataFrames), (is_series_like, Seriess)])
