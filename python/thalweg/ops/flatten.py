"""The operator :class:`~thalweg.flatten`."""

from __future__ import annotations

from thalweg import _thalweg
from thalweg.stream import Stream
from thalweg.stream.typevars import U

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from thalweg._types import Emits, Placement
    from thalweg.stream.compiled import Code


@Stream.register_api()
class flatten(Stream[U]):
    """Flatten a stream of iterables into a stream of their elements.

    Examples
    --------
    >>> from thalweg import Stream
    >>> source = Stream()
    >>> L = source.flatten().sink_to_list()
    >>> source.emit_many([[1, 2, 3], [], [4]])
    >>> L
    [1, 2, 3, 4]

    See Also
    --------
    partition
    """

    def __init__(self, upstream: Emits[Iterable[U]] = None, *args: Any, **kwargs: Any) -> None:  # type: ignore[assignment]
        super().__init__(upstream, *args, **kwargs)  # type: ignore[arg-type]

    def _build(self, placement: Placement) -> None:
        _thalweg.ops.flatten(placement)

    def _written(self, code: Code) -> bool:
        return code.each()
