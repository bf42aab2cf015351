"""The operator :class:`~thalweg.partition_unique`."""

from __future__ import annotations

from thalweg import _thalweg
from thalweg.stream import Stream, identity
from thalweg.stream.arguments import check_count
from thalweg.stream.live import Live
from thalweg.stream.typevars import T
from thalweg.stream.unique_window import UniqueWindow

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from thalweg._types import Keep, Placement


@Stream.register_api()
class partition_unique(UniqueWindow[tuple[T, ...]]):
    """Group elements into tuples of `n` elements with different keys.

    Parameters
    ----------
    n: int
        The size.
    key: hashable or callable
        An element's key is ``key(x)``, or ``x[key]``; by default the element itself.
    keep: "first" or "last"
        Which of several elements with the same key is kept; the last one takes its own position, not that of the first.
    on_error:
        See :class:`~thalweg.Stream`; for `key`.

    Examples
    --------
    >>> from thalweg import Stream
    >>> source = Stream()
    >>> L = source.partition_unique(3, keep="last").sink_to_list()
    >>> source.emit_many([1, 2, 1, 3, 1, 3, 3, 2])
    >>> L
    [(2, 1, 3), (1, 3, 2)]
    """

    _graphviz_shape = "diamond"

    n: Any = Live(check_count)

    def __init__(self, upstream: Stream[T], n: int, key: Any = identity, keep: Keep = "first", **kwargs: Any) -> None:
        self.n = n
        super().__init__(upstream, key, keep, **kwargs)

    def _build(self, placement: Placement) -> None:
        _thalweg.ops.partition_unique(placement, self.n, self._key_of, self.keep)
