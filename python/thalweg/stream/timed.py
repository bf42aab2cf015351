"""The base of the operators that take one interval."""

from __future__ import annotations

from thalweg.runtime.intervals import check_interval
from thalweg.stream.live import Live
from thalweg.stream.node import Stream
from thalweg.stream.typevars import R

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar

    from thalweg._types import Interval, Placement


class Timed(Stream[R]):
    """A node with an interval: seconds, or a duration such as ``"500ms"``.

    Examples
    --------
    >>> from thalweg import Stream
    >>> from thalweg.stream.timed import Timed
    >>> isinstance(Stream().debounce("1s"), Timed)
    True
    """

    #: Makes the operator, with an interval in seconds.
    _operator: ClassVar[staticmethod[[Placement, float], None]]

    _graphviz_shape = "octagon"

    interval: Any = Live(check_interval)

    def __init__(self, upstream: Stream[Any], interval: Interval, **kwargs: Any) -> None:
        self.interval = interval
        super().__init__(upstream, **kwargs)

    def _build(self, placement: Placement) -> None:
        self._operator(placement, self.interval)
