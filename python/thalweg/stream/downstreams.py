"""The downstreams of a node, as a set."""

from __future__ import annotations

from thalweg.stream.arguments import check_streams

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from thalweg.stream.node import Stream


class Downstreams:
    """The downstreams of a node, in order: a live view.

    Examples
    --------
    >>> from thalweg import Stream
    >>> source = Stream()
    >>> node = source.map(str)
    >>> len(source.downstreams), node in source.downstreams
    (1, True)
    """

    def __init__(self, node: Stream) -> None:
        self._node = node

    def __iter__(self) -> Iterator[Stream]:
        return iter(self._node._downstreams())

    def __len__(self) -> int:
        return len(self._node._downstreams())

    def __bool__(self) -> bool:
        return len(self) > 0

    def __contains__(self, node: object) -> bool:
        return any(other is node for other in self)

    def __repr__(self) -> str:
        return repr(list(self))

    def add(self, node: Stream) -> None:
        """Connect a node, unless it is connected already.

        Examples
        --------
        >>> from thalweg import Stream
        >>> source, other = Stream(), Stream()
        >>> source.downstreams.add(other)
        >>> other.upstreams == [source]
        True
        """
        check_streams([node], "downstreams.add", "node")
        if node not in self:
            self._node._connect(node)

    def remove(self, node: Stream) -> None:
        """Disconnect a node.

        Raises
        ------
        KeyError
            The node is not connected.

        Examples
        --------
        >>> from thalweg import Stream
        >>> source = Stream()
        >>> node = source.map(str)
        >>> source.downstreams.remove(node)
        >>> source.downstreams
        []
        """
        if node not in self:
            raise KeyError(node)
        self._node._disconnect(node)

    def discard(self, node: Stream) -> None:
        """Disconnect a node, if it is connected.

        Examples
        --------
        >>> from thalweg import Stream
        >>> source = Stream()
        >>> source.downstreams.discard(Stream())
        """
        if node in self:
            self._node._disconnect(node)
