"""Operators that are made of others."""

from __future__ import annotations

from thalweg.stream.arguments import check_callable
from thalweg.stream.typevars import T

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from thalweg._methods import Methods
    from thalweg.collections.batch import Batch
    from thalweg.parallel.stream import scatter
    from thalweg.stream.node import Stream
else:

    class Methods:
        """The operators attach themselves."""

        __class_getitem__ = classmethod(type(list[int]))


class Composed(Methods[T]):
    """Methods of streams that need no operator of their own."""

    def gather(self: Any) -> Stream[T]:
        """Return this stream: on an engine, it brings elements back; here they are here.

        Examples
        --------
        >>> from thalweg import Stream
        >>> source = Stream()
        >>> source.gather() is source
        True
        """
        return self  # type: ignore[no-any-return]

    def scatter(
        self: Any, client: Any = None, backend: Any = None, unordered: bool = False, **kwargs: Any
    ) -> scatter[T]:
        """Move elements to an engine: threads, processes or a cluster; see :class:`thalweg.parallel.scatter`.

        Examples
        --------
        >>> from thalweg import Stream
        >>> source = Stream()
        >>> L = source.scatter(backend="thread").map(pow, 2).gather().sink_to_list()
        >>> source.emit(3)
        >>> source.drain()
        >>> L
        [9]
        """
        from thalweg.parallel import scatter

        return scatter(self, client, backend, unordered, **kwargs)

    def remove(self, predicate: Callable[[T], object]) -> Stream[T]:
        """Drop elements that `predicate` is true of.

        Examples
        --------
        >>> from thalweg import Stream
        >>> source = Stream()
        >>> L = source.remove(lambda x: x < 0).sink_to_list()
        >>> source.emit_many([1, -1, 2])
        >>> L
        [1, 2]
        """
        check_callable(predicate, "remove", "predicate")
        return self.filter(lambda x: not predicate(x))

    @property
    def scan(self) -> Any:
        """Another name of :meth:`accumulate`.

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
        """Another name of :meth:`flatten`.

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
        """Append every element to a list, which is returned.

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
        """Count how often each element has come: sends a dict for every element.

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

    def to_dataframe(self, example: Any, n: int | None = None, interval: Any = None) -> Any:
        """Make a streaming dataframe of a stream of dataframes that look like `example`, or of single rows.

        Parameters
        ----------
        example:
            A frame, of pandas, Polars or Arrow, or a function that returns one.
        n: int
            The elements are rows: dictionaries, tuples or small frames. So many make a frame; fewer if `interval` is
            given and over.
        interval:
            The elements are rows, and those of so many seconds make a frame.

        Examples
        --------
        >>> import pandas as pd
        >>> from thalweg import Stream
        >>> source = Stream()
        >>> L = source.to_dataframe(example=pd.DataFrame({"x": [0]})).x.sum().stream.sink_to_list()
        >>> source.emit(pd.DataFrame({"x": [1, 2]}))
        >>> [int(total) for total in L]
        [3]
        >>> rows = Stream()
        >>> L = rows.to_dataframe(pd.DataFrame({"x": [0]}), n=2).x.sum().stream.sink_to_list()
        >>> rows.emit_many([{"x": 1}, {"x": 2}, {"x": 3}, {"x": 4}])
        >>> [int(total) for total in L]
        [3, 10]
        """
        from thalweg.dataframe import DataFrame
        from thalweg.dataframe.rows import frames_of

        if n is None and interval is None:
            return DataFrame(stream=self, example=example)
        return frames_of(self, example, n, interval)

    def to_batch(self, **kwargs: Any) -> Batch:
        """Make a :class:`~thalweg.batch.Batch` of a stream of lists or tuples.

        Examples
        --------
        >>> from thalweg import Stream
        >>> source = Stream()
        >>> L = source.to_batch().sum().stream.sink_to_list()
        >>> source.emit([1, 2])
        >>> L
        [3]
        """
        from thalweg.collections.batch import Batch

        return Batch(stream=self, **kwargs)
