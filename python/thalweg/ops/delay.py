"""The operator :class:`~thalweg.delay`."""

from __future__ import annotations

from thalweg import _thalweg
from thalweg.stream import Stream
from thalweg.stream.live import Kept
from thalweg.stream.timed import Timed
from thalweg.stream.typevars import T


@Stream.register_api()
class delay(Timed[T]):
    """Limit the rate to one element per `interval`; emitters do not wait.

    As in streamz, the first element passes at once; :meth:`shift` moves all elements in time.

    Parameters
    ----------
    interval: number or text
        Seconds, or a duration such as ``"500ms"``.

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

    _operator = staticmethod(_thalweg.ops.delay)

    @property
    def queue(self) -> Kept:
        """The queued elements."""
        return Kept(self)
