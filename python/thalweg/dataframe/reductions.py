"""Aggregations applied to the batches of a collection: a state for each batch, and the merging of two.

A reduction has four steps. `prepare` reads what it needs from a batch, and checks it. `partial` makes a state of it,
`merge` one of two that follow each other, and `result` what users see. States are never changed.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np

from thalweg.dataframe.backend import Column, backend_of
from thalweg.dataframe.chunk import ArrayChunk, Chunk, FrameChunk
from thalweg.dataframe.keys import number, unite
from thalweg.dataframe.schema import Schema, read_columns

__all__ = ["ColumnReduction", "FrameReduction", "GroupReduction", "GroupState", "Reduction"]


class Reduction(Protocol):
    """How the batches of a collection are aggregated."""

    def prepare(self, batch: Any, times: Any = None, *, is_kept: bool = False) -> Chunk:
        """Read a batch; in memory of its own if a window keeps it."""

    def partial(self, chunk: Any) -> Any:
        """State of some rows."""

    def merge(self, a: Any, b: Any) -> Any:
        """State of rows, and others that came after them."""

    def result(self, state: Any) -> Any:
        """Result of a state."""

    def load(self, start: Any) -> Any:
        """State that a user starts from: one that was sent before, or a result."""


class ColumnReduction:
    """A statistic of each column of a frame, of one of them, or of a series.

    Parameters
    ----------
    statistic
        See `thalweg.dataframe.statistics`.
    example
        A frame or a series.
    names
        The columns to read; None for all.
    is_series
        Whether the result is that of a series: there is a single name.
    """

    def __init__(
        self, statistic: Any, example: Any, names: list[Any] | None = None, *, is_series: bool = False
    ) -> None:
        self.statistic = statistic
        self.schema: Any = Schema(example, names)
        self.backend: Any = backend_of(example)
        self.has_frame_result: bool = self.schema.is_frame and not is_series

    def prepare(self, batch: Any, times: Any = None, *, is_kept: bool = False) -> ArrayChunk:
        """Read a batch."""
        columns = tuple(self.schema.read(batch))
        names = self.schema.read_names(batch) if self.has_frame_result else None
        chunk = ArrayChunk(len(batch), times, columns, keys=names)
        return chunk.own() if is_kept else chunk

    def partial(self, chunk: ArrayChunk) -> Any:
        """State of some rows."""
        states = []
        for column in chunk.columns:
            try:
                states.append(self.statistic.whole(column))
            except TypeError as error:
                if chunk.keys is None:
                    raise
                raise TypeError(f"column {chunk.keys[len(states)]!r}: {error}") from None
        return chunk.keys, tuple(states)

    def merge(self, a: Any, b: Any) -> Any:
        """State of the rows of `a`, and those of `b` after them."""
        combine = self.statistic.combine
        return b[0], tuple([combine(x, y) for x, y in zip(a[1], b[1], strict=True)])

    def result(self, state: Any) -> Any:
        """Result of a state."""
        names, states = state
        values = [self.statistic.finish(one) for one in states]
        if self.has_frame_result:
            return sum(values) if self.statistic.name == "size" else self.backend.row(names, values)
        return self.backend.scalar(values[0])

    def load(self, start: Any) -> Any:
        """State that a user starts from."""
        if start is None or _is_state(start):
            return start
        parts = start if isinstance(start, tuple) else (start,)
        if not self.has_frame_result:
            return None, (parts,)
        rows = [dict(part) for part in parts]
        return self.schema.names, tuple(tuple(row[name] for row in rows) for name in self.schema.names)


def _is_state(start: Any) -> bool:
    return isinstance(start, tuple) and len(start) == 2 and isinstance(start[1], tuple)


class GroupState(NamedTuple):
    """Keys of the groups, and for each column the arrays of its state."""

    keys: Any
    columns: tuple[tuple[Any, ...], ...]


class GroupReduction:
    """A statistic of each group and column.

    Parameters
    ----------
    statistic
        See `thalweg.dataframe.statistics`.
    example
        A frame or a series.
    groupers
        What to group by: names of columns; None stands for one that comes with the batch.
    key_names
        Names of the keys in the result.
    names
        Columns to aggregate; a single name for a series as the result; None for all but the keys.
    """

    def __init__(self, statistic: Any, example: Any, groupers: list[Any], key_names: list[Any], names: Any) -> None:
        self.statistic = statistic
        self.backend: Any = backend_of(example)
        self.groupers: Any = groupers
        self.key_names: Any = key_names
        self._known: Any = None
        #: Keys of the last result, and what the library makes of them.
        self._named: tuple[Any, Any] = (None, None)
        is_frame = self.backend.is_frame(example)
        self.is_size: bool = statistic.name == "size"
        self.has_frame_result: bool = is_frame and not self.is_size and (names is None or isinstance(names, list))
        if not is_frame or self.is_size:
            chosen = None
        elif names is None:
            chosen = [name for name in self.backend.names(example) if name not in groupers]
        else:
            chosen = names if isinstance(names, list) else [names]
        self.schema: Any = None if self.is_size else Schema(example, chosen)
        if self.schema is not None:
            self.names: Any = self.schema.names
        elif not is_frame:
            self.names = [getattr(example, "name", None)]
        else:
            # As in pandas, the size has the name of a column that was picked.
            self.names = [None if isinstance(names, list) else names]

    def prepare(self, batch: Any, times: Any = None, *, is_kept: bool = False) -> ArrayChunk:
        """Read a batch."""
        frame, *others = batch if isinstance(batch, tuple) else (batch,)
        columns = () if self.schema is None else tuple(self.schema.read(frame))
        codes, keys = self._number(frame, others)
        chunk = ArrayChunk(len(frame), times, columns, codes, keys)
        return chunk.own() if is_kept else chunk

    def _number(self, frame: Any, others: list[Any]) -> tuple[Any, Any]:
        arrived = iter(others)
        labels = []
        for grouper in self.groupers:
            if grouper is None:
                piece = next(arrived)
            elif callable(grouper):
                piece = grouper(frame)
            else:
                piece = _key_column(self.backend, frame, grouper)
            labels.append(self.backend.labels(piece))
            if len(piece) != len(frame):
                raise ValueError(f"the batch has {len(frame)} rows, and what it is grouped by {len(piece)}")
        codes, keys = number(labels, self._known)
        # Batches mostly have the same keys, and the same object is merged faster.
        self._known = keys
        return codes, keys

    def partial(self, chunk: ArrayChunk) -> Any:
        """State of some rows."""
        codes, keys, columns = chunk.codes, chunk.keys, chunk.columns
        groups = len(keys)
        if chunk.size and codes.min() < 0:
            # A window counts these rows too, but they belong to no group.
            known = codes >= 0
            codes = codes[known]
            columns = tuple(column.take(known) for column in columns)
        if not self.is_size:
            states = tuple(self.statistic.grouped(column, codes, groups) for column in columns)
        else:
            states = (self.statistic.grouped(Column(codes), codes, groups),)
        rows = states[0][0] if self.is_size else np.bincount(codes, minlength=groups)
        if not rows.all():
            there = np.flatnonzero(rows)
            keys = keys.take(there)
            states = tuple(tuple(array[there] for array in state) for state in states)
        return GroupState(keys, states)

    def merge(self, a: Any, b: Any) -> Any:
        """State of the rows of `a`, and those of `b` after them."""
        combine = self.statistic.combine
        keys, ours, theirs = unite(a.keys, b.keys)
        if ours is None and theirs is None:
            return GroupState(keys, tuple([combine(x, y) for x, y in zip(a.columns, b.columns, strict=True)]))
        size = len(keys)
        columns = tuple(
            [_scatter(combine, x, y, ours, theirs, size) for x, y in zip(a.columns, b.columns, strict=True)]
        )
        return GroupState(keys, columns)

    def result(self, state: Any) -> Any:
        """Result of a state."""
        arrays = [self.statistic.finish(column) for column in state.columns]
        known, named = self._named
        if known is not state.keys:
            named = self.backend.name_keys(state.keys, self.key_names)
            self._named = (state.keys, named)
        return self.backend.grouped(named, self.names, arrays, is_frame=self.has_frame_result)

    def load(self, start: Any) -> Any:
        """State that a user starts from."""
        if start is None or isinstance(start, GroupState):
            return start
        # A result: the values of a single array, by group.
        columns = [start[name] for name in self.names] if self.has_frame_result else [start]
        return GroupState(start.index, tuple((column.to_numpy(),) for column in columns))


def _key_column(backend: Any, frame: Any, name: Any) -> Any:
    if backend.name == "pandas" and name in frame.index.names and name not in frame.columns:
        return frame.index.get_level_values(name)
    return read_columns(frame, [name], ["a column of that name"])[0]


def _scatter(combine: Any, a: Any, b: Any, ours: Any, theirs: Any, size: int) -> tuple[Any, ...]:
    """State of the united groups: combined where both have a group."""
    at_a = np.arange(size) if ours is None else ours
    at_b = np.arange(size) if theirs is None else theirs
    is_ours = np.zeros(size, bool)
    is_ours[at_a] = True
    both = is_ours[at_b]
    found = []
    for x, y in zip(a, b, strict=True):
        dtype = object if object in (x.dtype, y.dtype) else np.result_type(x, y)
        array = np.empty(size, dtype)
        array[at_a] = x
        array[at_b[~both]] = y[~both]
        found.append(array)
    if both.any():
        position = at_b[both]
        merged = combine(tuple(array[position] for array in found), tuple(array[both] for array in b))
        for array, values in zip(found, merged, strict=True):
            array[position] = values
    return tuple(found)


class FrameReduction:
    """An aggregation of a user's, which reads frames."""

    def __init__(self, aggregation: Any, example: Any) -> None:
        self.aggregation = aggregation
        self.example = example

    def prepare(self, batch: Any, times: Any = None, *, is_kept: bool = False) -> FrameChunk:
        """Read a batch."""
        return FrameChunk(len(batch), times, backend_of(batch).protect(batch) if is_kept else batch)

    def partial(self, chunk: FrameChunk) -> Any:
        """State of some rows."""
        return self.aggregation.partial(chunk.piece)

    def merge(self, a: Any, b: Any) -> Any:
        """State of the rows of `a`, and those of `b` after them."""
        return self.aggregation.merge(a, b)

    def result(self, state: Any) -> Any:
        """Result of a state."""
        return self.aggregation.result(state)

    def load(self, start: Any) -> Any:
        """State that a user starts from."""
        return start
