"""The operator :class:`~thalweg.core.rate_limit`."""

from __future__ import annotations

from thalweg import _thalweg
from thalweg.runtime.intervals import check_interval
from thalweg.stream import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from thalweg._types import Interval


@Stream.register_api()
class rate_limit(Stream):
    """Limit the flow of elements: one per `interval`; emitters wait.

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
    >>> L = source.rate_limit("1s").sink_to_list()
    >>> for x in range(3):
    ...     source.emit(x)
    >>> L, clock.time()
    ([0, 1, 2], 2.0)
    """

    _graphviz_shape = "octagon"

    def __init__(self, upstream: Stream, interval: Interval, **kwargs: Any) -> None:
        self.interval = check_interval(interval, "rate_limit", "interval")
        super().__init__(upstream, **kwargs)

    def _blueprint(self) -> _thalweg.Blueprint:
        return _thalweg.ops.rate_limit(self.interval)
