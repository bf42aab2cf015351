"""Collections whose frames replace each other, as results of aggregations do."""

from __future__ import annotations

from typing import Any

from thalweg.collections.streaming import Streaming, _stream_types, map_partitions
from thalweg.dataframe.columns import BaseFrame, Columns, subscript
from thalweg.dataframe.kinds import is_dataframe_like, is_series_like

__all__ = ["DataFrames", "Frames", "Seriess"]


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


class DataFrames(Columns, Frames):
    """A stream of data frames each of which replaces the one before."""


class Seriess(Frames):
    """A stream of series each of which replaces the one before."""

    @property
    def dtype(self) -> Any:
        """The type of the values."""
        return self.example.dtype

    def __getitem__(self, index: Any) -> Streaming:
        return map_partitions(subscript, self, index)

    def to_frame(self) -> Streaming:
        """Make data frames of one column."""
        return self._each("to_frame")


_stream_types["updating"].extend([(is_dataframe_like, DataFrames), (is_series_like, Seriess)])
