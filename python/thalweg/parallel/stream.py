"""The class :class:`ParallelStream`, and the nodes whose functions are called on an engine."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

from thalweg import _thalweg
from thalweg._thalweg.parallel import Step
from thalweg.parallel.reports import Site
from thalweg.parallel.time_limits import check_can_stop, check_limit
from thalweg.stream import Stream
from thalweg.stream.arguments import check_callable, is_awaited
from thalweg.stream.node import describe
from thalweg.stream.typevars import T

TYPE_CHECKING = False
if TYPE_CHECKING:
    from thalweg.parallel.backends import Backend

__all__ = ["ParallelStream", "Session", "Stepping", "filter", "map", "pluck", "scatter", "starmap"]


class Session:
    """State that the nodes behind one `scatter` share: the engine, and whether results come in order."""

    def __init__(self, backend: Backend, *, is_ordered: bool = True) -> None:
        self.backend = backend
        self.is_ordered = is_ordered

    @property
    def queue(self) -> Any:
        """Queue of the engine."""
        return self.backend.queue


class ParallelStream(Stream[T]):
    """A stream on an engine: threads, processes, or a cluster. What one calls on it is the same as on any stream.

    It comes from :meth:`thalweg.Stream.scatter`, and ends with `gather`. Functions of `map`, `starmap`, `filter`,
    `pluck` and `accumulate` are called on the engine, and so are the keys of `unique` and the like; one after the other
    on an element in the same task. All other operators, also those that others have registered, wait for the values, in
    order, and work where the pipeline does.

    `emit` is done when its element has come through `gather`, or waits in a `buffer` or a window on the way. So several
    elements are on their way behind a `buffer`, by several emitters, or by `emit_many` and sources, which send as many
    at a time as the engine does.

    To other processes, elements go in batches whose size follows what they take: one alone if nothing is on its way, as
    many as are worth a round trip under load. Steps that follow one another are one trip; behind a `buffer`, a window
    or a fork the values come here and go again. A function is pickled anew for a batch if it may have changed: if it
    closes over something, or uses globals other than modules.

    A function on threads that emits into its own pipeline does not wait for its element, which comes through behind the
    one that it works on.

    Elements that a filter drops, or a function fails on, are gone for what comes behind, as on any stream. A failure is
    raised where `emit` is waited for; behind a `buffer` the next `emit` is told, or `drain`; see `on_error`.

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

    #: State shared with all nodes behind the same `scatter`.
    _session: Any = None

    #: Whether all its elements are known to have a value.
    _is_settled = True

    def __init__(self, *args: Any, backend: Any = None, **kwargs: Any) -> None:
        above = [node for node in (*args, *(kwargs.get("upstreams") or ())) if isinstance(node, ParallelStream)]
        if self._session is None:
            self._session = common_session(above)
        self._is_settled = self._is_settled and all(node._is_settled for node in above)
        super().__init__(*args, **kwargs)
        if self._event_loop is None:
            # A result arrives later than it is asked for, and someone has to wait for it.
            from thalweg.runtime import loops

            loops.attach(self)

    def _values(self) -> Stream:
        """A stream of the values, in order, for whatever works on this side."""
        from thalweg.parallel.gather import settled

        return self if self._is_settled else settled(self)

    def _launched(self) -> Stream:
        """The same elements, on their way to the engine."""
        return self if self._is_settled or isinstance(self, scatter) else launched(self)

    def sink(self, *args: Any, **kwargs: Any) -> Any:
        """Call a function on each element, which can be waited for; behind `gather`, on each value.

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
        from thalweg.sinks import sink

        return sink(self._launched(), *args, **kwargs)

    def frequencies(self, **kwargs: Any) -> Any:
        """Count how often each element has come, in a dictionary.

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
        """Call an asynchronous function on each element. It is the same as `map`: the engine awaits what has to be.

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


def _count(counts: dict[Any, int], x: Any) -> dict[Any, int]:
    return {**counts, x: counts.get(x, 0) + 1}


def common_session(nodes: Iterable[Stream]) -> Any:
    """Return the session of nodes that are to be joined; None if they have none.

    Raises
    ------
    RuntimeError
        They are on different engines.

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
        from thalweg.parallel.backends import find

        session = Session(find())
    return session


def places(session: Any) -> int:
    """Return how many elements an engine takes at a time.

    Examples
    --------
    >>> from thalweg.parallel.stream import places
    >>> places(None) > 0
    True
    """
    return (os.cpu_count() or 1) if session is None else session.backend.width


def is_driven(node: Stream) -> bool:
    """Return whether a node's event loop is run by those who wait for it: that of a virtual clock.

    Examples
    --------
    >>> from thalweg import Stream, VirtualClock
    >>> from thalweg.parallel.stream import is_driven
    >>> is_driven(Stream()), is_driven(Stream(loop=VirtualClock()))
    (False, True)
    """
    return hasattr(node._event_loop, "step")


class scatter(ParallelStream[T]):
    """Move a stream onto an engine.

    Parameters
    ----------
    client
        The engine: a ``thalweg.tasks.Client``, a ``distributed.Client``, or an executor of ``concurrent.futures``.
    backend
        Instead of a client: ``"thread"`` for threads of this process, ``"dask"`` for the Dask client that is active, or
        a function that returns a client. Without either: our current client, else the active Dask client, else threads.
    unordered
        Whether `gather` may pass on results as they come.

    Raises
    ------
    ValueError
        There is no such backend, or no Dask client is active.

    Examples
    --------
    >>> from thalweg import Stream
    >>> source = Stream()
    >>> L = source.scatter(backend="thread").map(lambda x: x + 1).buffer(5).gather().sink_to_list()
    >>> for x in range(3):
    ...     source.emit(x)
    >>> source.drain()
    >>> L
    [1, 2, 3]

    See Also
    --------
    gather
    """

    _graphviz_shape = "parallelogram"
    _is_settled = False

    def __init__(
        self, upstream: Stream[T], client: Any = None, backend: Any = None, unordered: bool = False, **kwargs: Any
    ) -> None:
        from thalweg.parallel.backends import find

        if isinstance(upstream, ParallelStream) and client is None and backend is None:
            self._session = upstream._session
        else:
            self._session = Session(find(client, backend), is_ordered=not unordered)
        if isinstance(upstream, ParallelStream) and upstream._session is not self._session:
            common_session([upstream, self])
        super().__init__(upstream, **kwargs)
        self._session.backend.entrances.add(self)

    def _blueprint(self) -> _thalweg.Blueprint:
        return _thalweg.parallel.scatter(self._session.queue)


class launched(ParallelStream):
    """The elements of a stream, on their way to the engine."""

    _is_settled = False

    def __init__(self, upstream: ParallelStream) -> None:
        self._is_driven = is_driven(upstream)
        super().__init__(upstream)

    def _blueprint(self) -> _thalweg.Blueprint:
        return _thalweg.parallel.launch(self._is_driven)


class Stepping(ParallelStream):
    """A node that adds a step to what the engine does with an element."""

    _is_settled = False

    def __init__(
        self,
        upstream: Stream,
        stream_name: str | None = None,
        on_error: Any = None,
        *,
        _time_limit: Any = None,
        **kwargs: Any,
    ) -> None:
        self._site = Site(stream_name or describe(self), on_error)
        #: Longest time of one call for one element, in seconds.
        self._limit = check_limit(_time_limit, self._site.name)
        self._session = session_of(upstream)
        if self._limit is not None:
            check_can_stop(self._session.backend, self._site.name)
        self._made = self._step(self._site)
        self._site.apply_to(self._made)
        super().__init__(upstream, stream_name=stream_name, **kwargs)
        self._site.name = stream_name or describe(self)
        if self._site.target is not None:
            # That is one pipeline with this one, then.
            super()._set_on_error(on_error)

    def _step(self, site: Site) -> Step:
        """Step of the engine for an element."""
        raise NotImplementedError

    def _blueprint(self) -> _thalweg.Blueprint:
        return _thalweg.parallel.through(self._session.queue, self._made, self._limit)

    def _set_on_error(self, on_error: Any) -> None:
        self._site.set_on_error(on_error)
        self._site.apply_to(self._made)
        if self._site.target is not None:
            super()._set_on_error(on_error)


@ParallelStream.register_api()
class map(Stepping):
    """Call a function on each element, on the engine; what an ``async def`` returns is awaited there.

    Parameters
    ----------
    func: callable
    *args:
        Positional arguments for `func`, after the element.
    time_limit:
        How long one call for one element may take, in seconds; each such call is a task of its own. On processes the
        worker is killed then and replaced; on threads the function's token says that it is to end, and what it returns
        does not count. The element has failed with a `TaskTimeout`.
    on_error:
        See :class:`~thalweg.Stream`. Attempts of a :class:`~thalweg.Retry`, and the pauses between them, take place on
        the engine.
    **kwargs:
        Keyword arguments for `func`; and ``stream_name``.

    Raises
    ------
    BuildError
        The `time_limit` is no length of time, or the engine, which is Dask's or an executor, can't stop calls.

    Examples
    --------
    >>> from thalweg import Stream
    >>> source = Stream()
    >>> L = source.scatter(backend="thread").map(int, on_error="skip").gather().sink_to_list()
    >>> source.emit_many(["1", "two", "3"])
    >>> source.drain()
    >>> L
    [1, 3]
    """

    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    _is_splayed = False

    def __init__(
        self,
        upstream: Stream,
        func: Callable[..., Any],
        *args: Any,
        time_limit: float | None = None,
        stream_name: str | None = None,
        on_error: Any = None,
        **kwargs: Any,
    ) -> None:
        check_callable(func, type(self).__name__, "func")
        self.func, self.args, self.kwargs = func, args, kwargs
        super().__init__(upstream, stream_name=stream_name, on_error=on_error, _time_limit=time_limit)

    def _step(self, site: Site) -> Step:
        awaited = is_awaited(self.func)
        return Step.call(site, self.func, self.args, self.kwargs, splayed=self._is_splayed, awaited=awaited)


@ParallelStream.register_api()
class starmap(map):
    """Call a function on each element, which is a tuple of arguments, on the engine: ``func(*x, *args)``.

    It takes what `map` takes.

    Examples
    --------
    >>> from thalweg import Stream
    >>> source = Stream()
    >>> L = source.scatter(backend="thread").starmap(pow).gather().sink_to_list()
    >>> source.emit((2, 3))
    >>> source.drain()
    >>> L
    [8]
    """

    _is_splayed = True


@ParallelStream.register_api()
class pluck(Stepping):
    """Take an item out of each element, on the engine; given a list of keys, a tuple of items.

    Examples
    --------
    >>> from thalweg import Stream
    >>> source = Stream()
    >>> L = source.scatter(backend="thread").pluck("a").gather().sink_to_list()
    >>> source.emit({"a": 1})
    >>> source.drain()
    >>> L
    [1]
    """

    def __init__(self, upstream: Stream, pick: Any, **kwargs: Any) -> None:
        self.pick = pick
        super().__init__(upstream, **kwargs)

    def _step(self, site: Site) -> Step:
        return Step.pick(site, self.pick)


@ParallelStream.register_api()
class filter(Stepping):
    """Pass on the elements for which a predicate, called on the engine, is true; with None, those that are true.

    It takes what `map` takes.

    Examples
    --------
    >>> from thalweg import Stream
    >>> source = Stream()
    >>> L = source.scatter(backend="thread").filter(None).gather().sink_to_list()
    >>> source.emit_many(range(3))
    >>> source.drain()
    >>> L
    [1, 2]
    """

    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def __init__(
        self,
        upstream: Stream,
        predicate: Callable[..., Any] | None,
        *args: Any,
        time_limit: float | None = None,
        stream_name: str | None = None,
        on_error: Any = None,
        **kwargs: Any,
    ) -> None:
        if predicate is not None:
            check_callable(predicate, "filter", "predicate")
        self.predicate, self.args, self.kwargs = predicate, args, kwargs
        super().__init__(upstream, stream_name=stream_name, on_error=on_error, _time_limit=time_limit)

    def _step(self, site: Site) -> Step:
        awaited = self.predicate is not None and is_awaited(self.predicate)
        return Step.filter(site, self.predicate, self.args, self.kwargs, awaited=awaited)
