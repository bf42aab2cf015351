"""The part of the client that hands over work."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from types import MethodType
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, overload

from thalweg._thalweg.tasks import Future
from thalweg.runtime.intervals import convert_interval
from thalweg.tasks.client import annotated, registry
from thalweg.tasks.client.base import Base
from thalweg.tasks.client.keys import to_text
from thalweg.tasks.client.watching import watched

if TYPE_CHECKING:
    from thalweg._types import Interval

A = TypeVar("A")
B = TypeVar("B")
P = ParamSpec("P")
T = TypeVar("T")

Key = str | bytes | int | float | tuple[Any, ...]

#: Of a function's code: it is asynchronous.
_COROUTINE = 0x80


class Submission(Base):
    """Hands functions and graphs to the engine; none of this blocks, but for `get`."""

    # The first two give the parameters of a lambda their types, and the third shows those of a function as they are.
    # Options, and futures in the places of their results, are for the last; mypy takes it for a part of the third.
    @overload
    def submit(self, func: Callable[[A], T], a: A, /) -> Future[T]: ...
    @overload
    def submit(self, func: Callable[[A, B], T], a: A, b: B, /) -> Future[T]: ...
    @overload
    def submit(self, func: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]: ...
    @overload
    def submit(  # type: ignore[overload-cannot-match]
        self,
        func: Callable[..., T],
        *args: Any,
        key: Key | None = None,
        workers: Any = None,
        resources: Mapping[str, float] | None = None,
        retries: int | None = None,
        priority: float = 0,
        time_limit: Interval | None = None,
        pure: bool = False,
        fifo_timeout: Any = None,
        allow_other_workers: bool = False,
        actor: bool = False,
        actors: bool = False,
        **kwargs: Any,
    ) -> Future[T]: ...
    def submit(  # type: ignore[misc]
        self,
        func: Callable[..., T],
        *args: Any,
        key: Key | None = None,
        workers: Any = None,
        resources: Mapping[str, float] | None = None,
        retries: int | None = None,
        priority: float = 0,
        time_limit: Interval | None = None,
        pure: bool = False,
        fifo_timeout: Any = None,
        allow_other_workers: bool = False,
        actor: bool = False,
        actors: bool = False,
        **kwargs: Any,
    ) -> Future[T]:
        """Call a function on a worker.

        Parameters
        ----------
        func, *args, **kwargs
            What to call. Futures in the arguments, also in lists, tuples, sets and dictionaries, become their results.
            An asynchronous function is run to its end, on an event loop of its own.
        key
            The task's name: text, bytes, a number, or a tuple of these. If somebody holds a future of that name
            already, it is the same call, and the future is of the same task.
        resources
            What of the workers' resources it takes while it runs.
        retries
            How often to try again if it fails.
        priority
            Those with a higher one go first.
        time_limit
            How long it may run. On processes it is stopped then, whatever it does; on threads it is told so by its
            token. The future raises `TimeoutError`.
        pure
            Whether the same call gives the same result, and need not run again while there is a future of it.
        actor
            Whether the function is a class whose object is to stay on a worker: the future is of its `Actor`.

        Raises
        ------
        ClosedClientError
            The client has been closed.
        ValueError
            Another call has that key.

        Examples
        --------
        >>> from thalweg.tasks import Client
        >>> with Client() as client:
        ...     a = client.submit(abs, -1)
        ...     client.submit(max, [a, 0]).result()
        1
        """
        if not callable(func):
            raise TypeError(f"submit: a function to call, and not {func!r}")
        _refuse_placement("submit", workers, allow_other_workers)
        if actor or actors:
            from thalweg.tasks.process.actors import create

            made: Future[T] = create(self._engine, func, args, kwargs, None if key is None else to_text(key))
            return made
        if "dask.base" in sys.modules and (said := annotated.current()):
            given = {"resources": resources, "retries": retries, "priority": priority or None, "time_limit": time_limit}
            resources, retries, priority, time_limit = _either(given, said)
        call = None
        if key is not None:
            from thalweg.tasks.client.tokenize import call_id

            key, call = to_text(key), call_id(func, args, kwargs)
        elif pure:
            from thalweg.tasks.client.tokenize import key_of

            key = key_of(func, args, kwargs)
        options: dict[str, Any] = {} if call is None else {"call": call}
        return self._engine.submit(
            watched(self._engine, _runnable(func), key),
            args,
            kwargs or None,
            key=key,
            priority=priority,
            retries=retries or 0,
            resources=self._available(resources) if resources else None,
            time_limit=None if time_limit is None else convert_interval(time_limit),
            **options,
        )

    @overload
    def map(self, func: Callable[[A], T], iterable: Iterable[A], /) -> list[Future[T]]: ...
    @overload
    def map(self, func: Callable[[A, B], T], first: Iterable[A], second: Iterable[B], /) -> list[Future[T]]: ...
    @overload
    def map(
        self,
        func: Callable[..., T],
        *iterables: Iterable[Any],
        key: str | list[Key] | None = None,
        workers: Any = None,
        resources: Mapping[str, float] | None = None,
        retries: int | None = None,
        priority: float = 0,
        time_limit: Interval | None = None,
        pure: bool = False,
        batch_size: int | None = None,
        fifo_timeout: Any = None,
        allow_other_workers: bool = False,
        actor: bool = False,
        actors: bool = False,
        **kwargs: Any,
    ) -> list[Future[T]]: ...
    def map(
        self,
        func: Callable[..., T],
        *iterables: Iterable[Any],
        key: str | list[Key] | None = None,
        workers: Any = None,
        resources: Mapping[str, float] | None = None,
        retries: int | None = None,
        priority: float = 0,
        time_limit: Interval | None = None,
        pure: bool = False,
        batch_size: int | None = None,
        fifo_timeout: Any = None,
        allow_other_workers: bool = False,
        actor: bool = False,
        actors: bool = False,
        **kwargs: Any,
    ) -> list[Future[T]]:
        """Call a function on each element, or on each of several iterables' elements together, up to the shortest.

        It takes what `submit` takes; a key is what all keys begin with, or a list of them. All calls are handed over at
        once, in whatever `batch_size`.

        Examples
        --------
        >>> from thalweg.tasks import Client
        >>> with Client() as client:
        ...     client.gather(client.map(pow, [2, 3], [3, 2]))
        [8, 9]
        """
        if not callable(func):
            raise TypeError(f"map: a function to call, and not {func!r}")
        if not iterables:
            raise TypeError("map: what to call the function on is missing")
        if batch_size is not None and batch_size < 1:
            raise ValueError(f"batch_size: at least 1, not {batch_size}")
        _refuse_placement("map", workers, allow_other_workers)
        if actor or actors:
            return [self.submit(func, *row, actor=True, **kwargs) for row in zip(*iterables, strict=False)]
        if "dask.base" in sys.modules and (said := annotated.current()):
            given = {"resources": resources, "retries": retries, "priority": priority or None, "time_limit": time_limit}
            resources, retries, priority, time_limit = _either(given, said)
        if pure or isinstance(key, (list, tuple)):
            options = {"resources": resources, "retries": retries, "priority": priority, "time_limit": time_limit}
            return self._map_by_key(func, iterables, key, pure, options, kwargs)
        return self._engine.map(
            watched(self._engine, _runnable(func)),
            iterables,
            kwargs or None,
            key=key,
            priority=priority,
            retries=retries or 0,
            resources=self._available(resources) if resources else None,
            time_limit=None if time_limit is None else convert_interval(time_limit),
        )

    def normalize_collection(self, collection: Any) -> Any:
        """Return a collection of Dask's with futures in the places of tasks that are there already, by their keys.

        Examples
        --------
        >>> from dask import delayed
        >>> from thalweg.tasks import Client
        >>> with Client() as client:
        ...     first = delayed(abs)(-1)
        ...     second = delayed(abs)(first)
        ...     kept = client.persist(first)
        ...     normal = client.normalize_collection(second)
        ...     [type(task).__name__ for task in second.dask.values()], normal.compute()
        ...     sorted(type(task).__name__ for task in normal.dask.values())
        (['Task', 'Task'], 1)
        ['FutureNode', 'Task']
        """
        from thalweg.tasks.client.collections import normalize

        return normalize(self._engine, collection)

    def _available(self, resources: Mapping[str, float]) -> dict[str, float]:
        there = registry.shared(self._engine).resources
        for name, amount in resources.items():
            if not isinstance(amount, (int, float)) or not 0 <= amount <= there.get(name, 0):
                has = f"has {there[name]:g}" if name in there else "has none"
                raise ValueError(f"resources: {amount!r} of {name!r}, where a worker {has}")
        return dict(resources)

    def _map_by_key(
        self,
        func: Callable[..., T],
        iterables: tuple[Iterable[Any], ...],
        key: str | list[Key] | None,
        pure: bool,
        options: dict[str, Any],
        kwargs: dict[str, Any],
    ) -> list[Future[T]]:
        rows = list(zip(*iterables, strict=False))
        if isinstance(key, (list, tuple)):
            if len(key) != len(rows):
                raise ValueError(f"key: there are {len(key)} keys for {len(rows)} calls")
            return [self.submit(func, *row, key=each, **options, **kwargs) for row, each in zip(rows, key, strict=True)]
        return [self.submit(func, *row, pure=pure, **options, **kwargs) for row in rows]

    def compute(self, collections: Any, sync: bool = False, **kwargs: Any) -> Any:
        """Compute collections of Dask's: futures of what ``dask.compute`` would return.

        Parameters
        ----------
        collections
            A collection, such as an array or what ``dask.delayed`` makes, or several in a list.
        sync
            Whether to wait, and return the results.
        **kwargs
            ``optimize_graph``, ``traverse``, and ``resources``, ``retries``, ``priority`` and ``time_limit`` of each
            task.

        Examples
        --------
        >>> from dask import delayed
        >>> from thalweg.tasks import Client
        >>> with Client() as client:
        ...     client.compute(delayed(sum)([delayed(abs)(-1), 2])).result()
        3
        """
        from thalweg.tasks.client.collections import compute

        futures = compute(self._engine, collections, **kwargs)
        return self.gather(futures) if sync else futures

    def persist(self, collections: Any, **kwargs: Any) -> Any:
        """Compute collections of Dask's, and return them with their chunks as futures.

        It takes what `compute` takes.

        Examples
        --------
        >>> import dask.array
        >>> from thalweg.tasks import Client
        >>> with Client() as client:
        ...     ones = client.persist(dask.array.ones(6, chunks=3))
        ...     print(client.compute(ones.sum()).result())
        6.0
        """
        from thalweg.tasks.client.collections import persist

        return persist(self._engine, collections, **kwargs)

    def get(self, dsk: Any, keys: Any, *, sync: bool = True, asynchronous: bool | None = None, **kwargs: Any) -> Any:
        """Compute keys of a graph of Dask's: what ``dask.config.set(scheduler=client.get)`` wants.

        Examples
        --------
        >>> from thalweg.tasks import Client
        >>> with Client() as client:
        ...     client.get({"a": 1, "b": (abs, -2), "c": (sum, ["a", "b"])}, ["c", "a"])
        [3, 1]
        """
        from thalweg._thalweg.tasks import OutOfTheWay
        from thalweg.tasks.client.collections import get

        futures = get(self._engine, dsk, keys, **kwargs)
        if not sync:
            return futures
        if asynchronous or (asynchronous is None and self.asynchronous):
            return self.gather(futures, asynchronous=True)
        # In a task, it would wait for others with a thread that they need.
        with OutOfTheWay():
            return self._gather_now(futures, False)


def _either(given: dict[str, Any], said: dict[str, Any]) -> tuple[Any, Any, Any, Any]:
    chosen = {name: said.get(name) if value is None else value for name, value in given.items()}
    return chosen["resources"], chosen["retries"], chosen["priority"] or 0, chosen["time_limit"]


def _runnable(function: Callable[..., Any]) -> Callable[..., Any]:
    code = getattr(function, "__code__", None)
    if code is not None and not code.co_flags & _COROUTINE and "tornado.gen" not in sys.modules:
        return function
    inner = function
    while isinstance(inner, (partial, MethodType)):
        inner = inner.func if isinstance(inner, partial) else inner.__func__
    code = getattr(inner, "__code__", None)
    if code is None and inner is not None:
        # An object whose call is asynchronous.
        code = getattr(vars(type(inner)).get("__call__"), "__code__", None)
    if code is not None and (code.co_flags & _COROUTINE or getattr(inner, "__tornado_coroutine__", False)):
        return partial(_run_coroutine, function)
    return function


def _run_coroutine(function: Callable[..., Awaitable[T]], /, *args: Any, **kwargs: Any) -> T:
    async def run() -> T:
        return await function(*args, **kwargs)

    return asyncio.run(run())


def run_awaitable(awaitable: Awaitable[T]) -> T:
    """Run something to its end, on an event loop of its own.

    Examples
    --------
    >>> import asyncio
    >>> from thalweg.tasks.client.submission import run_awaitable
    >>> run_awaitable(asyncio.sleep(0, "awake"))
    'awake'
    """

    async def run() -> T:
        return await awaitable

    return asyncio.run(run())


def _refuse_placement(method: str, workers: Any, allow_other_workers: bool) -> None:
    if workers is not None and not allow_other_workers:
        raise ValueError(f"{method}: workers: {workers!r}: tasks go to whichever worker is free")
