"""The operator :class:`~thalweg.throttle`."""

from __future__ import annotations

from thalweg import _thalweg
from thalweg.stream import Stream
from thalweg.stream.timed import Timed
from thalweg.stream.typevars import T


@Stream.register_api()
class throttle(Timed[T]):
    """Drop elements that arrive within an `interval` after one that has passed.

    The first element passes at once.

    Parameters
    ----------
    interval: number or text
        Seconds, or a duration such as ``"500ms"``.

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

    _operator = staticmethod(_thalweg.ops.throttle)
