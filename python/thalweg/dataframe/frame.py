"""Collections whose frames are pieces of one long table: frames, series and indices."""

from __future__ import annotations

from functools import partial
from typing import Any

import pandas as pd

from thalweg.collections.streaming import Streaming, _stream_types, map_partitions
from thalweg.dataframe import aggregations, sliding
from thalweg.dataframe.applied import apply
from thalweg.dataframe.backend import backend_of
from thalweg.dataframe.columns import BaseFrame, Columns, Origin, subscript
from thalweg.dataframe.cumulative import Cumulative
from thalweg.dataframe.ewm import EWM
from thalweg.dataframe.groupby import GroupBy
from thalweg.dataframe.kinds import get_base_frame_type, is_dataframe_like, is_index_like, is_series_like
from thalweg.dataframe.rolling import Rolling
from thalweg.dataframe.schema import Schema
from thalweg.dataframe.window import Expanding, Window

__all__ = ["DataFrame", "Frame", "Index", "Series"]


class Frame(BaseFrame):
    """A stream of frames that are pieces of one long table, with totals over all rows so far.

    Each total takes a `start`: the initial state, or the final result of another process.
    """

    _stream_type = "streaming"

    _origin: Origin | None = None

    def aggregate(self, aggregation: Any, start: Any = None) -> Streaming:
        """Aggregate all rows so far, with your own aggregation: see `thalweg.dataframe.aggregations`.

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
        stream, example, reduction = aggregations.plan(aggregation, self)
        by_step = partial(aggregations.accumulator, agg=aggregation)
        step = by_step if reduction is None else sliding.Expanding(reduction)
        return apply(stream, step, example, start=start)

    def sum(self, start: Any = None) -> Streaming:
        """Sum by column.

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
        """Count the non-missing values by column."""
        return self.aggregate(aggregations.Count(), start)

    def mean(self, start: Any = None) -> Streaming:
        """Mean by column; `start` is a pair of totals and counts."""
        return self.aggregate(aggregations.Mean(), start)

    @property
    def size(self) -> Streaming:
        """Number of values, missing or not."""
        return self.aggregate(aggregations.Size())

    def groupby(self, other: Any) -> GroupBy:
        """Aggregate by group: see `GroupBy` for `other`."""
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
        """Aggregate, for each row, the rows up to it: a number of rows, or those of a duration. See `Rolling`."""
        return Rolling(self, window, min_periods, with_state, start, on)

    def expanding(self, with_state: bool = False, start: Any = None) -> Expanding:
        """Aggregate all rows so far, with the methods of a window. See `Expanding`."""
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
        """Mean of all rows so far, with exponential weights. See `EWM`."""
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


class DataFrame(Columns, Frame):
    """A stream of data frames, with the methods of a data frame.

    Parameters
    ----------
    stream
        The stream of frames; by default a new ``Stream``. Or, as the only argument, a dictionary of names and series
        for the columns.
    example
        A frame with the same columns, or data to create one, or a function that returns one.

    Raises
    ------
    TypeError
        The example is missing, or cannot be converted to a frame.

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
        self.stream: Any = result.stream
        self.example: Any = result.example
        self._origin = None

    def emit(self, x: Any) -> Any:
        """Emit a frame into the stream, after `verify`.

        Objects with Arrow's PyCapsule interface, such as another library's frames, are converted; without a copy if the
        library can.
        """
        if not isinstance(x, self._subtype) and hasattr(x, "__arrow_c_stream__"):
            x = backend_of(self.example).adopt(x)
        return super().emit(x)

    def verify(self, x: Any) -> None:
        """Check that a frame has the columns of the example, with values of the same kinds, in any order.

        Raises
        ------
        TypeError
            It is not a frame.
        SchemaError
            A column is missing or unexpected, or its values are of another kind.
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
    """A stream of series, with the methods of a series.

    Parameters
    ----------
    stream
        The stream of series; by default a new ``Stream``.
    example
        A series of the same type, or a function that returns one.

    Raises
    ------
    TypeError
        The example is not a series.

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
        """Count the occurrences of each value, the most frequent first.

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
        return map_partitions(subscript, self, index)

    def to_frame(self) -> Streaming:
        """Convert to data frames of one column."""
        return self._each("to_frame")


class Index(Series):
    """A stream of indices, with the methods of an index."""

    @staticmethod
    def _is_like(example: Any) -> bool:
        return is_index_like(example)


_stream_types["streaming"].extend([(is_dataframe_like, DataFrame), (is_index_like, Index), (is_series_like, Series)])
