"""The operator :class:`~thalweg.zip_latest`."""

from __future__ import annotations

from thalweg import _thalweg
from thalweg.stream import Stream
from thalweg.stream.arguments import check_streams
from thalweg.stream.live import waiting
from thalweg.stream.typevars import R, T, U

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, overload

    from thalweg._types import Placement


@Stream.register_api()
class zip_latest(Stream[R]):
    """Combine every element of one stream with the latest ones of others.

    Elements of the first stream wait until each of the others has had one; none is lost.

    Parameters
    ----------
    lossless: Stream
        The stream whose elements are all emitted.
    *upstreams: Stream
    first: bool or Stream
        Whether this node receives elements before the other downstreams of its upstreams.

    Examples
    --------
    >>> from thalweg import Stream
    >>> a, b = Stream(), Stream()
    >>> L = a.zip_latest(b).sink_to_list()
    >>> a.emit_many([1, 2])
    >>> b.emit("x")
    >>> b.emit("y")
    >>> a.emit(3)
    >>> L
    [(1, 'x'), (2, 'x'), (3, 'y')]

    See Also
    --------
    combine_latest, zip
    """

    _graphviz_orientation = 270
    _graphviz_shape = "triangle"

    if TYPE_CHECKING:

        @overload
        def __init__(
            self: zip_latest[tuple[T, U]],
            lossless: Stream[T],
            other: Stream[U],
            /,
            *,
            first: bool | Stream[Any] | None = None,
            **kwargs: Any,
        ) -> None: ...

        @overload
        def __init__(
            self: zip_latest[tuple[Any, ...]],
            lossless: Stream[Any],
            *upstreams: Stream[Any],
            first: bool | Stream[Any] | None = None,
            **kwargs: Any,
        ) -> None: ...

    def __init__(self, lossless: Stream, *upstreams: Stream, first: bool | Stream | None = None, **kwargs: Any) -> None:  # type: ignore[misc]
        check_streams((lossless,), "zip_latest", "lossless")
        check_streams(upstreams, "zip_latest")
        self.lossless = lossless
        super().__init__(upstreams=(lossless, *upstreams), **kwargs)
        if first:
            self._move_to_first(None if first is True else first)

    def _build(self, placement: Placement) -> None:
        _thalweg.ops.zip_latest(placement)

    @property
    def lossless_buffer(self) -> list[Any]:
        """The elements of the lossless stream that wait for the others."""
        return waiting(self)[0]

    @property
    def last(self) -> list[Any]:
        """The latest element of each upstream; None for upstreams without elements so far."""
        return [elements[-1] if elements else None for elements in waiting(self)]

    @property
    def missing(self) -> set[Stream]:
        """The upstreams, except the lossless one, without elements so far."""
        others = zip(self.upstreams[1:], waiting(self)[1:], strict=True)
        return {upstream for upstream, elements in others if not elements}
