"""The class :class:`ParallelStream`, and the nodes whose functions are called on an engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from thalweg.parallel.elsewhere.element import Element, elements_in
from thalweg.parallel.elsewhere.launcher import Line, Session
from thalweg.parallel.elsewhere.limits import limited
from thalweg.parallel.elsewhere.site import Site
from thalweg.parallel.elsewhere.worker import Call, Filter, Pick, Step
from thalweg.parallel.stream import ParallelStream as AnyParallelStream
from thalweg.parallel.stream import common_session
from thalweg.parallel.timeouts import check_can_stop, check_limit
from thalweg.stream import Stream
from thalweg.stream.arguments import check_callable, is_awaited
from thalweg.stream.node import describe

__all__ = ["Fused", "ParallelStream", "filter", "map", "pluck", "scatter", "starmap"]


class ParallelStream(AnyParallelStream):
    """A stream on an engine where values stay until they are gathered.

    What is said of :class:`thalweg.parallel.ParallelStream` holds, except that windows, joins and the like leave the
    values where they are.

    Examples
    --------
    >>> from concurrent.futures import ProcessPoolExecutor
    >>> from thalweg import Stream
    >>> from thalweg.parallel.elsewhere import ParallelStream
    >>> isinstance(Stream().scatter(ProcessPoolExecutor()), ParallelStream)
    True
    """

    def _values(self) -> Stream:
        from thalweg.parallel.elsewhere.windows import gather

        return gather(self)

    def _launched(self) -> Stream:
        return self


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
            common_session([upstream, self])
        self._ordinal = 0
        super().__init__(upstream, **kwargs)
        assert self._session is not None
        self._session.backend.entrances.add(self)

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

    def __init__(
        self,
        upstream: Stream,
        stream_name: str | None = None,
        on_error: Any = None,
        *,
        _timeout: Any = None,
        **kwargs: Any,
    ) -> None:
        self._site = Site(stream_name or describe(self), on_error)
        #: How long one call for one element may take, in seconds.
        self._limit = check_limit(_timeout, self._site.name)
        session = getattr(upstream, "_session", None)
        if self._limit is not None and session is not None:
            check_can_stop(session.backend, self._site.name)
        self._ordinal = 0
        self._lines: dict[Line, Line] = {}
        self._is_wanted = False
        self._looks = 0
        super().__init__(upstream, stream_name=stream_name, **kwargs)
        self._site.name = stream_name or describe(self)
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
        if self._limit is not None or not _is_one_step_more(downstreams):
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
        if self._limit is not None and not x.is_bare:
            x.launch()
        if x.is_launched:
            return Element(self._longer(x.line.session.root), x, metadata, x.ordinal, is_linked=True)
        return Element(self._longer(x.line), x.base, metadata, x.ordinal, is_linked=x.is_linked)

    def _longer(self, line: Line) -> Line:
        longer = self._lines.get(line)
        if longer is None:
            longer = self._lines[line] = self._line_after(line)
        return longer

    def _line_after(self, line: Line) -> Line:
        if self._limit is None:
            return line.longer(self._step())
        check_can_stop(line.session.backend, self._site.name)
        return limited(line.session, self._step(), self._limit)


def _is_one_step_more(downstreams: Any) -> bool:
    """Whether all that follows is one more step, which can be done in the same task."""
    return len(downstreams) == 1 and isinstance(downstreams[0], Fused) and downstreams[0]._limit is None


def _session_of(x: Any) -> Session:
    for element in elements_in(x):
        return element.line.session
    from thalweg.parallel.backends import find

    return Session(find())


def _are_gathered(node: ParallelStream) -> bool:
    """Whether the elements a node sends are gathered before anything more is done with them on the engine."""
    from thalweg.parallel.elsewhere.windows import gather

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
    timeout:
        How long one call for one element may take, in seconds; each such call is a task of its own. On processes the
        worker is killed then and replaced; on threads the function's token says that it is to end. The element has
        failed with a `TaskTimeout`. A function with a keyword of that name gets it by ``functools.partial``.
    on_error:
        See :class:`~thalweg.Stream`. Attempts of a :class:`~thalweg.Retry`, and the pauses between them, take place on
        the engine.
    **kwargs:
        Keyword arguments for `func`; and ``stream_name``.

    Raises
    ------
    BuildError
        The `timeout` is no length of time, or the engine, which is Dask's or an executor, can't stop calls.

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
        timeout: float | None = None,
        stream_name: str | None = None,
        on_error: Any = None,
        **kwargs: Any,
    ) -> None:
        check_callable(func, type(self).__name__, "func")
        self.func, self.args, self.kwargs = func, args, kwargs
        super().__init__(upstream, stream_name=stream_name, on_error=on_error, _timeout=timeout)

    def _step(self) -> Step:
        site = self._site
        awaited = is_awaited(self.func)
        return Call(site.number, site.policy(), self.func, self.args, self.kwargs, self._is_splayed, awaited)


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

    def __init__(
        self,
        upstream: Stream,
        predicate: Callable[..., Any] | None,
        *args: Any,
        timeout: float | None = None,
        stream_name: str | None = None,
        on_error: Any = None,
        **kwargs: Any,
    ) -> None:
        if predicate is not None:
            check_callable(predicate, "filter", "predicate")
        self.predicate, self.args, self.kwargs = predicate, args, kwargs
        super().__init__(upstream, stream_name=stream_name, on_error=on_error, _timeout=timeout)

    def _step(self) -> Step:
        awaited = self.predicate is not None and is_awaited(self.predicate)
        return Filter(self._site.number, self._site.policy(), self.predicate, self.args, self.kwargs, awaited)
