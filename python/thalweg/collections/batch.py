"""Streams of lists, handled element by element."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterable
from typing import Any

from thalweg.collections.streaming import Streaming, _stream_types, map_partitions

__all__ = ["Batch", "Streaming"]


class Batch(Streaming):
    """A stream of lists or tuples, with operations on their elements.

    One call handles many elements, which costs less than one call for each.

    Parameters
    ----------
    stream
        The stream of batches; by default a new ``Stream``.
    example
        An example of a batch; by default an empty list.

    Raises
    ------
    TypeError
        The example is not a container of elements.

    Examples
    --------
    >>> from thalweg import Batch
    >>> readings = Batch()
    >>> warm = readings.pluck("celsius").filter(lambda celsius: celsius > 20)
    >>> results = warm.to_stream().sink_to_list()
    >>> readings.emit([{"celsius": 19}, {"celsius": 21}])
    >>> results
    [21]
    """

    _subtype = Iterable

    def __init__(self, stream: Any = None, example: Any = None) -> None:
        example = [] if example is None else example
        if not isinstance(example, Iterable):
            raise TypeError(f"a batch is a list or a tuple, and not {type(example).__name__}: {example!r}")
        super().__init__(stream=stream, example=example)

    def sum(self) -> Streaming:
        """Sum all elements so far.

        Examples
        --------
        >>> from thalweg import Batch
        >>> numbers = Batch()
        >>> results = numbers.sum().stream.sink_to_list()
        >>> numbers.emit([1, 2])
        >>> numbers.emit([3])
        >>> results
        [3, 6]
        """
        return self.accumulate_partitions(_add_up, start=0)

    def filter(self, predicate: Callable[[Any], Any] | None) -> Streaming:
        """Keep the elements for which the predicate is true; with None, those that are true.

        Examples
        --------
        >>> from thalweg import Batch
        >>> numbers = Batch()
        >>> results = numbers.filter(lambda number: number % 2).stream.sink_to_list()
        >>> numbers.emit([1, 2, 3])
        >>> results
        [[1, 3]]
        """
        return map_partitions(_keep, self, predicate)

    def pluck(self, ind: Any) -> Streaming:
        """Take an item of each element; with a list of keys, a tuple of items.

        Examples
        --------
        >>> from thalweg import Batch
        >>> people = Batch()
        >>> names = people.pluck("name").stream.sink_to_list()
        >>> both = people.pluck(["name", "x"]).stream.sink_to_list()
        >>> people.emit([{"name": "Alice", "x": 123}])
        >>> names, both
        ([['Alice']], [[('Alice', 123)]])
        """
        return map_partitions(_take, self, ind)

    def map(self, func: Callable[..., Any], **kwargs: Any) -> Streaming:
        """Call a function on each element.

        Examples
        --------
        >>> from thalweg import Batch
        >>> numbers = Batch()
        >>> results = numbers.map(round, ndigits=1).stream.sink_to_list()
        >>> numbers.emit([0.123, 4.567])
        >>> results
        [[0.1, 4.6]]
        """
        return map_partitions(_call_on_each, self, func, kwargs)

    def to_dataframe(self) -> Streaming:
        """Convert each batch to a data frame; an empty one has the columns of the example. Needs pandas.

        Examples
        --------
        >>> from thalweg import Batch
        >>> points = Batch(example=[{"x": 0}])
        >>> results = points.to_dataframe().x.sum().stream.sink_to_list()
        >>> points.emit([{"x": 1}, {"x": 2}])
        >>> [int(total) for total in results]
        [3]
        """
        import pandas as pd

        example = pd.DataFrame(self.example)
        frames: Streaming = self.stream.map(_to_frame, example.iloc[:0]).to_dataframe(example=example)
        return frames

    def to_stream(self) -> Any:
        """Return a stream of the batches' elements.

        Examples
        --------
        >>> from thalweg import Batch
        >>> numbers = Batch()
        >>> results = numbers.to_stream().sink_to_list()
        >>> numbers.emit([1, 2])
        >>> results
        [1, 2]
        """
        return self.stream.flatten()


def _to_frame(batch: Any, empty: Any) -> Any:
    import pandas as pd

    frame = pd.DataFrame(batch)
    return frame if len(frame.columns) else empty


def _add_up(total: Any, batch: Iterable[Any]) -> Any:
    return total + builtins.sum(batch)


def _keep(batch: Iterable[Any], predicate: Callable[[Any], Any] | None) -> list[Any]:
    return list(builtins.filter(predicate, batch))


def _take(batch: Iterable[Any], pick: Any) -> list[Any]:
    if isinstance(pick, list):
        return [tuple(element[key] for key in pick) for element in batch]
    return [element[pick] for element in batch]


def _call_on_each(batch: Iterable[Any], func: Callable[..., Any], kwargs: dict[str, Any]) -> list[Any]:
    return [func(element, **kwargs) for element in batch]


_stream_types["streaming"].append(((list, tuple, set), Batch))
