"""The collections: frames, series and indices."""

from __future__ import annotations

from functools import partial
from typing import Any

import pandas as pd

from thalweg.collections.streaming import Streaming, _stream_types, map_partitions
from thalweg.dataframe import aggregations, sliding
from thalweg.dataframe.applied import apply
from thalweg.dataframe.backend import backend_of
from thalweg.dataframe.cumulative import Cumulative
from thalweg.dataframe.ewm import EWM
from thalweg.dataframe.groupby import GroupBy
from thalweg.dataframe.kinds import get_base_frame_type, is_dataframe_like, is_index_like, is_series_like
from thalweg.dataframe.reductions import ColumnReduction
from thalweg.dataframe.rolling import Rolling
from thalweg.dataframe.schema import Schema, pick
from thalweg.dataframe.window import Expanding, Window

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

    @staticmethod
    def map_partitions(func: Any, *args: Any, **kwargs: Any) -> Streaming:
        """Call a function on every batch: see `thalweg.collections.streaming.map_partitions`."""
        example = next((arg.example for arg in args if isinstance(arg, BaseFrame)), None)
        if example is not None and getattr(func, "__module__", None) in ("_operator", "operator"):
            func = backend_of(example).operation(func)
        return map_partitions(func, *args, **kwargs)

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

    Each total takes a `start`: the state to begin with, or a result that another process ended with.
    """

    _stream_type = "streaming"

    #: Where a column was taken from: the stream, the example and the name. Aggregations read it there, which saves a
    #: step, and in a window of a library without an index they need the column with the times.
    _origin: tuple[Any, Any, Any] | None = None

    def aggregate(self, aggregation: Any, start: Any = None) -> Streaming:
        """Aggregate everything so far, with an aggregation of your own: see `thalweg.dataframe.aggregations`.

        Examples
        --------
        >>> import pandas as pd
        >>> from thalweg.dataframe import DataFrame
        >>> from thalweg.dataframe.aggregations import Max
        >>> points = DataFrame(example=pd.DataFrame({"x": [0]}))
        >>> records = points.x.aggregate(Max()).stream.sink_to_list()
        >>> for x in (2, 1, 3):
        ...     points.emit(pd.DataFrame({"x": [x]}))
        >>> [int(record) for record in records]
        [2, 2, 3]
        """
        if self._origin is not None and aggregations.is_columnwise(aggregation):
            stream, example, name = self._origin
            step: Any = sliding.Expanding(ColumnReduction(aggregation.statistic, example, (name,)))
            return apply(stream, step, example, start=start)
        reduction = aggregations.find_reduction(aggregation, self.example)
        by_step = partial(aggregations.accumulator, agg=aggregation)
        step = by_step if reduction is None else sliding.Expanding(reduction)
        return apply(self.stream, step, self.example, start=start)

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
        return self.aggregate(aggregations.Sum(), start)

    def count(self, start: Any = None) -> Streaming:
        """Count the values that are there, by column."""
        return self.aggregate(aggregations.Count(), start)

    def mean(self, start: Any = None) -> Streaming:
        """Average, by column; `start` is a pair of totals and counts."""
        return self.aggregate(aggregations.Mean(), start)

    @property
    def size(self) -> Streaming:
        """Number of values, there or not."""
        return self.aggregate(aggregations.Size())

    def groupby(self, other: Any) -> GroupBy:
        """Aggregate by group: see `GroupBy` for what `other` may be."""
        return GroupBy(self, other)

    def window(
        self, n: Any = None, value: Any = None, with_state: bool = False, start: Any = None, on: Any = None
    ) -> Window:
        """Aggregate the newest rows: the last `n`, or those less than `value` behind the latest. See `Window`."""
        return Window(self, n=n, value=value, with_state=with_state, start=start, on=on)

    def rolling(
        self,
        window: Any,
        min_periods: int | None = None,
        with_state: bool = False,
        start: Any = (),
        on: Any = None,
    ) -> Rolling:
        """Aggregate, for each row, the rows that lead up to it: so many, or those of a duration. See `Rolling`."""
        return Rolling(self, window, min_periods, with_state, start, on)

    def expanding(self, with_state: bool = False, start: Any = None) -> Expanding:
        """Aggregate everything so far, with the methods of a window. See `Expanding`."""
        return Expanding(self, n=1, with_state=with_state, start=start)

    def ewm(
        self,
        com: float | None = None,
        span: float | None = None,
        halflife: float | None = None,
        alpha: float | None = None,
        with_state: bool = False,
        start: Any = None,
    ) -> EWM:
        """Average everything so far, with weights that fade. See `EWM`."""
        return EWM(self, com=com, span=span, halflife=halflife, alpha=alpha, with_state=with_state, start=start)

    def cumsum(self) -> Streaming:
        """Running total, for each row.

        Examples
        --------
        >>> import pandas as pd
        >>> from thalweg.dataframe import DataFrame
        >>> points = DataFrame(example=pd.DataFrame({"x": [0]}))
        >>> results = points.x.cumsum().stream.sink_to_list()
        >>> points.emit(pd.DataFrame({"x": [1, 2]}))
        >>> points.emit(pd.DataFrame({"x": [3]}))
        >>> [series.tolist() for series in results]
        [[1, 3], [6]]
        """
        return self._cumulate("cumsum")

    def cumprod(self) -> Streaming:
        """Running product, for each row."""
        return self._cumulate("cumprod")

    def cummin(self) -> Streaming:
        """Smallest value so far, for each row."""
        return self._cumulate("cummin")

    def cummax(self) -> Streaming:
        """Largest value so far, for each row."""
        return self._cumulate("cummax")

    def _cumulate(self, operation: str) -> Streaming:
        return apply(self.stream, Cumulative(operation), self.example, stream_type="streaming")


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
        return (
            self.example.columns if hasattr(self.example, "groupby") else backend_of(self.example).names(self.example)
        )

    @property
    def dtypes(self) -> Any:
        """The types of the columns."""
        return self.example.dtypes if hasattr(self.example, "dtypes") else self.example.schema.types

    def __getitem__(self, index: Any) -> Streaming:
        taken = map_partitions(_subscript, self, index)
        if isinstance(index, str) and isinstance(taken, Series):
            taken._origin = (self.stream, self.example, index)
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
        return map_partitions(partial(_method, "query"), self, expr, **kwargs)

    def to_frame(self) -> Any:
        """Return it as it is."""
        return self

    @property
    def plot(self) -> Any:
        """Plots that follow the stream, by hvplot, which knows frames under the name of the package we stand in for.

        Raises
        ------
        ImportError
            If hvplot is not installed, or `install_as("streamz")` was not called before it was imported.
        """
        try:
            import hvplot.streamz  # noqa: F401
        except ImportError as error:
            raise ImportError(
                "plots of streaming frames need hvplot, and thalweg.install_as('streamz') before it is imported"
            ) from error
        return self.hvplot


def _subscript(piece: Any, index: Any) -> Any:
    """Take a column, columns, or the rows that a mask selects."""
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

    #: What `verify` checks, and the example that it was made of.
    _schema: tuple[Any, Schema | None] = (None, None)

    def __init__(self, stream: Any = None, example: Any = None) -> None:
        if isinstance(stream, dict) and example is None:
            side_by_side = map_partitions(partial(_concat, list(stream)), *stream.values())
            stream, example = side_by_side.stream, side_by_side.example
        if callable(example):
            example = example()
        try:
            self._subtype = get_base_frame_type(type(self).__name__, is_dataframe_like, example)
        except ValueError as error:
            raise TypeError(f"DataFrame cannot make an example of {example!r}: {error}") from error
        super().__init__(stream, example)

    def __setitem__(self, key: Any, value: Any) -> None:
        if isinstance(value, DataFrame):
            result = self.assign(**{name: value[column] for name, column in zip(key, value.columns, strict=True)})
        else:
            result = self.assign(**{key: value})
        # It goes on as the frame with the new column, which earlier expressions have not.
        self.stream, self.example = result.stream, result.example

    def emit(self, x: Any) -> Any:
        """Send a frame into the stream, after `verify`.

        Anything that has Arrow's PyCapsule interface, such as another library's frame, is taken over; without a copy
        if the library can.
        """
        if not isinstance(x, self._subtype) and hasattr(x, "__arrow_c_stream__"):
            x = backend_of(self.example).adopt(x)
        return super().emit(x)

    def verify(self, x: Any) -> None:
        """Check that a frame has the columns of the example, with values of the same kinds, in any order.

        Raises
        ------
        TypeError
            If it is no such frame.
        SchemaError
            If a column is missing, or there is one too many, or the values of one are of another kind.
        """
        super().verify(x)
        known, schema = self._schema
        if schema is None or known is not self.example:
            schema = Schema(self.example)
            self._schema = (self.example, schema)
        schema.read(x)


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
        self._subtype = get_base_frame_type(type(self).__name__, self._is_like, example)
        super().__init__(stream, example)

    @staticmethod
    def _is_like(example: Any) -> bool:
        return is_series_like(example)

    def value_counts(self) -> Streaming:
        """Count how often each value has come, the most frequent first.

        Examples
        --------
        >>> import pandas as pd
        >>> from thalweg.dataframe import Series
        >>> words = Series(example=pd.Series(["a"]))
        >>> results = words.value_counts().stream.sink_to_list()
        >>> words.emit(pd.Series(["a", "b", "a"]))
        >>> results[-1].to_dict()
        {'a': 2, 'b': 1}
        """
        return self.aggregate(aggregations.ValueCounts())

    @property
    def dtype(self) -> Any:
        """The type of the values."""
        return self.example.dtype

    def __getitem__(self, index: Any) -> Streaming:
        return map_partitions(_subscript, self, index)

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
        return map_partitions(_subscript, self, index)

    def to_frame(self) -> Streaming:
        """Make data frames of one column."""
        return self._each("to_frame")


_stream_types["streaming"].extend([(is_dataframe_like, DataFrame), (is_index_like, Index), (is_series_like, Series)])
_stream_types["updating"].extend([(is_dataframe_like, DataFrames), (is_series_like, Seriess)])
