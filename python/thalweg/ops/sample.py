"""The operator :class:`~thalweg.sample`."""

from __future__ import annotations

from thalweg import _thalweg
from thalweg.stream import Stream
from thalweg.stream.timed import Timed
from thalweg.stream.typevars import T


@Stream.register_api()
class sample(Timed[T]):
    """Emit the newest element every `interval`.

    Nothing is emitted for an interval without elements.

    Parameters
    ----------
    interval: number or text
        Seconds, or a duration such as ``"500ms"``.

    Examples
    --------
    >>> from thalweg import Stream, VirtualClock
    >>> clock = VirtualClock()
    >>> source = Stream(loop=clock)
    >>> L = source.sample("1s").sink_to_list()
    >>> source.emit_many([1, 2])
    >>> clock.advance("3s")
    >>> L
    [2]
    """

    _operator = staticmethod(_thalweg.ops.sample)
