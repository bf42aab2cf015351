"""Aggregations over everything so far, and over sliding windows, one batch after another.

A window is a queue of chunks in two parts. Each chunk of the front has the state of itself and all behind it in the
front; the back has one state for all of it. So the state of the window is that of the oldest chunk merged with that of
the back, whatever the length of the window. When the front is used up, the back becomes the front.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from thalweg.dataframe.backend import backend_of
from thalweg.dataframe.chunk import Chunk
from thalweg.dataframe.reductions import Reduction

__all__ = ["Expanding", "LastRows", "LastValues", "WindowState"]

#: Rows up to which chunks are joined, so that many small batches cost little.
_JOINED = 1024
#: Rows of the smallest piece that a chunk is cut into when some of it leaves the window.
_SMALLEST = 64


class _Step:
    """What `accumulate` calls with the state and a batch; it returns the next state and the result.

    On an engine it is two: `prepare` for several batches at a time, and `advance` for one after the other.
    """

    def __init__(self, reduction: Reduction) -> None:
        self.reduction = reduction

    def __call__(self, state: Any, batch: Any) -> tuple[Any, Any]:
        """Add a batch: the next state, and the result."""
        with np.errstate(all="ignore"):
            return self._advance(state, *self._prepare(batch))

    def prepare(self, batch: Any) -> tuple[Any, Any]:
        """Read a batch, and make the state of its rows. It needs nothing of what came before."""
        with np.errstate(all="ignore"):
            return self._prepare(batch)

    def advance(self, state: Any, prepared: tuple[Any, Any]) -> tuple[Any, Any]:
        """Add a batch that was prepared: the next state, and the result."""
        with np.errstate(all="ignore"):
            return self._advance(state, *prepared)

    def load(self, start: Any) -> Any:
        """State that a user starts from."""
        return start

    def _prepare(self, batch: Any) -> tuple[Any, Any]:
        raise NotImplementedError

    def _advance(self, state: Any, read: Any, partial: Any) -> tuple[Any, Any]:
        raise NotImplementedError


class Expanding(_Step):
    """An aggregation over everything so far."""

    def load(self, start: Any) -> Any:
        """State that a user starts from: one that was sent before, or a result."""
        return self.reduction.load(start)

    def _prepare(self, batch: Any) -> tuple[int, Any]:
        chunk = self.reduction.prepare(batch)
        return chunk.size, self.reduction.partial(chunk)

    def _advance(self, state: Any, read: int, partial: Any) -> tuple[Any, Any]:
        if not read:
            # The types of an empty batch say nothing about those to come.
            return state, self.reduction.result(partial if state is None else state)
        state = partial if state is None else self.reduction.merge(state, partial)
        return state, self.reduction.result(state)


class WindowState(NamedTuple):
    """What a sliding window holds. It never changes: the next batch makes another."""

    #: Chunks, the oldest last, each with its state, and that of itself and all that are newer in the front.
    front: tuple[tuple[Chunk, Any, Any], ...] = ()
    #: Newer chunks, the newest last, each with its state.
    back: tuple[tuple[Chunk, Any], ...] = ()
    #: State of the back; None if it is empty.
    total: Any = None
    rows: int = 0
    #: Largest position on the axis so far.
    latest: Any = None
    #: Whether all positions are in ascending order.
    is_sorted: bool = True


class _Window(_Step):
    """Common base of the two kinds of windows."""

    def _prepare(self, batch: Any) -> tuple[Chunk, Any]:
        chunk = self._bound(self.reduction.prepare(batch, self._times(batch), is_kept=True))
        return chunk, self.reduction.partial(chunk)

    def _advance(self, state: WindowState | None, read: Chunk, partial: Any) -> tuple[WindowState, Any]:
        state = WindowState() if state is None else state
        if read.size:
            state = self._slide(state, read, partial)
        found = self._merge(state.front[-1][2] if state.front else None, state.total)
        return state, self.reduction.result(partial if found is None else found)

    def _times(self, batch: Any) -> Any:
        return None

    def _bound(self, chunk: Chunk) -> Chunk:
        return chunk

    def _slide(self, state: WindowState, chunk: Chunk, partial: Any) -> WindowState:
        raise NotImplementedError

    def _merge(self, a: Any, b: Any) -> Any:
        if a is None or b is None:
            return b if a is None else a
        return self.reduction.merge(a, b)

    def _push(self, state: WindowState, chunk: Chunk, partial: Any) -> WindowState:
        back, rows, total = state.back, state.rows + chunk.size, self._merge(state.total, partial)
        while back and back[-1][0].size <= min(2 * chunk.size, _JOINED - chunk.size):
            older, before = back[-1]
            chunk, partial, back = older.join(chunk), self._merge(before, partial), back[:-1]
        return state._replace(back=(*back, (chunk, partial)), total=total, rows=rows)

    def _flip(self, state: WindowState) -> WindowState:
        """Make the back the front."""
        front: list[tuple[Chunk, Any, Any]] = []
        with_newer = None
        for chunk, partial in reversed(state.back):
            with_newer = self._merge(partial, with_newer)
            front.append((chunk, partial, with_newer))
        return state._replace(front=tuple(front), back=(), total=None)

    def _shorten(self, state: WindowState, rest: Chunk, step: int) -> WindowState:
        """Replace the oldest chunk by what is left of it; `step` is how many rows leave at a time."""
        front = list(state.front)
        before = front.pop()[0].size
        # Small pieces first: the next rows to leave cost no more than they are.
        start, size, pieces = 0, max(_SMALLEST, step), []
        while start < rest.size:
            stop = rest.size if rest.size - start < 2 * size else start + size
            pieces.append(rest.cut(slice(start, stop)))
            start, size = stop, 2 * size
        for piece in reversed(pieces):
            newer = front[-1][2] if front else None
            partial = self.reduction.partial(piece)
            front.append((piece, partial, self._merge(partial, newer)))
        return state._replace(front=tuple(front), rows=state.rows - before + rest.size)

    def _drop(self, state: WindowState) -> WindowState:
        """Drop the oldest chunk."""
        return state._replace(front=state.front[:-1], rows=state.rows - state.front[-1][0].size)


class LastRows(_Window):
    """An aggregation over the last `n` rows."""

    def __init__(self, reduction: Reduction, n: int) -> None:
        super().__init__(reduction)
        self.n = n

    def _bound(self, chunk: Chunk) -> Chunk:
        return chunk if chunk.size <= self.n else chunk.cut(slice(chunk.size - self.n, chunk.size))

    def _slide(self, state: WindowState, chunk: Chunk, partial: Any) -> WindowState:
        state = self._push(state, chunk, partial)
        while (excess := state.rows - self.n) > 0:
            if not state.front:
                state = self._flip(state)
            oldest = state.front[-1][0]
            if oldest.size <= excess:
                state = self._drop(state)
            else:
                state = self._shorten(state, oldest.cut(slice(excess, oldest.size)), chunk.size)
        return state


class LastValues(_Window):
    """An aggregation over the rows less than `value` behind the latest, by their index or a column."""

    def __init__(self, reduction: Reduction, value: Any, backend: Any, on: Any = None) -> None:
        super().__init__(reduction)
        self.value: Any = value
        self.backend: Any = backend
        self.on: Any = on
        self._width = value.to_timedelta64() if isinstance(value, pd.Timedelta) else value

    def _times(self, batch: Any) -> Any:
        piece = batch[0] if isinstance(batch, tuple) else batch
        times = self.backend.times(piece, self.on)
        expected = "M" if isinstance(self.value, pd.Timedelta) else "iuf"
        if len(times) and times.dtype.kind not in expected:
            from thalweg.dataframe.schema import SchemaError

            kind = "times" if expected == "M" else "numbers"
            raise SchemaError("index" if self.on is None else self.on, kind, str(times.dtype))
        return times

    def _bound(self, chunk: Chunk) -> Chunk:
        there = chunk.times == chunk.times
        if not there.all():
            chunk = chunk.cut(there)
        if not chunk.size:
            return chunk
        return self._newer(chunk, chunk.times.max() - self._width)

    def _newer(self, chunk: Chunk, threshold: Any) -> Chunk:
        mask = chunk.times > threshold
        return chunk if mask.all() else chunk.cut(mask)

    def _slide(self, state: WindowState, chunk: Chunk, partial: Any) -> WindowState:
        latest = chunk.times.max()
        if state.latest is not None and state.latest > latest:
            latest = state.latest
            on_time = self._newer(chunk, latest - self._width)
            if not on_time.size:
                return state
            if on_time is not chunk:
                chunk, partial = on_time, self.reduction.partial(on_time)
        follows = state.latest is None or chunk.times[0] >= state.latest
        is_sorted = state.is_sorted and follows and _ascends(chunk.times)
        state = self._push(state, chunk, partial)._replace(latest=latest, is_sorted=is_sorted)
        threshold = latest - self._width
        return self._evict(state, threshold, chunk.size) if is_sorted else self._sweep(state, threshold)

    def _evict(self, state: WindowState, threshold: Any, step: int) -> WindowState:
        """Drop rows from the old end, as long as they are too old."""
        while True:
            if not state.front:
                if not state.back or state.back[0][0].times[0] > threshold:
                    return state
                state = self._flip(state)
            oldest = state.front[-1][0]
            rest = self._newer(oldest, threshold)
            if rest is oldest:
                return state
            state = self._shorten(state, rest, step) if rest.size else self._drop(state)

    def _sweep(self, state: WindowState, threshold: Any) -> WindowState:
        """Drop rows that are too old wherever they are, which unsorted ones may be."""
        chunks = [(chunk, partial) for chunk, partial, _ in reversed(state.front)] + list(state.back)
        result = WindowState(latest=state.latest)
        before = None
        for chunk, partial in chunks:
            rest = self._newer(chunk, threshold)
            if not rest.size:
                continue
            follows = before is None or rest.times[0] >= before
            before = rest.times[-1]
            result = result._replace(is_sorted=result.is_sorted and follows and _ascends(rest.times))
            result = self._push(result, rest, partial if rest is chunk else self.reduction.partial(rest))
        return result


def _ascends(times: Any) -> bool:
    return bool((times[1:] >= times[:-1]).all())


def make_step(reduction: Any, example: Any, n: int | None, value: Any, on: Any) -> Any:
    """What `accumulate` calls for a window of `n` rows, or of those less than `value` behind the latest."""
    if n is not None:
        return LastRows(reduction, n)
    return LastValues(reduction, value, backend_of(example), on)
