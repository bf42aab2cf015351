"""The operator :class:`~thalweg.flatten`."""

from __future__ import annotations

from thalweg import _thalweg
from thalweg.stream import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from thalweg.stream.compiled import Code


@Stream.register_api()
class flatten(Stream):
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

    def _blueprint(self) -> _thalweg.Blueprint:
        return _thalweg.ops.flatten()

    def _written(self, code: Code) -> bool:
        return code.each()
