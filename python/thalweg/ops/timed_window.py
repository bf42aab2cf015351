"""The operator :class:`~thalweg.core.timed_window`."""

from __future__ import annotations

from thalweg import _thalweg
from thalweg.runtime.intervals import check_interval
from thalweg.stream import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from thalweg._types import Interval


@Stream.register_api()
class timed_window(Stream):
    """Send a list of what has come, every `interval`; an empty one if nothing has.

    Parameters
    ----------
    interval: number or text
        Seconds, or a length of time such as ``"500ms"``.

    Examples
    --------
    >>> from thalweg import Stream, VirtualClock
    >>> clock = VirtualClock()
    >>> source = Stream(loop=clock)
    >>> L = source.timed_window("10s").sink_to_list()
    >>> source.emit_many([1, 2])
    >>> clock.advance("20s")
    >>> L
    [[1, 2], []]
    """

    _graphviz_shape = "octagon"

    def __init__(self, upstream: Stream, interval: Interval, **kwargs: Any) -> None:
        self.interval = check_interval(interval, "timed_window", "interval")
        super().__init__(upstream, **kwargs)

    def _blueprint(self) -> _thalweg.Blueprint:
        return _thalweg.ops.timed_window(self.interval)
