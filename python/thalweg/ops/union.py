"""The operator :class:`~thalweg.union`."""

from __future__ import annotations

from thalweg import _thalweg
from thalweg.stream import Stream
from thalweg.stream.arguments import check_streams
from thalweg.stream.typevars import T

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from thalweg._types import Placement
    from thalweg.stream.compiled import Code


@Stream.register_api()
class union(Stream[T]):
    """Merge streams: every element of any of them is passed on at once.

    Examples
    --------
    >>> from thalweg import Stream
    >>> a, b = Stream(), Stream()
    >>> L = a.union(b).sink_to_list()
    >>> a.emit(1)
    >>> b.emit(2)
    >>> L
    [1, 2]

    See Also
    --------
    zip, combine_latest
    """

    def __init__(self, *upstreams: Stream[T], **kwargs: Any) -> None:
        check_streams(upstreams, "union")
        super().__init__(upstreams=upstreams, **kwargs)

    def _build(self, placement: Placement) -> None:
        _thalweg.ops.stream(placement)

    def _written(self, code: Code) -> bool:
        return code.sends(code.x)
