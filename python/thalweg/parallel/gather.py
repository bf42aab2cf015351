"""Nodes that wait for the values of elements, and emit them in order."""

from __future__ import annotations

import asyncio
from typing import Any

from thalweg import _thalweg, ops
from thalweg._thalweg.parallel import Step
from thalweg.parallel.reports import Site, report
from thalweg.parallel.steps import Stepping
from thalweg.parallel.stream import ParallelStream, be_awaited, is_driven, places, settled
from thalweg.stream import Stream
from thalweg.stream.arguments import check_key
from thalweg.stream.names import readable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from thalweg._types import Placement

__all__ = ["gather", "in_turn", "keyed", "results_of", "value_of"]


@ParallelStream.register_api()
class gather(Stream):
    """Bring a stream back from an engine: wait for each result, in order, and emit it.

    The emitter of an element waits until it has come through. Of the elements of `emit_many` and of sources,
    about twice as many are taken as the engine runs at a time; behind a `buffer`, as many as it runs, and those in the
    `buffer`.

    Parameters
    ----------
    unordered: bool
        Whether to emit results in the order of completion.
    on_error:
        How to handle failed elements whose own node has no policy; see :class:`~thalweg.Stream`.

    Examples
    --------
    >>> from thalweg import Stream
    >>> source = Stream()
    >>> L = source.scatter(backend="thread").map(str).gather().sink_to_list()
    >>> source.emit_many(range(3))
    >>> source.drain()
    >>> L
    ['0', '1', '2']

    See Also
    --------
    scatter
    """

    _graphviz_shape = "parallelogram"
    _may_need_engine = True

    def __init__(self, upstream: Stream, unordered: bool | None = None, **kwargs: Any) -> None:
        if isinstance(upstream, ParallelStream):
            upstream = upstream._outcome()
        session = getattr(upstream, "_session", None)
        if unordered is None:
            unordered = session is not None and not session.is_ordered
        self._places, self._is_ordered = places(upstream), not unordered
        self._is_driven = is_driven(upstream)
        kwargs["ensure_io_loop"] = True
        super().__init__(upstream, **kwargs)
        be_awaited(upstream)

    def _build(self, placement: Placement) -> None:
        _thalweg.parallel.settle(placement, report, self._places, ordered=self._is_ordered, driven=self._is_driven)


class _tagged(Stepping):
    """Numbers elements: emits pairs of a number and the element."""

    def __init__(self, upstream: Stream, number: int) -> None:
        self._number = number
        super().__init__(upstream)

    def _step(self, site: Site) -> Step:
        return Step.tag(site, self._number)


class _untagged(ParallelStream):
    """Emits the elements of numbered pairs."""

    def __init__(self, upstream: ParallelStream, number: int) -> None:
        self._number = number
        super().__init__(upstream)

    def _build(self, placement: Placement) -> None:
        _thalweg.parallel.untag(placement, self._number)


def in_turn(upstreams: list[ParallelStream]) -> list[ParallelStream]:
    """Wait for the values of several streams together, so that they are emitted in the order of their arrival.

    Examples
    --------
    >>> from thalweg import Stream
    >>> from thalweg.parallel.gather import in_turn
    >>> source = Stream()
    >>> numbers = source.scatter(backend="thread")
    >>> one, two = in_turn([numbers.map(abs), numbers.map(str)])
    >>> L = one.union(two).gather().sink_to_list()
    >>> source.emit_many([1, 2])
    >>> L
    [1, '1', 2, '2']
    """
    turn = settled(*(_tagged(node, number) for number, node in enumerate(upstreams)), is_in_turn=True)
    return [_untagged(turn, number) for number, _ in enumerate(upstreams)]


ParallelStream._in_turn = staticmethod(in_turn)


def results_of(node: ParallelStream) -> Any:
    """Return a stream of the results, in order, of the futures that a node emits.

    Examples
    --------
    >>> from concurrent.futures import ThreadPoolExecutor
    >>> from thalweg.parallel import ParallelStream
    >>> class absolute(ParallelStream):
    ...     def update(self, x, who=None, metadata=None):
    ...         return self._emit(self.default_client().submit(abs, x), metadata=metadata)
    >>> from thalweg import Stream
    >>> with ThreadPoolExecutor(2) as pool:
    ...     source = Stream()
    ...     L = absolute(source.scatter(pool)).map(str).gather().sink_to_list()
    ...     source.emit(-1)
    ...     source.drain()
    >>> L
    ['1']
    """
    return _results(node, value_of, concurrency=places(node), stream_name="results")


class _results(ParallelStream, ops.map):
    """Waits for the futures among the elements, or directly in them."""

    _takes_elements = True

    def _sources(self, given: list[ParallelStream]) -> dict[Any, Any]:
        return {node: node for node in given}


ParallelStream._results_of = staticmethod(results_of)


async def value_of(x: Any) -> Any:
    """Return the result of a future, or a list or tuple with the results of those in it; anything else as it is.

    Examples
    --------
    >>> import asyncio
    >>> from concurrent.futures import Future
    >>> from thalweg.parallel.gather import value_of
    >>> future = Future()
    >>> future.set_result(2)
    >>> asyncio.run(value_of((1, future)))
    (1, 2)
    """
    if _is_future(x):
        return await _result(x)
    if type(x) in (tuple, list) and any(map(_is_future, x)):
        return type(x)([await _result(each) if _is_future(each) else each for each in x])
    return x


def _is_future(x: Any) -> bool:
    kind = type(x)
    return hasattr(kind, "add_done_callback") and hasattr(kind, "result")


async def _result(future: Any) -> Any:
    home = getattr(getattr(future, "client", None), "loop", None)
    home = getattr(home, "asyncio_loop", None)
    if home is None or home is asyncio.get_running_loop():
        return await (asyncio.wrap_future(future) if not hasattr(type(future), "__await__") else future)
    # A future of Dask is awaited on the event loop of its client.
    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(_awaiting(future), home))


async def _awaiting(future: Any) -> Any:
    return await future._result()


class keyed(Stepping):
    """Emits pairs of each element's key, computed on the engine, and the element."""

    def __init__(self, upstream: Stream, key: Any, name: str, **kwargs: Any) -> None:
        self._key = check_key(key, name, "key")
        super().__init__(upstream, **kwargs)
        self._site.name = readable(self.name or name)

    def _step(self, site: Site) -> Step:
        return Step.key(site, self._key)
