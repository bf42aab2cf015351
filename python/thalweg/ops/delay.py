"""The operator :class:`~thalweg.core.delay`."""

from __future__ import annotations

from thalweg import _thalweg
from thalweg.runtime.intervals import check_interval
from thalweg.stream import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from thalweg._types import Interval


@Stream.register_api()
class delay(Stream):
    """Limit the flow of elements: one per `interval`; emitters go on.

    As in streamz, the first passes at once; :meth:`shift` moves all of them in time.

    Parameters
    ----------
    interval: number or text
        Seconds, or a length of time such as ``"500ms"``.

    Examples
    --------
    >>> from thalweg import Stream, VirtualClock
    >>> clock = VirtualClock()
    >>> source = Stream(loop=clock)
    >>> L = source.delay("1s").sink_to_list()
    >>> source.emit_many(range(3))
    >>> clock.advance("1s")
    >>> L
    [0, 1]
    """

    _graphviz_shape = "octagon"

    def __init__(self, upstream: Stream, interval: Interval, **kwargs: Any) -> None:
        self.interval = check_interval(interval, "delay", "interval")
        super().__init__(upstream, **kwargs)

    def _blueprint(self) -> _thalweg.Blueprint:
        return _thalweg.ops.delay(self.interval)
