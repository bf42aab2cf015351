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

    from thalweg._types import Placement


@Stream.register_api()
class slice(Stream[T]):
    """Pass on only some elements by position, like ``list[start:end:step]``.

    As in streamz, steps are counted from the first element of the stream, whatever `start` is.

    Parameters
    ----------
    start: int
        Position of the first element to pass, counted from 0.
    end: int
        Position to end before; None, or 0, for no end.
    step: int
        Distance between passed elements: 2 passes every second one.

    Raises
    ------
    ValueError
        A position is negative.

    Examples
    --------
    >>> from thalweg import Stream
    >>> source = Stream()
    >>> L = source.slice(2, 6, 2).sink_to_list()
    >>> source.emit_many(range(10))
    >>> L
    [2, 4]
    """

    #: Named as in streamz, since `start` starts a source.
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
        self.end = check_index(end, "slice", "end")
        self.step = check_index(step, "slice", "step")
        super().__init__(upstream, **kwargs)

    def _build(self, placement: Placement) -> None:
        _thalweg.ops.slice(placement, self.star, self.end, self.step)

    @property
    def state(self) -> int:
        """Number of elements received."""
        return self._counters()[0]
