"""The operator :class:`~thalweg.slice`."""

from __future__ import annotations

from thalweg import _thalweg
from thalweg.stream import Stream
from thalweg.stream.arguments import check_index
from thalweg.stream.live import Live
from thalweg.stream.typevars import T

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


@Stream.register_api()
class slice(Stream[T]):
    """Get only some elements of a stream by position, like ``list[start:end:step]``.

    As in streamz, steps are counted from the first element of the stream, whatever `start` is.

    Parameters
    ----------
    start: int
        The first element to pass, counted from 0.
    end: int
        The element before which to end; None, or 0, for never.
    step: int
        Distance between the elements that pass: 2 passes every second one.

    Raises
    ------
    ValueError
        An index is negative.

    Examples
    --------
    >>> from thalweg import Stream
    >>> source = Stream()
    >>> L = source.slice(2, 6, 2).sink_to_list()
    >>> source.emit_many(range(10))
    >>> L
    [2, 4]
    """

    #: Where it starts, by streamz's name: `start` has a source run.
    star: Any = Live(check_index)
    end: Any = Live(check_index)
    step: Any = Live(check_index)

    def __init__(
        self,
        upstream: Stream[T],
        start: int | None = None,
        end: int | None = None,
        step: int | None = None,
        **kwargs: Any,
    ) -> None:
        self.star = check_index(start, "slice", "start")
        self.end, self.step = end, step
        super().__init__(upstream, **kwargs)

    def _blueprint(self) -> _thalweg.Blueprint:
        return _thalweg.ops.slice(self.star, self.end, self.step)

    @property
    def state(self) -> int:
        """How many elements have come."""
        return self._counters()[0]
