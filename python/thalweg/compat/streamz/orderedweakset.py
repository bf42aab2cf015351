"""Sets that keep the order in which things were put in: streamz's module of this name."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator, MutableSet
from typing import Any

__all__ = ["OrderedSet", "OrderedWeakrefSet"]


class OrderedSet(MutableSet[Any]):
    """A set in the order in which elements were put in.

    Examples
    --------
    >>> from thalweg.compat.streamz.orderedweakset import OrderedSet
    >>> list(OrderedSet([3, 1, 3]))
    [3, 1]
    """

    def __init__(self, values: Iterable[Any] = ()) -> None:
        self._elements = dict.fromkeys(values)

    def __len__(self) -> int:
        return len(self._elements)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._elements)

    def __contains__(self, value: object) -> bool:
        return value in self._elements

    def add(self, value: Any) -> None:
        """Put an element in, at the end unless it is there.

        Examples
        --------
        >>> from thalweg.compat.streamz.orderedweakset import OrderedSet
        >>> elements = OrderedSet([1])
        >>> elements.add(0)
        >>> list(elements)
        [1, 0]
        """
        self._elements[value] = None

    def discard(self, value: Any) -> None:
        """Take an element out, if it is there.

        Examples
        --------
        >>> from thalweg.compat.streamz.orderedweakset import OrderedSet
        >>> elements = OrderedSet([1, 2])
        >>> elements.discard(1)
        >>> list(elements)
        [2]
        """
        self._elements.pop(value, None)

    def copy(self) -> OrderedSet:
        """Return another set of the same elements.

        Examples
        --------
        >>> from thalweg.compat.streamz.orderedweakset import OrderedSet
        >>> list(OrderedSet([2, 1]).copy())
        [2, 1]
        """
        return OrderedSet(self._elements)


class OrderedWeakrefSet(weakref.WeakSet):  # type: ignore[type-arg]
    """A set, in order, of elements that it does not keep alive.

    Examples
    --------
    >>> from thalweg import Stream
    >>> from thalweg.compat.streamz.orderedweakset import OrderedWeakrefSet
    >>> a, b = Stream(), Stream()
    >>> elements = OrderedWeakrefSet([b, a])
    >>> list(elements) == [b, a]
    True
    >>> del b
    >>> len(elements)
    1
    """

    def __init__(self, values: Iterable[Any] = ()) -> None:
        super().__init__()
        self.data: Any = OrderedSet()
        for value in values:
            self.add(value)
