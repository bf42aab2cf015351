"""The operator :class:`~thalweg.rate_limit`."""

from __future__ import annotations

from thalweg import _thalweg
from thalweg.stream import Stream
from thalweg.stream.timed import Timed
from thalweg.stream.typevars import T


@Stream.register_api()
class rate_limit(Timed[T]):
    """Limit the rate to one element per `interval`; emitters wait.

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
    >>> L = source.rate_limit("1s").sink_to_list()
    >>> for x in range(3):
    ...     source.emit(x)
    >>> L, clock.time()
    ([0, 1, 2], 2.0)
    """

    _operator = staticmethod(_thalweg.ops.rate_limit)
