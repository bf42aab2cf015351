"""The operator :class:`~thalweg.core.throttle`."""

from __future__ import annotations

from thalweg import _thalweg
from thalweg.runtime.intervals import check_interval
from thalweg.stream import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from thalweg._types import Interval


@Stream.register_api()
class throttle(Stream):
    """Drop elements that come within an `interval` after one that has passed.

    The first passes at once.

    Parameters
    ----------
    interval: number or text
        Seconds, or a length of time such as ``"500ms"``.

    Examples
    --------
    >>> from thalweg import Stream, VirtualClock
    >>> clock = VirtualClock()
    >>> source = Stream(loop=clock)
    >>> L = source.throttle("1s").sink_to_list()
    >>> source.emit_many([1, 2])
    >>> clock.advance("1s")
    >>> source.emit(3)
    >>> L
    [1, 3]
    """

    _graphviz_shape = "octagon"

    def __init__(self, upstream: Stream, interval: Interval, **kwargs: Any) -> None:
        self.interval = check_interval(interval, "throttle", "interval")
        super().__init__(upstream, **kwargs)

    def _blueprint(self) -> _thalweg.Blueprint:
        return _thalweg.ops.throttle(self.interval)
