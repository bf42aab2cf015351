"""The operator :class:`~thalweg.latest`."""

from __future__ import annotations

from thalweg import _thalweg
from thalweg.stream import Stream
from thalweg.stream.live import Kept
from thalweg.stream.typevars import T

TYPE_CHECKING = False
if TYPE_CHECKING:
    from thalweg._types import Placement


@Stream.register_api()
class latest(Stream[T]):
    """Keep only the newest element while downstream is busy; older ones are dropped.

    Elements continue in the event loop's next iteration.

    Examples
    --------
    >>> from thalweg import Stream, VirtualClock
    >>> clock = VirtualClock()
    >>> source = Stream(loop=clock)
    >>> L = source.latest().rate_limit("1s").sink_to_list()
    >>> source.emit_many(range(5))
    >>> clock.advance("10s")
    >>> L
    [4]
    """

    _graphviz_shape = "octagon"

    def _build(self, placement: Placement) -> None:
        _thalweg.ops.latest(placement)

    @property
    def next(self) -> Kept:
        """The queued element, if there is one."""
        return Kept(self, 1)
