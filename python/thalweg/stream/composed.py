"""Operators composed of others."""

from __future__ import annotations

from thalweg.stream.arguments import check_runs, is_awaited
from thalweg.stream.typevars import T

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from thalweg._methods import Methods
    from thalweg.stream.node import Stream
else:

    class Methods:
        """The operators attach themselves."""

        __class_getitem__ = classmethod(type(list[int]))


class Composed(Methods[T]):
    """Methods of streams that need no operator of their own."""

    def gather(self: Any) -> Stream[T]:
        """Return this stream: only streams on an engine have elements to bring back.

        Examples
        --------
        >>> from thalweg import Stream
        >>> source = Stream()
        >>> source.gather() is source
        True
        """
        return self  # type: ignore[no-any-return]

    def remove(self, predicate: Callable[[T], object]) -> Stream[T]:
        """Drop elements for which `predicate`, which may be an ``async def``, is true.

        Examples
        --------
        >>> from thalweg import Stream
        >>> source = Stream()
        >>> L = source.remove(lambda x: x < 0).sink_to_list()
        >>> source.emit_many([1, -1, 2])
        >>> L
        [1, 2]
        """
        check_runs(predicate, "remove", "predicate")
        if not is_awaited(predicate):
            return self.filter(lambda x: not predicate(x))

        async def keeps(x: T) -> bool:
            return not await predicate(x)  # type: ignore[misc]

        return self.filter(keeps)

    @property
    def scan(self) -> Any:
        """An alias of :meth:`accumulate`.

        Examples
        --------
        >>> from thalweg import Stream
        >>> source = Stream()
        >>> L = source.scan(max).sink_to_list()
        >>> source.emit_many([1, 3, 2])
        >>> L
        [1, 3, 3]
        """
        return self.accumulate

    @property
    def concat(self: Any) -> Any:
        """An alias of :meth:`flatten`.

        Examples
        --------
        >>> from thalweg import Stream
        >>> source = Stream()
        >>> L = source.concat().sink_to_list()
        >>> source.emit([1, 2])
        >>> L
        [1, 2]
        """
        return self.flatten

    def sink_to_list(self) -> list[T]:
        """Append every element to a list, and return the list.

        Examples
        --------
        >>> from thalweg import Stream
        >>> source = Stream()
        >>> L = source.map(lambda x: 10 * x).sink_to_list()
        >>> source.emit_many(range(3))
        >>> L
        [0, 10, 20]
        """
        elements: list[T] = []
        self.sink(elements.append)
        return elements

    def frequencies(self, **kwargs: Any) -> Stream[dict[T, int]]:
        """Count the occurrences of each element: emits a dict for every element.

        Examples
        --------
        >>> from thalweg import Stream
        >>> source = Stream()
        >>> L = source.frequencies().sink_to_list()
        >>> source.emit_many("aba")
        >>> L[-1]
        {'a': 2, 'b': 1}
        """

        def count(counts: dict[T, int], x: T) -> dict[T, int]:
            return {**counts, x: counts.get(x, 0) + 1}

        return self.accumulate(count, start={}, **kwargs)
