"""The operator :class:`~thalweg.debounce`."""

from __future__ import annotations

from thalweg import _thalweg
from thalweg.stream import Stream
from thalweg.stream.timed import Timed
from thalweg.stream.typevars import T


@Stream.register_api()
class debounce(Timed[T]):
    """Emit an element once no other has followed it for an `interval`.

    All others are dropped.

    Parameters
    ----------
    interval: number or text
        Seconds, or a duration such as ``"500ms"``.

    Examples
    --------
    >>> from thalweg import Stream, VirtualClock
    >>> clock = VirtualClock()
    >>> source = Stream(loop=clock)
    >>> L = source.debounce("1s").sink_to_list()
    >>> source.emit_many(range(3))
    >>> clock.advance("1s")
    >>> L
    [2]
    """

    _operator = staticmethod(_thalweg.ops.debounce)
