"""The class :class:`ParallelStream`, and the nodes whose functions are called on an engine."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

from thalweg.functions import check_callable, is_awaited
from thalweg.parallel.element import Element, elements_in
from thalweg.parallel.launcher import Line, Session
from thalweg.parallel.site import Site
from thalweg.parallel.worker import Call, Filter, Pick, Step
from thalweg.stream import Stream, _describe

__all__ = ["Fused", "ParallelStream", "filter", "map", "pluck", "scatter", "starmap"]


class ParallelStream(Stream):
    """A stream on an engine: threads, processes, or a cluster. What one calls on it is the same as on any stream.

    It comes from :meth:`thalweg.Stream.scatter`, and ends with `gather`. Functions of `map`, `starmap`, `filter`,
    `pluck` and `accumulate` are called on the engine, and so are the keys of `unique` and the like; one after the other
    on an element in the same task. As many elements are on their way at a time as the engine does at a time, and more
    where there is a `buffer`; those that wait while the engine is busy travel together.

    Elements that a filter drops, or a function fails on, are gone for what comes behind, as on any stream. A failure
    is reported to the next `emit`, or to `drain`, since nobody waits for a single element; see `on_error`.

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

    #: What it shares with all behind the same `scatter`.
    _session: Session | None = None

    #: Whether all its elements are known to have a value.
    _is_settled = True

    def __init__(self, *args: Any, backend: Any = None, **kwargs: Any) -> None:
        above = [node for node in (*args, *(kwargs.get("upstreams") or ())) if isinstance(node, ParallelStream)]
        if self._session is None:
            self._session = _common(above)
        self._is_settled = self._is_settled and all(node._is_settled for node in above)
        # A result arrives later than it is asked for, and someone has to wait for it.
        kwargs["ensure_io_loop"] = True
        super().__init__(*args, **kwargs)

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


def _common(nodes: Iterable[ParallelStream]) -> Session | None:
    """The session of nodes that are to be joined."""
    sessions = [node._session for node in nodes if node._session is not None]
    if any(session.backend is not sessions[0].backend for session in sessions):
        raise RuntimeError("streams on different backends can't be joined: `gather` them first")
    return sessions[0] if sessions else None


def places(session: Session | None) -> int:
    """How many elements are on their way at a time."""
    return (os.cpu_count() or 1) if session is None else session.backend.width


class scatter(ParallelStream):
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

    def __init__(
        self, upstream: Stream, client: Any = None, backend: Any = None, unordered: bool = False, **kwargs: Any
    ) -> None:
        from thalweg.parallel.backends import find

        if isinstance(upstream, ParallelStream) and client is None and backend is None:
            self._session = upstream._session
        else:
            self._session = Session(find(client, backend), is_ordered=not unordered)
        if isinstance(upstream, ParallelStream) and upstream._session is not self._session:
            _common([upstream, self])
        self._ordinal = 0
        super().__init__(upstream, **kwargs)

    def update(self, x: Any, who: Any = None, metadata: Any = None) -> Any:
        """Take an element."""
        assert self._session is not None
        self._session.begin()
        if type(x) is not Element:
            self._ordinal += 1
            x = Element(self._session.root, x, metadata, self._ordinal)
        return self._emit(x, metadata)


#: After so many elements a node looks again whether they are gathered further down.
_LOOK_AGAIN = 256


class Fused(ParallelStream):
    """A node that adds a step to what the engine does with an element."""

    _is_settled = False

    def __init__(self, upstream: Stream, stream_name: str | None = None, on_error: Any = None, **kwargs: Any) -> None:
        self._site = Site(stream_name or _describe(self), on_error)
        self._ordinal = 0
        self._lines: dict[Line, Line] = {}
        self._is_wanted = False
        self._looks = 0
        super().__init__(upstream, stream_name=stream_name, **kwargs)
        self._site.name = stream_name or _describe(self)
        if self._site.target is not None:
            # That is one pipeline with this one, then.
            super()._set_on_error(on_error)

    def _step(self) -> Step:
        """What the engine is to do with an element."""
        raise NotImplementedError

    def _set_on_error(self, on_error: Any) -> None:
        self._site.set_on_error(on_error)
        self._lines.clear()
        if self._site.target is not None:
            super()._set_on_error(on_error)

    def update(self, x: Any, who: Any = None, metadata: Any = None) -> Any:
        """Note what is to be done with the element; let it go if what follows is not more of that."""
        element = self._extended(x, metadata)
        downstreams = self._downstreams()
        if len(downstreams) != 1 or not isinstance(downstreams[0], Fused):
            if self._looks == 0:
                self._is_wanted = _are_gathered(self)
                self._looks = _LOOK_AGAIN
            self._looks -= 1
            element.launch(self._is_wanted)
        return self._emit(element, metadata)

    def _extended(self, x: Any, metadata: Any) -> Element:
        self._ordinal += 1
        if type(x) is not Element:
            session = self._session or _session_of(x)
            is_linked = next(elements_in(x), None) is not None
            return Element(self._longer(session.root), x, metadata, self._ordinal, is_linked=is_linked)
        if x.is_launched:
            return Element(self._longer(x.line.session.root), x, metadata, x.ordinal, is_linked=True)
        return Element(self._longer(x.line), x.base, metadata, x.ordinal, is_linked=x.is_linked)

    def _longer(self, line: Line) -> Line:
        longer = self._lines.get(line)
        if longer is None:
            longer = self._lines[line] = line.longer(self._step())
        return longer


def _session_of(x: Any) -> Session:
    for element in elements_in(x):
        return element.line.session
    from thalweg.parallel.backends import find

    return Session(find())


def _are_gathered(node: ParallelStream) -> bool:
    """Whether the elements a node sends are gathered before anything more is done with them on the engine."""
    from thalweg.parallel.windows import gather

    unseen: list[Stream] = list(node._downstreams())
    seen: list[Stream] = []
    while unseen:
        current = unseen.pop()
        if isinstance(current, gather):
            return True
        if isinstance(current, ParallelStream) and not isinstance(current, Fused) and current not in seen:
            seen.append(current)
            unseen.extend(current._downstreams())
    return False


@ParallelStream.register_api()
class map(Fused):
    """Call a function on each element, on the engine; what an ``async def`` returns is awaited there.

    Parameters
    ----------
    func: callable
    *args:
        Positional arguments for `func`, after the element.
    on_error:
        See :class:`~thalweg.Stream`. Attempts of a :class:`~thalweg.Retry`, and the pauses between them, take place on
        the engine.
    **kwargs:
        Keyword arguments for `func`; and ``stream_name``.

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

    _is_splayed = False

    def __init__(
        self,
        upstream: Stream,
        func: Callable[..., Any],
        *args: Any,
        stream_name: str | None = None,
        on_error: Any = None,
        **kwargs: Any,
    ) -> None:
        check_callable(func, type(self).__name__, "func")
        self.func, self.args, self.kwargs = func, args, kwargs
        super().__init__(upstream, stream_name=stream_name, on_error=on_error)

    def _step(self) -> Step:
        site = self._site
        awaited = is_awaited(self.func)
        return Call(site.number, site.policy(), self.func, self.args, self.kwargs, self._is_splayed, awaited)


@ParallelStream.register_api()
class starmap(map):
    """Call a function on each element, which is a tuple of arguments, on the engine: ``func(*x, *args)``.

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
class pluck(Fused):
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

    def _step(self) -> Step:
        return Pick(self._site.number, self._site.policy(), self.pick)


@ParallelStream.register_api()
class filter(Fused):
    """Pass on the elements for which a predicate, called on the engine, is true; with None, those that are true.

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

    def __init__(
        self,
        upstream: Stream,
        predicate: Callable[..., Any] | None,
        *args: Any,
        stream_name: str | None = None,
        on_error: Any = None,
        **kwargs: Any,
    ) -> None:
        if predicate is not None:
            check_callable(predicate, "filter", "predicate")
        self.predicate, self.args, self.kwargs = predicate, args, kwargs
        super().__init__(upstream, stream_name=stream_name, on_error=on_error)

    def _step(self) -> Step:
        awaited = self.predicate is not None and is_awaited(self.predicate)
        return Filter(self._site.number, self._site.policy(), self.predicate, self.args, self.kwargs, awaited)
