"""The operator :class:`~thalweg.shift`."""

from __future__ import annotations

from thalweg import _thalweg
from thalweg.stream import Stream
from thalweg.stream.timed import Timed
from thalweg.stream.typevars import T


@Stream.register_api()
class shift(Timed[T]):
    """Emit every element one `interval` after it arrived.

    Emitters go on.

    Parameters
    ----------
    interval: number or text
        Seconds, or a duration such as ``"500ms"``.

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

    _operator = staticmethod(_thalweg.ops.shift)
