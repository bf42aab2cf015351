"""Attributes of nodes that take effect when they are assigned."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class LiveFunction:
    """A node's function: one that is assigned later is called from then on.

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
        node._set_function(function)
