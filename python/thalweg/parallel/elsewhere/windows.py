"""Nodes that wait for what the engine says of each element, and pass it on in order: as many at a time as it does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, ClassVar

from thalweg import _thalweg
from thalweg.parallel.elsewhere.element import Element, elements_in, replaced
from thalweg.parallel.elsewhere.site import fail
from thalweg.parallel.elsewhere.stream import Fused, ParallelStream
from thalweg.parallel.elsewhere.worker import DROPPED, Failed, Step, TellKey, TellLength
from thalweg.parallel.gather import gather as AnyGather
from thalweg.parallel.stream import places
from thalweg.stream import Stream

__all__ = ["flatten", "gather", "in_turn", "keyed", "settled"]


class _Window(ParallelStream):
    """Calls a function that says what to send for an element."""

    #: Says what to send for an element: a tuple, or something to await that comes to one.
    _resolve: ClassVar[Any]

    def _blueprint(self) -> _thalweg.Blueprint:
        return _thalweg.ops.resolve(self._resolve, places(self._session))

    def __init__(self, upstream: Stream | None, **kwargs: Any) -> None:
        super().__init__(upstream, **kwargs)
        self._is_settled = True


def _resolving(send: Callable[[Any], Any], *, value: bool) -> Callable[[Any], Any]:
    """Make a function that waits until the elements in its argument are known, and then calls `send`."""

    def resolve(x: Any) -> Any:
        if type(x) is Element:
            return send(x) if x.is_known(value=value) else _later(send, x, [x], value)
        unknown = [element for element in elements_in(x) if not element.is_known(value=value)]
        return _later(send, x, unknown, value) if unknown else send(x)

    return resolve


def _later(send: Callable[[Any], Any], x: Any, unknown: list[Element], value: bool) -> Any:
    future = asyncio.get_running_loop().create_future()
    missing = len(unknown)

    def known() -> None:
        nonlocal missing
        missing -= 1
        if missing or future.done():
            return
        try:
            result = send(x)
        except Exception as error:
            future.set_exception(error)
            return
        if type(result) is tuple:
            future.set_result(result)
        else:
            _pass_on(asyncio.ensure_future(result), future)

    for element in unknown:
        element.when_known(known, value=value)
    return future


def _pass_on(task: asyncio.Future[Any], future: asyncio.Future[Any]) -> None:
    def done(task: asyncio.Future[Any]) -> None:
        if future.done():
            return
        error = task.exception()
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(task.result())

    task.add_done_callback(done)


def _without(element: Element, failed: Failed) -> Any:
    """Do what is to be done about a failure, and send nothing."""
    waiting = fail(failed, element.ordinal, element.metadata)
    return _nothing(waiting) if waiting else ()


async def _nothing(awaitables: list[Any]) -> tuple[()]:
    await asyncio.gather(*awaitables)
    return ()


def _values(x: Any) -> Any:
    """Send values."""
    if type(x) is Element:
        value = x.outcome()
        if value is DROPPED:
            return ()
        return _without(x, value) if type(value) is Failed else (value,)
    for element in elements_in(x):
        value = element.outcome()
        if value is DROPPED:
            return ()
        if type(value) is Failed:
            return _without(element, value)
    return (replaced(x, Element.outcome),)


def _survivors(x: Any) -> Any:
    """Send elements that have a value."""
    for element in elements_in(x):
        verdict, _ = element.verdict()
        if verdict is not True:
            return () if verdict is DROPPED else _without(element, verdict)
    return (x,)


def _with_keys(x: Element) -> Any:
    """Send pairs of a key and an element."""
    verdict, key = x.verdict()
    if verdict is True:
        return ((key, x),)
    return () if verdict is DROPPED else _without(x, verdict)


def _items(x: Element) -> Any:
    """Send the items of an element."""
    verdict, length = x.verdict()
    if verdict is True:
        return tuple(x.part(i) for i in range(length))
    return () if verdict is DROPPED else _without(x, verdict)


@ParallelStream.register_api()
class gather(AnyGather):
    """What :class:`thalweg.parallel.gather` is, where values stay elsewhere until then.

    Examples
    --------
    >>> from concurrent.futures import ProcessPoolExecutor
    >>> from multiprocessing import get_context
    >>> from thalweg import Stream
    >>> source = Stream()
    >>> with ProcessPoolExecutor(1, get_context("spawn")) as pool:
    ...     L = source.scatter(pool).map(str).gather().sink_to_list()
    ...     source.emit_many(range(3))
    >>> L
    ['0', '1', '2']
    """

    def _blueprint(self) -> _thalweg.Blueprint:
        return _thalweg.ops.resolve(_wait_for_values, self._places, ordered=self._is_ordered)


_wait_for_values = _resolving(_values, value=True)


class settled(_Window):
    """Pass on the elements that have a value, in order, once that is known. The values stay where they are."""

    _resolve = staticmethod(_resolving(_survivors, value=False))


class in_turn(_Window):
    """The same for several upstreams together: elements go on in the order they came."""

    _resolve = staticmethod(_resolving(_survivors, value=False))

    def __init__(self, upstreams: list[ParallelStream]) -> None:
        self._width = len(upstreams) * places(upstreams[0]._session)
        super().__init__(None, upstreams=upstreams)

    def _blueprint(self) -> _thalweg.Blueprint:
        return _thalweg.ops.resolve(self._resolve, self._width)


class _telling(Fused):
    """Has the engine tell something of each element."""

    def __init__(self, upstream: Stream, make: Callable[..., Step], *args: Any, name: str, **kwargs: Any) -> None:
        self._make_step, self._step_args = make, args
        super().__init__(upstream, **kwargs)
        self._site.name = self.name or name

    def _step(self) -> Step:
        return self._make_step(self._site.number, self._site.policy(), *self._step_args)


class keyed(_Window):
    """Make pairs of each element's key, which is computed on the engine and fetched, and the element, which stays."""

    _resolve = staticmethod(_resolving(_with_keys, value=False))

    def __init__(self, upstream: Stream, key: Any, name: str, **kwargs: Any) -> None:
        super().__init__(_telling(upstream, TellKey, key, name=name, **kwargs))


@ParallelStream.register_api()
class flatten(_Window):
    """Pass on the elements of each element, which is a list or the like; they stay on the engine.

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

    _resolve = staticmethod(_resolving(_items, value=False))

    def __init__(self, upstream: Stream, on_error: Any = None, **kwargs: Any) -> None:
        super().__init__(_telling(upstream, TellLength, name="flatten", on_error=on_error), **kwargs)
