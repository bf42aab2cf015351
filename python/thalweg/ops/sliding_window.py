"""The operator :class:`~thalweg.sliding_window`."""

from __future__ import annotations

from thalweg import _thalweg
from thalweg.stream import Stream
from thalweg.stream.arguments import check_count
from thalweg.stream.live import Live
from thalweg.stream.typevars import T

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from thalweg._types import Placement


@Stream.register_api()
class sliding_window(Stream[tuple[T, ...]]):
    """For every element, emit a tuple of the last `n` elements.

    Parameters
    ----------
    n: int
        The size.
    return_partial: bool
        Whether to emit shorter tuples at the beginning.

    Examples
    --------
    >>> from thalweg import Stream
    >>> source = Stream()
    >>> L = source.sliding_window(3, return_partial=False).sink_to_list()
    >>> source.emit_many(range(5))
    >>> L
    [(0, 1, 2), (1, 2, 3), (2, 3, 4)]
    """

    _graphviz_shape = "diamond"

    n: Any = Live(check_count)
    partial: Any = Live()

    def __init__(self, upstream: Stream[T], n: int, return_partial: bool = True, **kwargs: Any) -> None:
        self.n = n
        self.partial = return_partial
        super().__init__(upstream, **kwargs)

    def _build(self, placement: Placement) -> None:
        _thalweg.ops.sliding_window(placement, self.n, bool(self.partial))
