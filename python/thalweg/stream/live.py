"""Attributes of nodes that take effect when assigned, and views of kept elements."""

from __future__ import annotations

from collections.abc import Sequence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from thalweg.stream.node import Stream


class Live:
    """An attribute that configures a node: assigned in a running pipeline, it takes effect from the next element on.

    The node keeps its elements and state.

    Parameters
    ----------
    check:
        Called with a value, the operator's name and the attribute's; returns the value to use, or raises an error.

    Examples
    --------
    >>> from thalweg import Stream
    >>> source = Stream()
    >>> groups = source.partition(2)
    >>> L = groups.sink_to_list()
    >>> source.emit(1)
    >>> groups.n = 3
    >>> source.emit_many([2, 3])
    >>> L
    [(1, 2, 3)]
    """

    def __init__(self, check: Callable[[Any, str, str], Any] | None = None) -> None:
        self._check = check

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, node: Stream | None, owner: type | None = None) -> Any:
        if node is None:
            return self
        try:
            return node.__dict__[self._name]
        except KeyError:
            raise AttributeError(f"{type(node).__name__!r} object has no attribute {self._name!r} yet") from None

    def __set__(self, node: Stream, value: Any) -> None:
        if self._check is not None:
            value = self._check(value, type(node).__name__, self._name)
        attributes = node.__dict__
        if not node._is_built:
            attributes[self._name] = value
            return
        before = attributes[self._name]
        attributes[self._name] = value
        try:
            node._build((node, True))
        except BaseException:
            attributes[self._name] = before
            raise


class LiveFunction:
    """A node's function: an assigned one is called from the next element on.

    Examples
    --------
    >>> from thalweg import Stream
    >>> source = Stream()
    >>> node = source.map(str)
    >>> L = node.sink_to_list()
    >>> source.emit(1)
    >>> node.func = hex
    >>> source.emit(1)
    >>> L
    ['1', '0x1']
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, node: Any, cls: type | None = None) -> Any:
        return None if node is None else node.__dict__.get(self.name)

    def __set__(self, node: Any, function: Any) -> None:
        node.__dict__[self.name] = function
        if node._is_built:
            node._set_function(function)


class Kept(Sequence["Any"]):
    """The elements that a node keeps, as a list, with methods of an asyncio queue.

    Examples
    --------
    >>> from thalweg import Stream
    >>> source = Stream()
    >>> collected = source.collect()
    >>> source.emit_many([1, 2])
    >>> list(collected.cache), len(collected.cache), 2 in collected.cache
    ([1, 2], 2, True)
    """

    def __init__(self, node: Stream, maxsize: int = 0) -> None:
        self._node = node
        #: The capacity; 0 if there is no limit.
        self.maxsize = maxsize

    def __getitem__(self, place: Any) -> Any:
        return self._node._kept()[place]

    def __len__(self) -> int:
        return len(self._node._kept())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__: Any = None

    def __repr__(self) -> str:
        return repr(list(self))

    def qsize(self) -> int:
        """Return the number of elements."""
        return len(self)

    def empty(self) -> bool:
        """Return whether there are no elements."""
        return len(self) == 0

    def full(self) -> bool:
        """Return whether the queue is full."""
        return 0 < self.maxsize <= len(self)

    def clear(self) -> None:
        """Drop the elements: the node is as it was at the beginning."""
        self._node._build((self._node, False))


def waiting(join: Stream) -> list[list[Any]]:
    """Return the elements that wait at each upstream of a join, in order; nothing while it is emitting.

    Examples
    --------
    >>> from thalweg import Stream
    >>> from thalweg.stream.live import waiting
    >>> a, b = Stream(), Stream()
    >>> pairs = a.zip(b)
    >>> a.emit(1)
    >>> waiting(pairs)
    [[1], []]
    """
    return [lane for lane in join._lanes() if lane is not None]
