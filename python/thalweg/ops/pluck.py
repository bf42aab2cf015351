"""The operator :class:`~thalweg.pluck`."""

from __future__ import annotations

from thalweg import _thalweg
from thalweg.stream import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from thalweg._types import Placement
    from thalweg.stream.compiled import Code


@Stream.register_api()
class pluck(Stream):
    """Select items of the elements.

    Parameters
    ----------
    pick: object or list
        ``x[pick]`` is emitted; for a list, a tuple of the items.
    on_error:
        See :class:`~thalweg.Stream`.

    Examples
    --------
    >>> from thalweg import Stream
    >>> source = Stream()
    >>> L = source.pluck([0, 3]).sink_to_list()
    >>> source.emit([1, 2, 3, 4])
    >>> L
    [(1, 4)]
    """

    def __init__(self, upstream: Stream, pick: Any, **kwargs: Any) -> None:
        self.pick = pick
        super().__init__(upstream, **kwargs)

    def _build(self, placement: Placement) -> None:
        _thalweg.ops.pluck(placement, self.pick)

    def _written(self, code: Code) -> bool:
        if not isinstance(self.pick, list):
            return code.sends(f"{code.x}[{code.name('i', self.pick)}]")
        items = [f"{code.x}[{code.name('i', item)}]" for item in self.pick]
        return code.sends(f"({', '.join(items)}{',' * bool(items)})")
