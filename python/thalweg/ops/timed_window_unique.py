"""The operator :class:`~thalweg.timed_window_unique`."""

from __future__ import annotations

from thalweg import _thalweg
from thalweg.runtime.intervals import check_interval
from thalweg.stream import Stream, identity
from thalweg.stream.live import Live
from thalweg.stream.typevars import T
from thalweg.stream.unique_window import UniqueWindow

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from thalweg._types import Interval, Keep, Placement


@Stream.register_api()
class timed_window_unique(UniqueWindow[tuple[T, ...]]):
    """Every `interval`, emit a tuple of the elements that have arrived, one per key; it may be empty.

    Parameters
    ----------
    interval: number or text
        Seconds, or a duration such as ``"500ms"``.
    key: hashable or callable
        An element's key is ``key(x)``, or ``x[key]``; by default the element itself.
    keep: "first" or "last"
        Which of several elements with the same key is kept.
    on_error:
        See :class:`~thalweg.Stream`; for `key`.

    Examples
    --------
    >>> from thalweg import Stream, VirtualClock
    >>> clock = VirtualClock()
    >>> source = Stream(loop=clock)
    >>> L = source.timed_window_unique("10s").sink_to_list()
    >>> source.emit_many([1, 2, 1])
    >>> clock.advance("10s")
    >>> L
    [(1, 2)]
    """

    _graphviz_shape = "octagon"

    interval: Any = Live(check_interval)

    def __init__(
        self, upstream: Stream[T], interval: Interval, key: Any = identity, keep: Keep = "first", **kwargs: Any
    ) -> None:
        self.interval = interval
        super().__init__(upstream, key, keep, **kwargs)

    def _build(self, placement: Placement) -> None:
        _thalweg.ops.timed_window_unique(placement, self.interval, self._key_of, self.keep)
