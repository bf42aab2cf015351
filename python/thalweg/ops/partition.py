"""The operator :class:`~thalweg.partition`."""

from __future__ import annotations

from thalweg import _thalweg
from thalweg.runtime.intervals import check_interval
from thalweg.stream import Stream
from thalweg.stream.arguments import check_count, check_key
from thalweg.stream.live import Live
from thalweg.stream.typevars import T

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from thalweg._types import Interval, Placement


def _check_timeout(timeout: Interval | None, operator: str, argument: str) -> float | None:
    return None if timeout is None else check_interval(timeout, operator, argument.strip("_"))


@Stream.register_api()
class partition(Stream[tuple[T, ...]]):
    """Group elements into tuples of equal size.

    Parameters
    ----------
    n: int
        The size.
    timeout: number or text
        A tuple is emitted after this time, in seconds or as text, even if it is not full; counted from its first
        element.
    key: hashable or callable
        Group elements with the same ``key(x)``, or ``x[key]``.
    on_error:
        See :class:`~thalweg.Stream`; for `key`.

    Examples
    --------
    >>> from thalweg import Stream
    >>> source = Stream()
    >>> L = source.partition(2, key=lambda x: x % 2).sink_to_list()
    >>> source.emit_many(range(5))
    >>> source.drain()
    >>> L
    [(0, 2), (1, 3), (4,)]
    """

    _graphviz_shape = "diamond"

    n: Any = Live(check_count)
    _timeout: Any = Live(_check_timeout)
    _key: Any = Live(check_key)

    def __init__(
        self, upstream: Stream[T], n: int, timeout: Interval | None = None, key: Any = None, **kwargs: Any
    ) -> None:
        self.n = n
        self._timeout = timeout
        self._key = key
        super().__init__(upstream, **kwargs)

    def _build(self, placement: Placement) -> None:
        _thalweg.ops.partition(placement, self.n, self._timeout, self._key)
