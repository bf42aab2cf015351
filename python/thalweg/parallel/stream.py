"""The class :class:`ParallelStream`: a stream on an engine."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any
from weakref import ref

from thalweg import _thalweg
from thalweg.parallel.backends import Backend, find
from thalweg.parallel.reports import report
from thalweg.runtime import loops
from thalweg.sinks.sink import sink
from thalweg.stream import Stream
from thalweg.stream.typevars import T

TYPE_CHECKING = False
if TYPE_CHECKING:
    from thalweg._types import Placement

__all__ = ["ParallelStream", "Session", "common_session", "is_driven", "places", "session_of", "settled"]


class Session:
    """State shared by the nodes downstream of one `scatter`: the engine, and whether results stay in order."""

    def __init__(self, backend: Backend, *, is_ordered: bool = True, client: Any = None) -> None:
        self.backend = backend
        self.is_ordered = is_ordered
        #: What the program named as the engine; None if it named none.
        self.client = client

    @property
    def queue(self) -> Any:
        """Queue of the engine."""
        return self.backend.queue


class ParallelStream(Stream[T]):
    """A stream on an engine: threads, processes, or a cluster. Its methods are those of any stream.

    It is returned by :meth:`thalweg.Stream.scatter`, and ends with `gather`. Functions of `map`, `starmap`, `filter`,
    `pluck` and `accumulate`, and key functions of `unique` and others, are called on the engine; consecutive ones for
    one element in one task. All other operators, also those registered by other packages, wait for the values, in
    order, and run in the pipeline.

    `emit` is done when its element has come through `gather`, or waits in a `buffer` or a window. So several elements
    are in flight behind a `buffer`, with several emitters, or with `emit_many` and sources, which send as many as
    the engine runs at a time, and as many again, so that none of its workers waits for the next.

    To other processes, elements are sent in batches whose size follows the cost per element: one if nothing is in
    flight, and under load as many as amortize a round trip. Consecutive steps are one round trip; at a `buffer`, a
    window or a fork the values return to this process. A function is pickled again for a batch if it may have changed:
    if it has a closure, or uses globals other than modules.

    A class of your own that derives from this one, with an `update`, is called with values. It may emit futures of any
    client or executor: whatever follows waits for their results, in order, and only its own sinks get the futures.

    A function on threads that emits into its own pipeline does not wait for its element, which follows the current one.

    Elements that a filter drops, or a function fails on, are gone for the nodes downstream, as on any stream. A failure
    is raised where `emit` is awaited; behind a `buffer`, by the next `emit` or `drain`; see `on_error`.

    Examples
    --------
    >>> from thalweg import Stream
    >>> source = Stream()
    >>> squares = source.scatter(backend="thread").filter(lambda x: x > 0).map(pow, 2)
    >>> L = squares.partition(2).gather().sink_to_list()
    >>> for x in (2, -3, 1):
    ...     source.emit(x)
    >>> source.drain()
    >>> L
    [(4, 1)]
    """

    #: State shared with all nodes downstream of the same `scatter`.
    _session: Any = None

    #: Whether all its elements are known to have a value.
    _is_settled = True

    #: Whether its elements are bound for the engine, or need not go there.
    _is_launched = False

    _may_need_engine = True

    #: Whether emitters wait for room in it only.
    _buffers = False

    #: Whether it runs an operator that is made for streams of values, and has replaced its upstreams.
    _is_local = False

    #: Whether it derives from such an operator, but is made for elements of the engine.
    _takes_elements = False

    #: Whether its elements may be futures of a program's own.
    _emits_futures = False

    #: What makes a stream of results from one of futures, and streams whose elements take turns: modules that need
    #: this one set them.
    _results_of: Callable[[Any], Any]
    _in_turn: Callable[[Any], Any]

    #: The stream of its results, if something follows.
    _results: Callable[[], Any] | None = None

    def __init__(self, *args: Any, backend: Any = None, **kwargs: Any) -> None:
        self._emits_futures = self._has_own_update()
        given = [node for node in (*args, *_upstreams_in(kwargs)) if isinstance(node, ParallelStream)]
        sources = self._sources(list(dict.fromkeys(given)))
        args, kwargs = _replaced(args, kwargs, sources)
        above = [sources[node] for node in given]
        if self._session is None:
            self._session = common_session(above)
        self._is_settled = self._is_settled and all(node._is_settled for node in above)
        super().__init__(*args, **kwargs)
        if self._event_loop is None:
            # A result arrives later than it is requested, and something has to wait for it.
            loops.attach(self)

    def _sources(self, given: list[ParallelStream]) -> dict[Any, Any]:
        """The streams that elements come from, by the upstreams that were given."""
        outcomes = [node._outcome() for node in given]
        if not self._needs_values():
            return dict(zip(given, outcomes, strict=True))
        if len(given) > 1 and not all(node._is_settled for node in outcomes):
            return dict(zip(given, self._in_turn(outcomes), strict=True))
        return {node: node._values() for node in given}

    @classmethod
    def _has_own_update(cls) -> bool:
        """Whether a program has written what it does, and so may emit futures."""
        return cls.update is not Stream.update and not cls._is_local

    @classmethod
    def _needs_values(cls) -> bool:
        """Whether it is a class of a program's own that knows nothing of the engine's elements."""
        return cls._has_own_update() or not (cls._is_local or cls._takes_elements or all(map(_is_base, cls.__mro__)))

    def default_client(self) -> Any:
        """Return the client or executor whose engine the stream is on, for nodes that submit calls by themselves.

        Examples
        --------
        >>> from concurrent.futures import ThreadPoolExecutor
        >>> from thalweg import Stream
        >>> with ThreadPoolExecutor(2) as pool:
        ...     Stream().scatter(pool).default_client() is pool
        True
        """
        from thalweg.parallel.backends import client_of

        return client_of(self._session)

    def _outcome(self) -> Any:
        """The stream that other nodes follow: that of its results, if it emits futures."""
        if not self._emits_futures:
            return self
        known = None if self._results is None else self._results()
        if known is None:
            known = self._results_of(self)
            self._results = ref(known)
        return known

    def _values(self) -> Stream:
        """A stream of the values, in order, for local nodes."""
        outcome = self._outcome()
        return outcome if outcome._is_settled else settled(outcome)

    def _launched(self) -> Stream:
        """The same elements, bound for the engine."""
        return self if self._is_settled or self._is_launched else launched(self)

    def sink(self, *args: Any, **kwargs: Any) -> Any:
        """Call a function with each element, in a way that can be awaited; downstream of `gather`, with each value.

        Examples
        --------
        >>> from thalweg import Stream
        >>> source = Stream()
        >>> L = []
        >>> sink = source.scatter(backend="thread").map(pow, 2).sink(L.append)
        >>> source.emit(3)
        >>> L[0].result(timeout=60)
        9
        """
        be_awaited(self)
        return sink(self._launched(), *args, **kwargs)

    def frequencies(self, **kwargs: Any) -> Any:
        """Count the occurrences of each element, in a dictionary.

        Examples
        --------
        >>> from thalweg import Stream
        >>> source = Stream()
        >>> L = source.scatter(backend="thread").frequencies().gather().sink_to_list()
        >>> source.emit_many("aba")
        >>> source.drain()
        >>> L[-1]
        {'a': 2, 'b': 1}
        """
        return self.accumulate(_count, start={}, **kwargs)

    def map_async(
        self, func: Callable[..., Any], *args: Any, parallelism: int = 1, stop_on_exception: bool = False, **kwargs: Any
    ) -> Any:
        """Call an asynchronous function with each element. The same as `map`, since the engine awaits results.

        Examples
        --------
        >>> from thalweg import Stream
        >>> async def later(x):
        ...     return x + 1
        >>> source = Stream()
        >>> L = source.scatter(backend="thread").map_async(later).gather().sink_to_list()
        >>> source.emit_many([1, 2])
        >>> source.drain()
        >>> L
        [2, 3]
        """
        return self.map(func, *args, **kwargs)


def _is_base(kind: type) -> bool:
    """Whether a class of which a stream on an engine is made is not an operator for streams of values."""
    return kind is Stream or issubclass(kind, ParallelStream) or not issubclass(kind, Stream)


def _upstreams_in(kwargs: dict[str, Any]) -> list[Any]:
    return [kwargs.get("upstream"), *(kwargs.get("upstreams") or ())]


def _replaced(args: Any, kwargs: dict[str, Any], sources: dict[Any, Any]) -> tuple[Any, dict[str, Any]]:
    """Arguments of a constructor with other upstreams."""

    def source(given: Any) -> Any:
        return sources.get(given, given) if isinstance(given, ParallelStream) else given

    kwargs = {name: source(value) for name, value in kwargs.items()}
    if kwargs.get("upstreams"):
        kwargs["upstreams"] = [source(node) for node in kwargs["upstreams"]]
    return tuple([source(arg) for arg in args]), kwargs


def _count(counts: dict[Any, int], x: Any) -> dict[Any, int]:
    return {**counts, x: counts.get(x, 0) + 1}


def common_session(nodes: Iterable[Stream]) -> Any:
    """Return the session of nodes that are to be joined; None if they have none.

    Raises
    ------
    RuntimeError
        The nodes are on different engines.

    Examples
    --------
    >>> from thalweg import Stream
    >>> from thalweg.parallel.stream import common_session
    >>> common_session([Stream()]) is None
    True
    """
    sessions = [session for node in nodes if (session := getattr(node, "_session", None)) is not None]
    if any(session.backend is not sessions[0].backend for session in sessions):
        raise RuntimeError("streams on different backends can't be joined: `gather` them first")
    return sessions[0] if sessions else None


def session_of(upstream: Stream) -> Any:
    """Return the session of a stream; that of the default engine if it has none.

    Examples
    --------
    >>> from thalweg import Stream
    >>> from thalweg.parallel.stream import session_of
    >>> scattered = Stream().scatter(backend="thread")
    >>> session_of(scattered) is scattered._session
    True
    """
    session = getattr(upstream, "_session", None)
    if session is None:
        session = Session(find())
    return session


def places(upstream: Stream) -> int:
    """Return the number of elements that a node behind a stream, which waits for their values, takes.

    Examples
    --------
    >>> from thalweg import Stream
    >>> from thalweg.parallel.stream import places
    >>> places(Stream()) > 0
    True
    """
    session = getattr(upstream, "_session", None)
    if session is None:
        return os.cpu_count() or 1
    places: int = session.queue.places(getattr(upstream, "_buffers", False))
    return places


def is_driven(node: Stream) -> bool:
    """Return whether the waiting thread runs a node's event loop: that of a virtual clock.

    Examples
    --------
    >>> from thalweg import Stream, VirtualClock
    >>> from thalweg.parallel.stream import is_driven
    >>> is_driven(Stream()), is_driven(Stream(loop=VirtualClock()))
    (False, True)
    """
    return hasattr(node._event_loop, "step")


class launched(ParallelStream):
    """The elements of a stream, bound for the engine."""

    _is_settled = False

    def __init__(self, upstream: ParallelStream) -> None:
        self._is_driven = is_driven(upstream)
        super().__init__(upstream)

    def _build(self, placement: Placement) -> None:
        _thalweg.parallel.launch(placement, self._is_driven)


class settled(ParallelStream):
    """Waits for the values of elements, in order, and emits them to local nodes.

    Emitters wait for that as well, unless every way from here leads to a buffer: then as many elements as fit into it
    may be on their way to this node, too.
    """

    def __init__(self, *upstreams: ParallelStream, is_in_turn: bool = False) -> None:
        self._places = (len(upstreams) if is_in_turn else 1, places(upstreams[0]))
        self._buffer, self._is_awaited = 0, False
        self._is_driven = is_driven(upstreams[0])
        super().__init__(upstreams=list(upstreams))
        self._is_settled = True

    def buffer_too(self, size: int) -> None:
        """Note that a buffer of this size follows."""
        self._buffer = max(size, self._buffer)
        self._build((self, True))

    def be_awaited(self) -> None:
        """Note that elements come from here to the end of their way without a buffer."""
        self._is_awaited = True
        self._build((self, True))

    def _build(self, placement: Placement) -> None:
        is_buffer = self._buffer > 0 and not self._is_awaited
        streams, size = self._places
        if is_buffer:
            size = max(size, self._buffer)
        _thalweg.parallel.settle(
            placement, report, streams * size, ordered=True, driven=self._is_driven, buffers=is_buffer
        )


def be_awaited(stream: Stream) -> None:
    """Have emitters wait until their elements have come to the end of a stream, unless a buffer is on the way.

    Examples
    --------
    >>> from thalweg import Stream
    >>> from thalweg.parallel.stream import be_awaited
    >>> be_awaited(Stream())
    """
    session = getattr(stream, "_session", None)
    if session is None or getattr(stream, "_buffers", False):
        return
    for node in settled_above(stream, session):
        node.be_awaited()
    if isinstance(stream, settled):
        stream.be_awaited()


def settled_above(stream: Stream, session: Any) -> Iterable[settled]:
    """Return the nodes that wait for values between a stream and the `scatter`, or the buffers, above it.

    Examples
    --------
    >>> from thalweg import Stream
    >>> from thalweg.parallel.stream import settled_above
    >>> pairs = Stream().scatter(backend="thread").map(abs).partition(2)
    >>> settled_above(pairs, pairs._session)
    [<settled>]
    """
    found: dict[Stream, None] = {}
    waiting = [stream]
    while waiting:
        for node in waiting.pop().upstreams:
            if node in found or not isinstance(node, ParallelStream) or node._session is not session:
                continue
            found[node] = None
            if not node._buffers:
                waiting.append(node)
    return [node for node in found if isinstance(node, settled)]
