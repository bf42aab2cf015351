"""The part of the client that submits tasks."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from operator import index
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, overload

from thalweg._thalweg.tasks import Future
from thalweg.runtime.intervals import convert_interval
from thalweg.tasks.client import annotated, registry
from thalweg.tasks.client.base import Base
from thalweg.tasks.client.coroutines import runnable
from thalweg.tasks.client.keys import to_text
from thalweg.tasks.client.watching import watched

if TYPE_CHECKING:
    from thalweg._types import Interval

A = TypeVar("A")
B = TypeVar("B")
P = ParamSpec("P")
T = TypeVar("T")

Key = str | bytes | int | float | tuple[Any, ...]


class Submission(Base):
    """Submits functions and graphs to the engine; nothing here blocks, except `get`."""

    # The first two overloads give the parameters of a lambda their types, and the third keeps a function's own
    # parameters. Options, and futures in place of results, need the last; mypy considers it part of the third.
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
            The function. Futures in the arguments, also in lists, tuples, sets and dictionaries, are replaced by their
            results. An asynchronous function is run to its end, on a separate event loop.
        key
            The task's name: text, bytes, a number, or a tuple of these. If a future with that name is referenced
            already, it is the same call, and the new future is of the same task.
        resources
            Resources of the worker that it takes while it runs.
        retries
            Number of retries if it fails.
        priority
            Tasks with a higher priority run first.
        time_limit
            Time limit of a run. On processes it is killed then; on threads its token is cancelled. The future raises
            `TimeoutError`.
        pure
            Whether equal calls have equal results, so that a call need not run again while there is a future of it.
        actor
            Whether the function is a class whose object stays on a worker: the future is of its `Actor`.

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
            watched(self._engine, runnable(func), key),
            args,
            kwargs or None,
            key=key,
            priority=priority or 0,
            retries=_retries(retries) if retries else 0,
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
        """Call a function with each element, or with the elements of several iterables together, up to the shortest.

        Takes the arguments of `submit`; a key is the prefix of all keys, or a list of them. All calls are submitted at
        once, whatever the `batch_size`.

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
            watched(self._engine, runnable(func)),
            iterables,
            kwargs or None,
            key=key,
            priority=priority or 0,
            retries=_retries(retries) if retries else 0,
            resources=self._available(resources) if resources else None,
            time_limit=None if time_limit is None else convert_interval(time_limit),
        )

    def normalize_collection(self, collection: Any) -> Any:
        """Return a Dask collection in which existing tasks are replaced by their futures, by key.

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
        if not hasattr(resources, "items"):
            raise TypeError(f"resources: a dict of names and amounts, not {resources!r}")
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
        """Compute Dask collections: futures of the results of ``dask.compute``.

        Parameters
        ----------
        collections
            A collection, such as an array or a ``dask.delayed`` object, or a list of several.
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
        """Compute Dask collections, and return them with their chunks as futures.

        Takes the arguments of `compute`.

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
        """Compute keys of a Dask graph: the function for ``dask.config.set(scheduler=client.get)``.

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
        # In a task, it would block a thread that the others need.
        with OutOfTheWay():
            return self._gather_now(futures, False)


def _retries(retries: Any) -> int:
    try:
        # More than an engine counts are as good as any number.
        return min(index(retries), 2**32 - 1)
    except TypeError:
        raise TypeError(f"retries: a whole number, not {retries!r}") from None


def _either(given: dict[str, Any], said: dict[str, Any]) -> tuple[Any, Any, Any, Any]:
    chosen = {name: said.get(name) if value is None else value for name, value in given.items()}
    return chosen["resources"], chosen["retries"], chosen["priority"] or 0, chosen["time_limit"]


def _refuse_placement(method: str, workers: Any, allow_other_workers: bool) -> None:
    if workers is not None and not allow_other_workers:
        raise ValueError(f"{method}: workers: {workers!r}: tasks go to whichever worker is free")
