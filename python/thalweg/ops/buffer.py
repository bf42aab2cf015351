"""The operator :class:`~thalweg.buffer`."""

from __future__ import annotations

from thalweg import _thalweg
from thalweg.stream import Stream
from thalweg.stream.arguments import check_size
from thalweg.stream.live import Kept, Live
from thalweg.stream.typevars import T

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from thalweg._types import Placement


@Stream.register_api()
class buffer(Stream[T]):
    """Queue up to `n` elements for the nodes downstream; emitters wait only while the queue is full.

    Queued elements continue in the event loop's next iteration.

    Parameters
    ----------
    n: int
        Capacity of the queue, in elements.

    Examples
    --------
    >>> from thalweg import Stream, VirtualClock
    >>> clock = VirtualClock()
    >>> source = Stream(loop=clock)
    >>> L = source.buffer(5).rate_limit("1s").sink_to_list()
    >>> source.emit_many(range(5))
    >>> clock.advance("10s")
    >>> L
    [0, 1, 2, 3, 4]
    """

    _graphviz_shape = "octagon"

    n: Any = Live(check_size)

    def __init__(self, upstream: Stream[T], n: int, **kwargs: Any) -> None:
        self.n = n
        super().__init__(upstream, **kwargs)

    def _build(self, placement: Placement) -> None:
        _thalweg.ops.buffer(placement, self.n)

    @property
    def queue(self) -> Kept:
        """The queued elements."""
        return Kept(self, self.n)
