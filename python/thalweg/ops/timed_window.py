"""The operator :class:`~thalweg.timed_window`."""

from __future__ import annotations

from thalweg import _thalweg
from thalweg.stream import Stream
from thalweg.stream.timed import Timed
from thalweg.stream.typevars import T


@Stream.register_api()
class timed_window(Timed[list[T]]):
    """Every `interval`, emit a list of the elements that have arrived; it may be empty.

    Parameters
    ----------
    interval: number or text
        Seconds, or a duration such as ``"500ms"``.

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

    _operator = staticmethod(_thalweg.ops.timed_window)
