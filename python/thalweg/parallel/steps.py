"""Nodes whose functions are called on an engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from thalweg import _thalweg
from thalweg._thalweg.parallel import Step
from thalweg.parallel.reports import Site
from thalweg.parallel.stream import ParallelStream, session_of
from thalweg.parallel.time_limits import check_can_stop, check_limit
from thalweg.stream import Stream
from thalweg.stream.arguments import check_callable, check_runs, is_awaited
from thalweg.stream.live import Live
from thalweg.stream.names import own_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from thalweg._types import Interval, Placement

__all__ = ["Stepping", "checked_function", "filter", "map", "pluck", "splay", "starmap"]


class Stepping(ParallelStream):
    """A node that adds a step to the work on an element."""

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
        self._site = Site(own_name(self, stream_name), on_error)
        #: Maximum time of one call for one element, in seconds.
        self._limit = check_limit(_time_limit, self._site.name)
        self._session = session_of(upstream)
        if self._limit is not None:
            check_can_stop(self._session.backend, self._site.name)
        self._made = self._step(self._site)
        self._site.apply_to(self._made)
        super().__init__(upstream, stream_name=stream_name, **kwargs)
        self._site.name = own_name(self, stream_name)
        if self._site.target is not None:
            # In that case both are in one pipeline.
            super()._set_on_error(on_error)

    def _step(self, site: Site) -> Step:
        """The engine's step for an element."""
        raise NotImplementedError

    def _build(self, placement: Placement) -> None:
        if self._is_built:
            # An attribute has been assigned.
            self._made.replace(self._step(self._site))
            return
        _thalweg.parallel.through(placement, self._session.queue, self._made, self._limit)

    def _set_on_error(self, on_error: Any) -> None:
        self._site.set_on_error(on_error)
        self._site.apply_to(self._made)
        if self._site.target is not None:
            super()._set_on_error(on_error)


def checked_function(function: Any, operator: str, attribute: str) -> Any:
    """Return a function that is assigned to an attribute, or raise a `TypeError` that names it.

    Examples
    --------
    >>> from thalweg.parallel.steps import checked_function
    >>> checked_function(len, "map", "func")
    <built-in function len>
    """
    check_callable(function, operator, attribute)
    return function


def _check_predicate(predicate: Any, operator: str, attribute: str) -> Any:
    if predicate is not None:
        check_runs(predicate, operator, attribute)
    return predicate


@ParallelStream.register_api()
class map(Stepping):
    """Call a function with each element on the engine; the result of an ``async def`` is awaited there.

    Parameters
    ----------
    func: callable
    *args:
        Positional arguments for `func`, after the element.
    time_limit:
        Time limit of one call for one element: seconds, or text such as ``500ms``. Each such call is a separate task.
        On processes the worker is killed at the limit and replaced; on threads the function's token is cancelled, and
        its result is ignored. The element fails with a `TaskTimeout`.
    on_error:
        See :class:`~thalweg.Stream`. Attempts of a :class:`~thalweg.Retry`, and the pauses between them, happen on the
        engine.
    **kwargs:
        Keyword arguments for `func`; and ``stream_name``.

    Raises
    ------
    BuildError
        The `time_limit` is invalid, or the engine (Dask, an executor) cannot stop calls.

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

    func: Any = Live(checked_function)
    args: Any = Live()
    kwargs: Any = Live()

    _is_splayed = False

    def __init__(
        self,
        upstream: Stream,
        func: Callable[..., Any],
        *args: Any,
        time_limit: Interval | None = None,
        stream_name: str | None = None,
        on_error: Any = None,
        **kwargs: Any,
    ) -> None:
        self.func, self.args, self.kwargs = func, args, kwargs
        super().__init__(upstream, stream_name=stream_name, on_error=on_error, _time_limit=time_limit)

    def _step(self, site: Site) -> Step:
        awaited = is_awaited(self.func)
        return Step.call(site, self.func, self.args, self.kwargs, splayed=self._is_splayed, awaited=awaited)


@ParallelStream.register_api()
class starmap(map):
    """Call a function with each element, a tuple of arguments, on the engine: ``func(*x, *args)``.

    Takes the arguments of `map`.

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

    def __init__(
        self, upstream: Stream, func: Callable[..., Any], *args: Any, _takes_any: bool = False, **kwargs: Any
    ) -> None:
        #: Whether elements that are no sequences are arguments by themselves, as in rapidz.
        self._takes_any = _takes_any
        super().__init__(upstream, func, *args, **kwargs)

    def _step(self, site: Site) -> Step:
        if not self._takes_any:
            return super()._step(site)
        args = (self.func, self.args)
        return Step.call(site, splay, args, self.kwargs, splayed=False, awaited=is_awaited(self.func))


def splay(x: Any, func: Callable[..., Any], args: tuple[Any, ...], /, **kwargs: Any) -> Any:
    """Call a function with the items of a sequence, or with text or anything else, and further arguments.

    Examples
    --------
    >>> from thalweg.parallel.steps import splay
    >>> splay((2, 3), pow, ()), splay(2, pow, (3,))
    (8, 8)
    """
    is_sequence = isinstance(x, Sequence) and not isinstance(x, str)
    return func(*(x if is_sequence else (x,)), *args, **kwargs)


@ParallelStream.register_api()
class pluck(Stepping):
    """Take an item of each element on the engine; with a list of keys, a tuple of items.

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

    pick: Any = Live()

    def __init__(self, upstream: Stream, pick: Any, **kwargs: Any) -> None:
        self.pick = pick
        super().__init__(upstream, **kwargs)

    def _step(self, site: Site) -> Step:
        return Step.pick(site, self.pick)


@ParallelStream.register_api()
class filter(Stepping):
    """Pass on the elements for which a predicate, called on the engine, is true; with None, those that are true.

    Takes the arguments of `map`.

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

    predicate: Any = Live(_check_predicate)
    args: Any = Live()
    kwargs: Any = Live()

    def __init__(
        self,
        upstream: Stream,
        predicate: Callable[..., Any] | None,
        *args: Any,
        time_limit: Interval | None = None,
        stream_name: str | None = None,
        on_error: Any = None,
        **kwargs: Any,
    ) -> None:
        self.predicate, self.args, self.kwargs = predicate, args, kwargs
        super().__init__(upstream, stream_name=stream_name, on_error=on_error, _time_limit=time_limit)

    def _step(self, site: Site) -> Step:
        awaited = self.predicate is not None and is_awaited(self.predicate)
        return Step.filter(site, self.predicate, self.args, self.kwargs, awaited=awaited)
