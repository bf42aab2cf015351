"""The operator :class:`~thalweg.core.shift`."""

from __future__ import annotations

from thalweg import _thalweg
from thalweg.runtime.intervals import check_interval
from thalweg.stream import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from thalweg._types import Interval


@Stream.register_api()
class shift(Stream):
    """Have every element pass one `interval` later than it came.

    Emitters go on.

    Parameters
    ----------
    interval: number or text
        Seconds, or a length of time such as ``"500ms"``.

    Examples
    --------
    >>> from thalweg import Stream, VirtualClock
    >>> clock = VirtualClock()
    >>> source = Stream(loop=clock)
    >>> L = source.shift("1s").sink_to_list()
    >>> source.emit_many(range(3))
    >>> L
    []
    >>> clock.advance("1s")
    >>> L
    [0, 1, 2]
    """

    _graphviz_shape = "octagon"

    def __init__(self, upstream: Stream, interval: Interval, **kwargs: Any) -> None:
        self.interval = check_interval(interval, "shift", "interval")
        super().__init__(upstream, **kwargs)

    def _blueprint(self) -> _thalweg.Blueprint:
        return _thalweg.ops.shift(self.interval)
