"""Consecutive rows that a window keeps: as arrays, or as a frame where one is asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from thalweg.dataframe.backend import Column, backend_of
from thalweg.dataframe.keys import unite

__all__ = ["ArrayChunk", "Chunk", "FrameChunk"]


@dataclass(slots=True)
class Chunk:
    """Rows, with their positions on the axis of the window; None if the window counts rows.

    Chunks are shared between states, and never changed.
    """

    size: int
    times: Any

    def cut(self, rows: Any) -> Chunk:
        """Some of the rows: a slice or a mask."""
        raise NotImplementedError

    def join(self, other: Chunk) -> Chunk:
        """These rows, and below them others."""
        raise NotImplementedError

    def _cut_times(self, rows: Any) -> tuple[int, Any]:
        times = None if self.times is None else self.times[rows]
        if isinstance(rows, slice):
            start, stop, _ = rows.indices(self.size)
            return max(stop - start, 0), times
        return int(rows.sum()), times

    def _join_times(self, other: Chunk) -> Any:
        return None if self.times is None else np.concatenate([self.times, other.times])


@dataclass(slots=True)
class ArrayChunk(Chunk):
    """Columns that an aggregation reads, and the group of each row: a position in `keys`, or -1.

    Without groups, `keys` has the names of the columns; None for a series.
    """

    columns: tuple[Column, ...]
    codes: Any = None
    keys: Any = None

    def cut(self, rows: Any) -> ArrayChunk:
        """Some of the rows: a slice or a mask."""
        size, times = self._cut_times(rows)
        columns = tuple(column.take(rows) for column in self.columns)
        return ArrayChunk(size, times, columns, None if self.codes is None else self.codes[rows], self.keys)

    def join(self, other: Chunk) -> ArrayChunk:
        """These rows, and below them others."""
        assert isinstance(other, ArrayChunk)
        columns = tuple(Column.join(pair) for pair in zip(self.columns, other.columns, strict=True))  # type: ignore[arg-type]
        codes, keys = None, self.keys
        if self.codes is not None:
            keys, ours, theirs = unite(self.keys, other.keys)
            codes = np.concatenate([_renumber(self.codes, ours), _renumber(other.codes, theirs)])
        return ArrayChunk(self.size + other.size, self._join_times(other), columns, codes, keys)

    def own(self) -> ArrayChunk:
        """The same rows in memory of their own."""
        return replace(self, columns=tuple(column.copy() for column in self.columns))


def _renumber(codes: Any, positions: Any) -> Any:
    # Rows without a group have the code -1, and keep it.
    return codes if positions is None else np.append(positions, -1)[codes]


@dataclass(slots=True)
class FrameChunk(Chunk):
    """Rows of a frame, a series or an index."""

    piece: Any

    def cut(self, rows: Any) -> FrameChunk:
        """Some of the rows: a slice or a mask."""
        size, times = self._cut_times(rows)
        backend = backend_of(self.piece)
        if isinstance(rows, slice):
            start, stop, _ = rows.indices(self.size)
            return FrameChunk(size, times, backend.slice(self.piece, start, stop))
        return FrameChunk(size, times, backend.take(self.piece, rows))

    def join(self, other: Chunk) -> FrameChunk:
        """These rows, and below them others."""
        assert isinstance(other, FrameChunk)
        piece = backend_of(self.piece).concat([self.piece, other.piece])
        return FrameChunk(self.size + other.size, self._join_times(other), piece)
