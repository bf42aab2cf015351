"""Collections whose frames replace each other, such as results of aggregations."""

from __future__ import annotations

from typing import Any

from thalweg.collections.streaming import Streaming, _stream_types, map_partitions
from thalweg.dataframe.columns import BaseFrame, Columns, subscript
from thalweg.dataframe.kinds import is_dataframe_like, is_series_like

__all__ = ["DataFrames", "Frames", "Seriess"]


class Frames(BaseFrame):
    """A stream of frames that replace each other; each is aggregated separately."""

    _stream_type = "updating"

    def sum(self, **kwargs: Any) -> Streaming:
        """Sum of each, by column."""
        return self._each("sum", **kwargs)

    def mean(self, **kwargs: Any) -> Streaming:
        """Mean of each, by column."""
        return self._each("mean", **kwargs)

    def std(self, **kwargs: Any) -> Streaming:
        """Standard deviation of each, by column."""
        return self._each("std", **kwargs)

    def var(self, **kwargs: Any) -> Streaming:
        """Variance of each, by column."""
        return self._each("var", **kwargs)

    def count(self, **kwargs: Any) -> Streaming:
        """Count the non-missing values of each, by column."""
        return self._each("count", **kwargs)

    def nlargest(self, n: int, *args: Any, **kwargs: Any) -> Streaming:
        """Keep the `n` largest rows of each."""
        return self._each("nlargest", n, *args, **kwargs)

    @property
    def size(self) -> Streaming:
        """Number of values of each."""
        return map_partitions(getattr, self, "size")


class DataFrames(Columns, Frames):
    """A stream of data frames that replace each other."""


class Seriess(Frames):
    """A stream of series that replace each other."""

    @property
    def dtype(self) -> Any:
        """The type of the values."""
        return self.example.dtype

    def __getitem__(self, index: Any) -> Streaming:
        return map_partitions(subscript, self, index)

    def to_frame(self) -> Streaming:
        """Convert to data frames of one column."""
        return self._each("to_frame")


_stream_types["updating"].extend([(is_dataframe_like, DataFrames), (is_series_like, Seriess)])
