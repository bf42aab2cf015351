"""The operator :class:`~thalweg.collect`."""

from __future__ import annotations

from thalweg import _thalweg
from thalweg.stream import Stream
from thalweg.stream.live import Kept
from thalweg.stream.typevars import T

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections import deque
    from typing import Any

    from thalweg._types import Placement


@Stream.register_api()
class collect(Stream[tuple[T, ...]]):
    """Keep elements, and emit them as a tuple when flushed.

    Parameters
    ----------
    cache:
        A ``deque`` whose ``maxlen`` limits the number of elements kept, the newest; unlimited by default.
    metadata_cache:
        Accepted for compatibility with streamz; metadata is kept with the elements.

    Examples
    --------
    >>> from thalweg import Stream
    >>> source, trigger = Stream(), Stream()
    >>> collector = source.collect()
    >>> L = collector.sink_to_list()
    >>> trigger.sink(collector.flush)  # doctest: +ELLIPSIS
    <sink: flush>
    >>> source.emit_many([1, 2])
    >>> trigger.emit("anything")
    >>> L
    [(1, 2)]
    """

    def __init__(
        self, upstream: Stream[T], cache: deque[Any] | None = None, metadata_cache: Any = None, **kwargs: Any
    ) -> None:
        self._size = getattr(cache, "maxlen", None)
        begin = tuple(cache or ())
        super().__init__(upstream, **kwargs)
        for x in begin:
            self._receive(x)

    def _build(self, placement: Placement) -> None:
        _thalweg.ops.collect(placement, self._size)

    @property
    def cache(self) -> Kept:
        """The kept elements."""
        return Kept(self, self._size or 0)

    def flush(self, _: Any = None) -> Any:
        """Emit the kept elements; the argument is ignored.

        Examples
        --------
        >>> from thalweg import Stream
        >>> source = Stream()
        >>> collector = source.collect()
        >>> L = collector.sink_to_list()
        >>> source.emit_many([1, 2])
        >>> collector.flush()
        >>> L
        [(1, 2)]
        """
        return self._flush()
