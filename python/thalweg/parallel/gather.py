"""Nodes that wait for the values of elements, and emit them in order."""

from __future__ import annotations

from typing import Any

from thalweg import _thalweg
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

__all__ = ["gather", "in_turn", "keyed"]


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


class keyed(Stepping):
    """Emits pairs of each element's key, computed on the engine, and the element."""

    def __init__(self, upstream: Stream, key: Any, name: str, **kwargs: Any) -> None:
        self._key = check_key(key, name, "key")
        super().__init__(upstream, **kwargs)
        self._site.name = readable(self.name or name)

    def _step(self, site: Site) -> Step:
        return Step.key(site, self._key)
