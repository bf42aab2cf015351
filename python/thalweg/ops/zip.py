"""The operator :class:`~thalweg.zip`."""

from __future__ import annotations

import builtins

from thalweg import _thalweg
from thalweg.stream import Stream
from thalweg.stream.arguments import check_size
from thalweg.stream.live import Live, waiting
from thalweg.stream.typevars import R, T, U

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, overload

    from thalweg._types import Placement
    from thalweg.stream.compiled import Code


@Stream.register_api()
class zip(Stream[R]):
    """Combine streams into a stream of tuples: the first elements, then the second ones, and so on.

    Parameters
    ----------
    *upstreams:
        Streams; other values are constants in every tuple.
    maxsize: int
        Number of elements of a stream that wait for the others before its emitters wait; without an event loop emitters
        never wait.
    first: bool or Stream
        Whether this node receives elements before the other downstreams of its upstreams; or of which upstreams.

    Examples
    --------
    >>> from thalweg import Stream
    >>> a, b = Stream(), Stream()
    >>> L = a.zip(b).sink_to_list()
    >>> a.emit_many([1, 2])
    >>> b.emit("a")
    >>> L
    [(1, 'a')]

    See Also
    --------
    combine_latest, zip_latest
    """

    _takes_literals = True
    _graphviz_orientation = 270
    _graphviz_shape = "triangle"

    maxsize: Any = Live(check_size)

    if TYPE_CHECKING:

        @overload
        def __init__(
            self: zip[tuple[T, U]],
            one: Stream[T],
            other: Stream[U],
            /,
            *,
            maxsize: int = 10,
            first: bool | Stream[Any] | None = None,
            **kwargs: Any,
        ) -> None: ...

        @overload
        def __init__(
            self: zip[tuple[Any, ...]],
            *upstreams: Any,
            maxsize: int = 10,
            first: bool | Stream[Any] | None = None,
            **kwargs: Any,
        ) -> None: ...

    def __init__(self, *upstreams: Any, maxsize: int = 10, first: bool | Stream | None = None, **kwargs: Any) -> None:  # type: ignore[misc]
        self.maxsize = maxsize
        if not any(isinstance(upstream, Stream) for upstream in upstreams):
            raise ValueError("zip: at least one of what is joined has to be a stream")
        #: The constants, with their positions.
        self.literals: list[tuple[int, Any]] = [
            (place, one) for place, one in enumerate(upstreams) if not isinstance(one, Stream)
        ]
        #: Not empty if elements of the upstreams do not come together.
        self._unevenness: list[bool] = []
        super().__init__(upstreams=upstreams, **kwargs)
        if first:
            self._move_to_first(None if first is True else first)

    def _build(self, placement: Placement) -> None:
        _thalweg.ops.zip(placement, self.maxsize)

    def _written(self, code: Code) -> bool | str:
        if self._unevenness:
            return "its upstreams do not have their elements at the same time"
        # Constants keep their places among the others when upstreams come and go.
        lanes = self._lanes()
        if sum(lane is not None for lane in lanes) != len(self.upstreams):
            return "its upstreams are changing"
        upstreams, literals = iter(range(len(self.upstreams))), iter(self.literals)
        parts = [code.name("c", next(literals)[1]) if lane is None else f"{{{next(upstreams)}}}" for lane in lanes]
        return code.joins(f"({', '.join(parts)},)", self._unevenness)

    @property
    def buffers(self) -> dict[Stream, list[Any]]:
        """The waiting elements, by upstream.

        Functions of the pipeline see none while this node emits, nor once they have changed its upstreams: that takes
        effect after the current element.
        """
        lanes = waiting(self)
        if len(lanes) != len(self.upstreams):
            lanes = [[] for _ in self.upstreams]
        return dict(builtins.zip(self.upstreams, lanes, strict=True))
