"""What a library of data frames has to do for the aggregations."""

from __future__ import annotations

from typing import Any, Protocol

from thalweg.dataframe.backend.column import Column

__all__ = ["Backend"]


class Backend(Protocol):
    """A library of data frames.

    A *piece* is a frame, a series or an index of the library.
    """

    @property
    def name(self) -> str:
        """Name of the library."""

    def is_frame(self, piece: Any) -> bool:
        """Whether it has columns."""

    def names(self, frame: Any) -> list[Any]:
        """Names of the columns."""

    def series(self, frame: Any, name: Any) -> Any:
        """A column of a frame."""

    def read(self, frame: Any, names: list[Any]) -> list[Any]:
        """Values of columns: series, or something that `column` and `labels` take as well."""

    def select(self, frame: Any, names: list[Any]) -> Any:
        """A frame with some of the columns."""

    def assign(self, frame: Any, columns: dict[str, Any]) -> Any:
        """A frame with more columns, or others in their place: values, or functions of the frame."""

    def operation(self, function: Any) -> Any:
        """What does for this library's series what one of the functions of `operator` does."""

    def describe(self, series: Any) -> str:
        """Type of the values, for messages."""

    def column(self, series: Any) -> Column:
        """Values of a series or an index."""

    def labels(self, series: Any) -> Any:
        """Values that groups are made by, as what `pandas.factorize` takes."""

    def times(self, piece: Any, on: Any) -> Any:
        """Positions of the rows on the axis of a window: those of the index, or of the column `on`."""

    def slice(self, piece: Any, start: int, stop: int) -> Any:
        """Some consecutive rows."""

    def take(self, piece: Any, mask: Any) -> Any:
        """The rows that a mask selects."""

    def concat(self, pieces: list[Any]) -> Any:
        """One piece of several, one below the other."""

    def protect(self, piece: Any) -> Any:
        """The same piece, safe from changes to the original."""

    def scalar(self, value: Any) -> Any:
        """A single result."""

    def row(self, names: list[Any], values: list[Any]) -> Any:
        """A result for each column."""

    def name_keys(self, keys: Any, names: list[Any]) -> Any:
        """Keys of groups, with their names, as `grouped` takes them."""

    def grouped(self, keys: Any, names: list[Any], arrays: list[Any], *, is_frame: bool) -> Any:
        """A result for each group and column."""

    def aligned(self, piece: Any, names: list[Any], arrays: list[Any], *, is_series: bool = False) -> Any:
        """A result for each row of a piece, and each column; a series if there is to be one."""

    def counted(self, keys: Any, counts: Any, series: Any) -> Any:
        """How often each value comes, the most frequent first."""

    def cumulate(self, operation: str, carry: Any, new: Any) -> tuple[Any, Any]:
        """Running ``"cumsum"``, ``"cumprod"``, ``"cummin"`` or ``"cummax"``: the row to go on from, and the result."""

    def from_rows(self, rows: list[Any], example: Any) -> Any:
        """A frame of tuples or small frames, with the columns of an example."""

    def adopt(self, thing: Any) -> Any:
        """A frame of this library made of another library's, by Arrow's PyCapsule interface; no copy if possible."""
