"""Operators that depend on which elements exist, their order or timing. They run locally, and wait for values.

So do all registered operators of streams, except those made for engines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import itemgetter
from typing import Any

from thalweg import _thalweg, ops
from thalweg._thalweg.parallel import Step
from thalweg.parallel.gather import in_turn, keyed
from thalweg.parallel.reports import Site
from thalweg.parallel.steps import Stepping
from thalweg.parallel.stream import ParallelStream, common_session, is_driven, settled_above
from thalweg.stream import Stream, identity
from thalweg.stream.later import Later

TYPE_CHECKING = False
if TYPE_CHECKING:
    from thalweg._types import Placement

__all__ = ["buffer", "flatten", "here", "partition", "partition_unique", "timed_window_unique", "union", "unique"]


class _Here(ParallelStream):
    """An operator that runs locally."""

    _is_local = True

    #: Whether the order of elements from different upstreams matters.
    _order_matters = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        upstreams = list(dict.fromkeys(_streams_in((*args, *kwargs.values()))))
        self._session = self._session or common_session(upstreams)
        known = _known(upstreams, self._order_matters)
        args = tuple(_replaced(arg, known) for arg in args)
        kwargs = {name: _replaced(value, known) for name, value in kwargs.items()}
        super().__init__(*args, **kwargs)
        self._is_settled = True


def _streams_in(values: Iterable[Any]) -> Iterable[ParallelStream]:
    for value in values:
        if isinstance(value, ParallelStream):
            yield value
        elif isinstance(value, (tuple, list)):
            yield from _streams_in(value)


def _known(upstreams: list[ParallelStream], order_matters: bool) -> dict[Stream, Stream]:
    """Streams of the upstreams' values."""
    if order_matters and len(upstreams) > 1 and not all(node._is_settled for node in upstreams):
        return dict(zip(upstreams, in_turn(upstreams), strict=True))
    return {node: node._values() for node in upstreams}


def _replaced(value: Any, known: dict[Stream, Stream]) -> Any:
    if isinstance(value, Stream):
        return known.get(value, value)
    if isinstance(value, (tuple, list)):
        return type(value)(_replaced(one, known) for one in value)
    return value


_made: dict[type, Any] = {}

#: Modules of the operators for which the order matters: naming their classes would import them.
_ORDERED = ("thalweg.ops.combine_latest", "thalweg.ops.zip_latest")


def here(kind: type) -> Any:
    """Return the class of an operator for streams on an engine, from the one for streams.

    Examples
    --------
    >>> from thalweg import Stream
    >>> from thalweg import ops
    >>> from thalweg.parallel.here import here
    >>> source = Stream()
    >>> L = here(ops.partition)(source.scatter(backend="thread"), 2).gather().sink_to_list()
    >>> source.emit_many([1, 2, 3, 4])
    >>> L
    [(1, 2), (3, 4)]
    """
    made = _made.get(kind)
    if made is None:
        doc = f"``Stream.{kind.__name__}`` for elements on an engine, whose values are waited for."
        attributes = {
            "__doc__": doc,
            "__module__": __name__,
            "_order_matters": kind.__module__ in _ORDERED,
        }
        made = _made[kind] = type(kind.__name__, (_Here, kind), attributes)
    return made


def _adopt(name: str, function: Any, modifier: Callable[[Any], Any]) -> None:
    """Make an operator that is registered with streams available on an engine, unless it has its own class."""
    is_operator = isinstance(function, type) and issubclass(function, Stream)
    if not is_operator or modifier is not identity or _has_its_own(name):
        return
    if not issubclass(function, ParallelStream):
        ParallelStream.register_api(attribute_name=name)(here(function))


def _has_its_own(name: str) -> bool:
    found = ParallelStream.__dict__.get(name)
    return found is not None and not isinstance(found, Later)


# First, so that none is missed that is imported meanwhile.
Stream._adopters.append(_adopt)
for _name in list(Stream._operators):
    _adopt(_name, *Stream._operators[_name])
for _name, _module in list(Stream._later.items()):
    if _name not in ParallelStream.__dict__:
        setattr(ParallelStream, _name, Later(ParallelStream, _name, _module))


@ParallelStream.register_api()
class buffer(ParallelStream, ops.buffer):
    """Allow up to `n` further elements in flight.

    Examples
    --------
    >>> from thalweg import Stream
    >>> source = Stream()
    >>> L = source.scatter(backend="thread").map(pow, 2).buffer(5).gather().sink_to_list()
    >>> source.emit_many(range(3))
    >>> source.drain()
    >>> L
    [0, 1, 4]
    """

    _buffers = True
    _takes_elements = True

    def _sources(self, given: list[ParallelStream]) -> dict[Any, Any]:
        # Calls that are on their way wait here as futures, so that they run at the same time.
        self._emits_futures = any(node._emits_futures for node in given)
        return {node: node for node in given} if self._emits_futures else super()._sources(given)

    def __init__(self, upstream: ParallelStream, n: int, **kwargs: Any) -> None:
        self._is_driven = is_driven(upstream)
        super().__init__(upstream, n, **kwargs)
        for node in settled_above(self, self._session):
            node.buffer_too(self.n)

    def _build(self, placement: Placement) -> None:
        _thalweg.parallel.buffer(placement, self.n, driven=self._is_driven)


@ParallelStream.register_api()
class union(ParallelStream, ops.union):
    """Merge streams.

    Examples
    --------
    >>> from thalweg import Stream
    >>> a, b = Stream(), Stream()
    >>> L = a.scatter(backend="thread").union(b.scatter(backend="thread")).gather().sink_to_list()
    >>> a.emit(1)
    >>> b.emit(2)
    >>> L
    [1, 2]
    """

    _takes_elements = True


_key, _value = itemgetter(0), itemgetter(1)


def _values(window: tuple[tuple[Any, Any], ...]) -> tuple[Any, ...]:
    """The elements of a window of pairs."""
    return tuple(element for _, element in window)


_picked = here(ops.map)


@ParallelStream.register_api()
def partition(
    upstream: Stream, n: int, timeout: Any = None, key: Any = None, on_error: Any = None, **kwargs: Any
) -> Any:
    """Group elements into tuples of `n`, with equal keys if there is a key.

    Examples
    --------
    >>> from thalweg import Stream
    >>> source = Stream()
    >>> L = source.scatter(backend="thread").partition(2, key=lambda x: x % 2).gather().sink_to_list()
    >>> source.emit_many(range(4))
    >>> source.drain()
    >>> L
    [(0, 2), (1, 3)]
    """
    windows = here(ops.partition)
    if key is None:
        return windows(upstream, n, timeout=timeout, **kwargs)
    pairs = keyed(upstream, key, "partition", on_error=on_error)
    return _picked(windows(pairs, n, timeout=timeout, key=_key, **kwargs), _values)


@ParallelStream.register_api()
def partition_unique(
    upstream: Stream, n: int, key: Any = identity, keep: Any = "first", on_error: Any = None, **kwargs: Any
) -> Any:
    """Group elements into tuples of `n` with different keys.

    Examples
    --------
    >>> from thalweg import Stream
    >>> source = Stream()
    >>> L = source.scatter(backend="thread").partition_unique(2).gather().sink_to_list()
    >>> source.emit_many([1, 1, 2])
    >>> source.drain()
    >>> L
    [(1, 2)]
    """
    pairs = keyed(upstream, key, "partition_unique", on_error=on_error)
    return _picked(here(ops.partition_unique)(pairs, n, key=_key, keep=keep, **kwargs), _values)


@ParallelStream.register_api()
def timed_window_unique(
    upstream: Stream, interval: Any, key: Any = identity, keep: Any = "first", on_error: Any = None, **kwargs: Any
) -> Any:
    """Group the elements that arrive in each interval, one per key.

    Examples
    --------
    >>> from thalweg import Stream, VirtualClock
    >>> clock = VirtualClock()
    >>> source = Stream(loop=clock)
    >>> L = source.scatter(backend="thread").timed_window_unique("1s").gather().sink_to_list()
    >>> source.emit_many([1, 2, 1])
    >>> clock.advance("1s")
    >>> L
    [(1, 2)]
    """
    pairs = keyed(upstream, key, "timed_window_unique", on_error=on_error)
    return _picked(here(ops.timed_window_unique)(pairs, interval, key=_key, keep=keep, **kwargs), _values)


@ParallelStream.register_api()
def unique(
    upstream: Stream,
    maxsize: int | None = None,
    key: Any = identity,
    hashable: bool | None = True,
    fifo: bool = False,
    on_error: Any = None,
    **kwargs: Any,
) -> Any:
    """Drop elements whose key has occurred before, among the last `maxsize`.

    Examples
    --------
    >>> from thalweg import Stream
    >>> source = Stream()
    >>> L = source.scatter(backend="thread").unique().gather().sink_to_list()
    >>> source.emit_many([1, 1, 2])
    >>> source.drain()
    >>> L
    [1, 2]
    """
    pairs = keyed(upstream, key, "unique", on_error=on_error)
    return _picked(here(ops.unique)(pairs, maxsize=maxsize, key=_key, hashable=hashable, fifo=fifo, **kwargs), _value)


class _items(Stepping):
    """Converts elements to lists."""

    def _step(self, site: Site) -> Step:
        return Step.items(site)


@ParallelStream.register_api()
def flatten(upstream: Stream, on_error: Any = None, **kwargs: Any) -> Any:
    """Emit the elements of each element, which is an iterable.

    Examples
    --------
    >>> from thalweg import Stream
    >>> source = Stream()
    >>> L = source.scatter(backend="thread").flatten().gather().sink_to_list()
    >>> source.emit_many([[1, 2], [3]])
    >>> source.drain()
    >>> L
    [1, 2, 3]
    """
    return here(ops.flatten)(_items(upstream, stream_name="flatten", on_error=on_error), **kwargs)
