"""Operators that are about elements as such: which there are, in what order, and when. They run on this side.

Those that look into elements have the engine do that, and fetch no more than keys.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from thalweg.compat.streamz import core
from thalweg.parallel.elsewhere.stream import ParallelStream
from thalweg.parallel.elsewhere.windows import in_turn, keyed, settled
from thalweg.stream import Stream, identity

__all__ = ["partition", "partition_unique", "timed_window_unique", "unique"]


class _Structural(ParallelStream):
    """A node that what is behind a filter may not reach before the filter has said which elements there are."""

    #: Whether it makes a difference which of several upstreams an element comes from first.
    _minds_order = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        upstreams = dict.fromkeys(arg for arg in args if isinstance(arg, Stream))
        known = _in_turn(list(upstreams)) if self._minds_order and len(upstreams) > 1 else _settled(upstreams)
        args = tuple(_replaced(arg, known) for arg in args)
        for name in ("first", "emit_on"):
            if name in kwargs:
                kwargs[name] = _replaced(kwargs[name], known)
        super().__init__(*args, **kwargs)
        self._is_settled = True


def _settled(upstreams: Iterable[Stream]) -> dict[Stream, Stream]:
    """Have each of the upstreams wait for itself; return what is to stand for each."""
    return {node: settled(node) for node in upstreams if not getattr(node, "_is_settled", True)}


def _in_turn(upstreams: list[Stream]) -> dict[Stream, Stream]:
    """Have all upstreams wait together, so that elements go on in the order they came, whichever they are from."""
    if not _settled_later(upstreams):
        return {}
    turn = in_turn([_tagged(node, place) for place, node in enumerate(upstreams)])
    return {node: _untagged(turn, place) for place, node in enumerate(upstreams)}


def _settled_later(upstreams: Iterable[Stream]) -> bool:
    return any(not getattr(node, "_is_settled", True) for node in upstreams)


class _tagged(ParallelStream):
    """Says of each element which upstream it is from."""

    def __init__(self, upstream: Stream, place: int) -> None:
        self._place = place
        super().__init__(upstream)

    def update(self, x: Any, who: Any = None, metadata: Any = None) -> Any:
        return self._emit((self._place, x), metadata)


class _untagged(ParallelStream):
    """Passes on the elements that are from one upstream."""

    def __init__(self, upstream: Stream, place: int) -> None:
        self._place = place
        super().__init__(upstream)

    def update(self, x: Any, who: Any = None, metadata: Any = None) -> Any:
        return self._emit(x[1], metadata) if x[0] == self._place else []


def _replaced(value: Any, known: dict[Stream, Stream]) -> Any:
    if isinstance(value, Stream):
        return known.get(value, value)
    if isinstance(value, (tuple, list)):
        return type(value)(_replaced(one, known) for one in value)
    return value


def _in_both(kind: type, base: type = _Structural) -> Any:
    """Make a class of an operator of both."""
    name = kind.__name__
    doc = f"What ``Stream.{name}`` is, for elements that stay where they are."
    minds_order = kind in (core.combine_latest, core.zip_latest)
    return type(name, (base, kind), {"__doc__": doc, "__module__": __name__, "_minds_order": minds_order})


for _kind in (
    core.collect,
    core.combine_latest,
    core.debounce,
    core.delay,
    core.latest,
    core.rate_limit,
    core.sample,
    core.shift,
    core.slice,
    core.sliding_window,
    core.throttle,
    core.timed_window,
    core.zip,
    core.zip_latest,
):
    ParallelStream.register_api()(_in_both(_kind))

# To these an element that turns out to be none makes no difference.
ParallelStream.register_api()(_in_both(core.buffer, ParallelStream))
ParallelStream.register_api()(_in_both(core.union, ParallelStream))

_partition = _in_both(core.partition)
_partition_unique = _in_both(core.partition_unique)
_timed_window_unique = _in_both(core.timed_window_unique)
_unique = _in_both(core.unique)


def _key(pair: tuple[Any, Any]) -> Any:
    return pair[0]


class _without_key(ParallelStream):
    """Takes the key off an element."""

    def update(self, x: Any, who: Any = None, metadata: Any = None) -> Any:
        return self._emit(x[1], metadata)


class _without_keys(ParallelStream):
    """Takes the keys off the elements of a window."""

    def update(self, x: Any, who: Any = None, metadata: Any = None) -> Any:
        return self._emit(tuple(element for _, element in x), metadata)


@ParallelStream.register_api()
def partition(
    upstream: Stream, n: int, timeout: Any = None, key: Any = None, on_error: Any = None, **kwargs: Any
) -> Any:
    """Make tuples of `n` elements, and of those with equal keys if there is a key.

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
    if key is None:
        return _partition(upstream, n, timeout=timeout, **kwargs)
    pairs = keyed(upstream, key, "partition", on_error=on_error)
    return _without_keys(_partition(pairs, n, timeout=timeout, key=_key, **kwargs))


@ParallelStream.register_api()
def partition_unique(
    upstream: Stream, n: int, key: Any = identity, keep: Any = "first", on_error: Any = None, **kwargs: Any
) -> Any:
    """Make tuples of `n` elements with different keys.

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
    return _without_keys(_partition_unique(pairs, n, key=_key, keep=keep, **kwargs))


@ParallelStream.register_api()
def timed_window_unique(
    upstream: Stream, interval: Any, key: Any = identity, keep: Any = "first", on_error: Any = None, **kwargs: Any
) -> Any:
    """Make a tuple of the elements with different keys that come in each interval.

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
    return _without_keys(_timed_window_unique(pairs, interval, key=_key, keep=keep, **kwargs))


@ParallelStream.register_api()
def unique(
    upstream: Stream,
    maxsize: int | None = None,
    key: Any = identity,
    hashable: bool = True,
    history: int | None = None,
    on_error: Any = None,
    **kwargs: Any,
) -> Any:
    """Leave out elements with a key that has come before, among the last `maxsize` of them.

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
    maxsize = history if maxsize is None else maxsize
    pairs = keyed(upstream, key, "unique", on_error=on_error)
    return _without_key(_unique(pairs, maxsize=maxsize, key=_key, hashable=hashable, **kwargs))
