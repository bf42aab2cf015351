"""Actors: objects on a worker, whose methods are called there, one at a time."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import threading
from collections.abc import Awaitable, Callable, Generator
from functools import partial
from inspect import iscoroutinefunction
from itertools import count
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from thalweg.runtime.intervals import convert_interval
from thalweg.tasks.client import registry
from thalweg.tasks.client.options import turn
from thalweg.tasks.client.waiting import block, error_of, result_of, settled, signal_of
from thalweg.tasks.errors import ClosedClientError
from thalweg.tasks.process.context import get_worker, rejoin, secede

if TYPE_CHECKING:
    from thalweg._thalweg.tasks import Interest
    from thalweg._types import Interval
    from thalweg.tasks.client.client import Client

__all__ = ["Actor", "ActorFuture", "create"]

_places = count()


class Actor:
    """Proxy of an object on a worker. Its methods return an `ActorFuture` at once.

    Calls of one actor's methods run one at a time, in the order of the requests; so do those of all actors that share a
    worker, of which threads count as ``n_workers``. Asynchronous methods may wait for each other: they run on one event
    loop of their worker, and start in any order. The object lives as long as its worker. Its attributes are read there;
    in an asynchronous client's loop they are awaited.

    Examples
    --------
    >>> from thalweg.tasks import Client
    >>> class Counter:
    ...     n = 0
    ...     def increment(self, by=1):
    ...         self.n += by
    ...         return self.n
    >>> with Client() as client:
    ...     counter = client.submit(Counter, actor=True).result()
    ...     first = counter.increment()
    ...     counter.increment(by=4).result(), counter.n
    (5, 5)
    """

    def __init__(self, cls: type, key: str, place: int, pid: int, workspace: str) -> None:
        self._cls, self._key, self._place, self._pid, self._workspace = cls, key, place, pid, workspace

    @property
    def key(self) -> str:
        """Unique id."""
        return self._key

    def __reduce__(self) -> Any:
        return Actor, (self._cls, self._key, self._place, self._pid, self._workspace)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if callable(getattr(self._cls, name, None)):
            return partial(self._call, _method, name)
        value = self._call(_attribute, name)
        return value if self._client().asynchronous else value.result()

    def _client(self) -> Client:
        # Not the default client, which may have become another one.
        engine = registry.engine_with(self._workspace)
        if engine is None:
            raise ClosedClientError(
                f"the actor {self._key} is out of reach: its client has been closed, or is in another process"
            )
        return registry.client_of(engine)

    def _call(self, operation: Any, name: str, /, *args: Any, **kwargs: Any) -> ActorFuture:
        client = self._client()
        engine = client._engine
        may_wait = operation is _method and iscoroutinefunction(getattr(self._cls, name))
        if self._pid == os.getpid() and registry.task_engine() is engine:
            # A task on the actor's own worker, which may have the only thread there.
            if may_wait:
                return _Running(_begin(client, _called(self._key, name, args, kwargs)))
            return _Returned(operation, self._key, name, args, kwargs)
        there = _at(engine, self._place, takes_turn=not may_wait)
        return ActorFuture(engine.submit(operation, (self._key, name, args, kwargs), None, resources=there))

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *dir(self._cls)})

    def __repr__(self) -> str:
        return f"<Actor: {self._cls.__name__}, key={self._key}>"


class ActorFuture:
    """Result of an actor's method, to be waited for or awaited, also by `as_completed`."""

    def __init__(self, task: Any) -> None:
        self._task = task

    def result(self, timeout: Interval | None = None) -> Any:
        """Wait for the method's result, and raise its exception.

        Raises
        ------
        TimeoutError
            It has not returned in time.
        RuntimeError
            The worker that had the actor has died.
        """
        block(settled([self._task], frozenset()), None if timeout is None else convert_interval(timeout))
        error = error_of(self._task)
        if error is not None:
            raise error
        return result_of(self._task)

    def done(self) -> bool:
        """Whether the method has returned."""
        done: bool = self._task.done()
        return done

    def __await__(self) -> Generator[Any, None, Any]:
        result: Generator[Any, None, Any] = self._task.__await__()
        return result

    @property
    def status(self) -> str:
        """State of the call: ``pending``, ``finished`` or ``error``."""
        status: str = self._task.status
        return status

    def _notify_holder(self, callback: Callable[[ActorFuture], object], interest: Interest) -> None:
        self._task._notify_holder(lambda _: callback(self), interest)

    def _result_here(self) -> Any:
        return self._task._result_here()

    def __repr__(self) -> str:
        return "<ActorFuture>"


class _Returned(ActorFuture):
    """A finished call, made locally where the actor lives."""

    def __init__(self, operation: Any, *args: Any) -> None:
        self._value: Any = None
        self._error: BaseException | None = None
        try:
            self._value = operation(*args)
        except BaseException as error:
            self._error = error

    def result(self, timeout: Interval | None = None) -> Any:
        if self._error is not None:
            raise self._error
        return self._value

    def done(self) -> bool:
        return True

    @property
    def status(self) -> str:
        return "finished" if self._error is None else "error"

    def _notify_holder(self, callback: Callable[[ActorFuture], object], interest: Interest) -> None:
        callback(self)

    def _result_here(self) -> Any:
        return self.result()

    def __await__(self) -> Generator[Any, None, Any]:
        yield from ()
        return self.result()


class _Running(ActorFuture):
    """A call of an asynchronous method, made locally where the actor lives."""

    def __init__(self, running: concurrent.futures.Future[Any]) -> None:
        self._running = running

    def result(self, timeout: Interval | None = None) -> Any:
        return block(signal_of(self._running), None if timeout is None else convert_interval(timeout))

    def done(self) -> bool:
        return self._running.done()

    @property
    def status(self) -> str:
        if not self._running.done():
            return "pending"
        return "finished" if self._running.exception() is None else "error"

    def _notify_holder(self, callback: Callable[[ActorFuture], object], interest: Interest) -> None:
        self._running.add_done_callback(lambda _: callback(self))

    def _result_here(self) -> Any:
        return self._running.result()

    def __await__(self) -> Generator[Any, None, Any]:
        return asyncio.wrap_future(self._running).__await__()


def create(engine: Any, cls: Any, args: tuple[Any, ...], kwargs: dict[str, Any], key: str | None) -> Any:
    """Create an object on a worker; the future is of its `Actor`."""
    if not isinstance(cls, type):
        raise TypeError(f"submit: an actor is of a class, and not of {cls!r}")
    key = key or f"{cls.__name__}-{uuid4().hex}"
    places = len(engine.info()["workers"]) if engine.kind == "processes" else registry.shared(engine).asked_workers
    place = next(_places) % places
    # Without a turn: what creates it may be a method of an actor in the same place, and wait for it.
    there = _at(engine, place, takes_turn=False)
    return engine.submit(_create, (cls, key, place, args, kwargs), None, key=key, resources=there)


def _at(engine: Any, place: int, takes_turn: bool) -> dict[str, float] | None:
    """Resources of a call there: the worker process, and its turn."""
    if engine.kind == "processes":
        return {f"worker {place}": 0.0, **({turn(0): 1.0} if takes_turn else {})}
    return {turn(place): 1.0} if takes_turn else None


def _create(cls: type, key: str, place: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Actor:
    get_worker().actors[key] = (cls(*args, **kwargs), threading.RLock())
    return Actor(cls, key, place, os.getpid(), registry.shared(registry.default_client()._engine).workspace)


def _found(key: str) -> tuple[Any, threading.RLock]:
    found: tuple[Any, threading.RLock] | None = get_worker().actors.get(key)
    if found is None:
        raise RuntimeError(f"the actor {key} is lost: the worker that had it has died")
    return found


def _called(key: str, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    instance, lock = _found(key)
    with lock:
        return getattr(instance, name)(*args, **kwargs)


def _method(key: str, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    result = _called(key, name, args, kwargs)
    if not hasattr(result, "__await__"):
        return result
    running = signal_of(_begin(registry.default_client(), result))
    # What it waits for may need this thread.
    secede()
    try:
        return block(running, None)
    finally:
        rejoin()


def _begin(client: Client, awaitable: Awaitable[Any]) -> concurrent.futures.Future[Any]:
    """Run an asynchronous method's coroutine on the loop of this process."""
    from thalweg.runtime import loops

    async def run() -> Any:
        # A thread of the loop is not one of the client's.
        registry.current.set(client)
        return await awaitable

    return asyncio.run_coroutine_threadsafe(run(), loops.find(False))


def _attribute(key: str, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    instance, lock = _found(key)
    with lock:
        return getattr(instance, name)
