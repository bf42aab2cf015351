"""The operator :class:`~thalweg.combine_latest`."""

from __future__ import annotations

from thalweg import _thalweg
from thalweg.stream import Stream
from thalweg.stream.arguments import check_streams
from thalweg.stream.live import waiting
from thalweg.stream.typevars import R, T, U

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, overload

    from thalweg._types import Placement


@Stream.register_api()
class combine_latest(Stream[R]):
    """Combine streams into a stream of tuples of the most recent element of each.

    A tuple is emitted for every element, once every stream has had one.

    Parameters
    ----------
    *upstreams: Stream
    emit_on: Stream, int, or a list of them
        Emit only for elements of these streams; an int is an index of the upstreams.
    first: bool or Stream
        Whether this node receives elements before the other downstreams of its upstreams.

    Examples
    --------
    >>> from thalweg import Stream
    >>> a, b = Stream(), Stream()
    >>> L = a.combine_latest(b, emit_on=a).sink_to_list()
    >>> b.emit("x")
    >>> a.emit(1)
    >>> b.emit("y")
    >>> a.emit(2)
    >>> L
    [(1, 'x'), (2, 'y')]

    See Also
    --------
    zip, zip_latest
    """

    _graphviz_orientation = 270
    _graphviz_shape = "triangle"

    if TYPE_CHECKING:

        @overload
        def __init__(
            self: combine_latest[tuple[T, U]],
            one: Stream[T],
            other: Stream[U],
            /,
            *,
            emit_on: int | Stream[Any] | Iterable[int | Stream[Any]] | None = None,
            first: bool | Stream[Any] | None = None,
            **kwargs: Any,
        ) -> None: ...

        @overload
        def __init__(
            self: combine_latest[tuple[Any, ...]],
            *upstreams: Stream[Any],
            emit_on: int | Stream[Any] | Iterable[int | Stream[Any]] | None = None,
            first: bool | Stream[Any] | None = None,
            **kwargs: Any,
        ) -> None: ...

    def __init__(  # type: ignore[misc]
        self,
        *upstreams: Stream,
        emit_on: int | Stream | Iterable[int | Stream] | None = None,
        first: bool | Stream | None = None,
        **kwargs: Any,
    ) -> None:
        if not upstreams:
            raise ValueError("combine_latest: there is nothing to combine")
        check_streams(upstreams, "combine_latest")
        self._places = None if emit_on is None else _places(emit_on, upstreams)
        super().__init__(upstreams=upstreams, **kwargs)
        if first:
            self._move_to_first(None if first is True else first)

    def _build(self, placement: Placement) -> None:
        _thalweg.ops.combine_latest(placement, self._places)

    @property
    def emit_on(self) -> tuple[Stream, ...]:
        """The streams whose elements cause an emission; assignment takes effect from the next element on."""
        upstreams = self.upstreams
        return tuple(upstreams if self._places is None else [upstreams[place] for place in self._places])

    @emit_on.setter
    def emit_on(self, emit_on: int | Stream | Iterable[int | Stream] | None) -> None:
        before = self._places
        self._places = None if emit_on is None else _places(emit_on, tuple(self.upstreams))
        try:
            self._build((self, True))
        except BaseException:
            self._places = before
            raise

    @property
    def last(self) -> list[Any]:
        """The latest element of each upstream; None for upstreams without elements so far."""
        return [elements[-1] if elements else None for elements in waiting(self)]

    @property
    def missing(self) -> set[Stream]:
        """The upstreams without elements so far."""
        return {upstream for upstream, elements in zip(self.upstreams, waiting(self), strict=True) if not elements}


def _places(emit_on: int | Stream | Iterable[int | Stream], upstreams: tuple[Stream, ...]) -> list[int]:
    """The indices of the streams whose elements cause an emission."""
    chosen: Any = emit_on if hasattr(emit_on, "__iter__") else (emit_on,)
    from operator import index

    places = []
    for one in chosen:
        if hasattr(type(one), "__index__"):
            one = index(one)
            if not -len(upstreams) <= one < len(upstreams):
                raise ValueError(f"combine_latest: `emit_on`: there is no upstream {one}")
            one = upstreams[one]
        check_streams((one,), "combine_latest", "emit_on")
        same = [place for place, upstream in enumerate(upstreams) if upstream is one]
        if not same:
            raise ValueError(f"combine_latest: `emit_on` names {one}, which is not combined")
        places.extend(same)
    return places
