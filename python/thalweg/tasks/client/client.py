"""The client: hands functions to workers, and gets their results."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4
from weakref import ref

from thalweg._thalweg.tasks import Engine, Future
from thalweg.runtime.intervals import convert_interval
from thalweg.tasks.client import absent, closing, registry, tree
from thalweg.tasks.client.closing import patience
from thalweg.tasks.client.datasets import Datasets
from thalweg.tasks.client.events import Events
from thalweg.tasks.client.inspection import Inspection
from thalweg.tasks.client.keys import to_text
from thalweg.tasks.client.options import Options, refuse_unknown
from thalweg.tasks.client.recreation import Recreation
from thalweg.tasks.client.submission import Submission
from thalweg.tasks.client.waiting import FAILED, block, either, later, raisable, result_of, settled, signal_of
from thalweg.tasks.errors import ClosedClientError
from thalweg.tasks.process.forwarding import Forwarding

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import TracebackType

    from typing_extensions import Self

    from thalweg._types import Interval
    from thalweg.tasks.client.executor import ClientExecutor
    from thalweg.view.dashboard import Dashboard

__all__ = ["Client"]


class Client(Submission, Inspection, Datasets, Events, Forwarding, Recreation):
    """Runs functions on threads or processes, here, or on a cluster of Dask's.

    Without an address it starts workers of its own. They end when the client is closed or dropped with all its
    futures, and when the program ends.

    Parameters
    ----------
    address
        The address of a scheduler of Dask's, such as ``"tcp://host:8786"``; or a cluster: a `LocalCluster`, or one of
        Dask's. A number is how many workers to start.
    n_workers, threads_per_worker
        How many workers, and how many tasks each of them runs at a time. Threads are one pool, of both numbers'
        product; if neither is given, of four more than there are cores, and not more than 32, for most tasks on threads
        wait for something. Processes are as many as there are cores, with one thread each.
    processes
        Whether workers are processes: they use several cores for Python code, and can be stopped; functions, arguments
        and results are pickled. Threads start at once and share everything.
    asynchronous
        Whether what would block is to be awaited instead, where an event loop runs.
    memory_limit
        How much memory each worker process may use: bytes, text such as ``"2 GiB"``, or a part of all there is, up to
        1.0.
    resources
        What there is of things that tasks ask for by `submit`, on each worker, such as ``{"GPU": 1}``.
    preload
        Names of modules that each worker process imports before it takes tasks, so that the first of them do not wait
        for that.
    initializer, initargs
        What each worker process calls before it takes tasks, also one that replaces another. Threads are one worker:
        it is called once, at once.
    worker_ttl
        How long a worker process may not answer before it is killed and another takes its place, in seconds or as text
        such as ``"5 min"``; None: for ever. A worker answers also while a task holds the GIL. It does not if it has
        been stopped, by a debugger say, or if a task has closed its descriptors.
    set_as_default
        Whether streams, locks and the like use this client if none is given.
    timeout
        How long to try to connect to an address.
    name
        A name, to tell clients apart.
    dashboard_address
        Where to serve a dashboard until the client is closed, such as ``":8787"``; see :func:`thalweg.dashboard`.
    **kwargs
        What Dask's client takes besides; nothing depends on it unless there is an address.

    Raises
    ------
    OSError
        The scheduler can't be reached.
    ImportError
        Dask, which speaks to schedulers, is not installed.
    TypeError, ValueError
        There is no such argument, or it can't have that value.

    Examples
    --------
    >>> from thalweg.tasks import Client
    >>> with Client() as client:
    ...     squares = client.map(lambda x: x * x, range(4))
    ...     total = client.submit(sum, squares)
    ...     client.gather(squares), total.result()
    ([0, 1, 4, 9], 14)

    Asynchronous:

    >>> import asyncio
    >>> async def main():
    ...     async with Client(asynchronous=True) as client:
    ...         return await client.submit(abs, -1)
    >>> asyncio.run(main())
    1
    """

    #: The dashboard that it serves, if it has begun it.
    _dashboard: Dashboard | None = None

    def __new__(cls, address: object = None, *args: Any, **kwargs: Any) -> Self:
        """Connect by Dask's client where there is an address."""
        if address is None or isinstance(address, int) or hasattr(address, "_options"):
            return super().__new__(cls)
        from thalweg.tasks.dask.connect import connect

        # It is not of this class, so that `__init__` is not called.
        connected: Self = connect(address, *args, **kwargs)
        return connected

    def __init__(
        self,
        address: Any = None,
        *,
        n_workers: int | None = None,
        threads_per_worker: int | None = None,
        processes: bool = False,
        asynchronous: bool = False,
        memory_limit: int | float | str | None = None,
        resources: Mapping[str, float] | None = None,
        preload: str | Iterable[str] | None = None,
        initializer: Callable[..., Any] | None = None,
        initargs: tuple[Any, ...] = (),
        worker_ttl: Interval | None = "30s",
        set_as_default: bool = True,
        timeout: Interval | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        dashboard_address = kwargs.pop("dashboard_address", None)
        refuse_unknown("Client", kwargs)
        if dashboard_address is not None:
            from thalweg.view.dashboard import running, serve_at

            before = running()
            served = serve_at(dashboard_address)
            self._dashboard = served if before is None else None
        if timeout is not None:
            convert_interval(timeout)
        if isinstance(address, int):
            if n_workers is not None:
                raise TypeError("Client: the number of workers is given twice")
            n_workers = address
            address = None
        self._options: Options | None = None
        if address is None:
            self._options = Options(
                n_workers,
                threads_per_worker,
                bool(processes),
                memory_limit,
                resources,
                preload,
                initializer,
                tuple(initargs),
                worker_ttl,
            )
            engine = self._options.start()
        else:
            engine = address._engine
        self._begin(engine, asynchronous, name)
        self.cluster = address
        if set_as_default:
            registry.make_default(self)
            self._serve_dask()

    def _begin(self, engine: Engine, asynchronous: bool, name: str | None) -> None:
        self._engine = engine
        self._asynchronous = asynchronous
        if asynchronous:
            engine.asynchronous = True
        self.name = name
        self.cluster = None
        mine = registry.shared(engine)
        if mine.client is None or mine.client() is None:
            mine.client = ref(self)

    @classmethod
    def _around(cls, engine: Engine) -> Client:
        """Make a client for an engine that runs already."""
        client = cls.__new__(cls)
        client._options = None
        client._begin(engine, False, None)
        return client

    def _serve_dask(self) -> None:
        if "dask.base" in sys.modules:
            from thalweg.tasks.client.collections import serve

            serve()

    @property
    def asynchronous(self) -> bool:
        """Whether methods return something to await here: in a loop, if the client was made so."""
        return self._asynchronous and asyncio._get_running_loop() is not None

    @property
    def engine(self) -> Engine:
        """Kind of the workers: ``"threads"`` or ``"processes"``."""
        return self._engine

    @property
    def closed(self) -> bool:
        """Whether the client has been closed."""
        return self._engine.closed

    @property
    def status(self) -> Literal["running", "closed"]:
        """Status of the client."""
        return "closed" if self.closed else "running"

    @property
    def loop(self) -> Any:
        """The event loop that runs here, or else the one on a thread, which `sync` uses."""
        from thalweg.runtime import loops

        running = asyncio._get_running_loop()
        return loops.to_user(loops.find(False) if running is None else running)

    @property
    def futures(self) -> dict[Any, Future[Any]]:
        """The live tasks that were given keys, scattered values and chunks of persisted collections included, by their
        keys.

        Examples
        --------
        >>> from thalweg.tasks import Client
        >>> with Client() as client:
        ...     future = client.submit(abs, -1, key="one")
        ...     list(client.futures)
        ['one']
        """
        named = {future.key: future for future in self._engine.named_futures()}
        return {**registry.shared(self._engine).persisted, **named}

    @property
    def dashboard_link(self) -> str | None:
        """Address of the dashboard: that of :func:`thalweg.dashboard`, or None if none is served. A client of a Dask
        cluster has the cluster's own.
        """
        module = sys.modules.get("thalweg.view.dashboard")
        served = module and module.running()
        return served.link if served else None

    def futures_of(self, futures: Any) -> list[Future[Any]]:
        """Return the futures in a value, as the function of that name does."""
        return tree.futures_of(futures)

    @classmethod
    def current(cls, allow_global: bool = True) -> Client:
        """Return the client of the context, or the default one.

        Raises
        ------
        ValueError
            There is none.
        """
        found = registry.current.get()
        if found is not None:
            return found
        if allow_global:
            return registry.default_client()
        raise ValueError("there is no client in this context")

    def gather(
        self,
        futures: Any,
        errors: Literal["raise", "skip"] = "raise",
        direct: bool | None = None,
        asynchronous: bool | None = None,
    ) -> Any:
        """Wait for results, and return them in the shape of what was given: futures in lists, dictionaries and so on.

        Parameters
        ----------
        futures
            Futures, at any depth. For an iterator there is an iterator of results.
        errors
            ``"raise"``, or ``"skip"`` to leave failed ones out of lists, and have None elsewhere.
        asynchronous
            Whether to return something to await; as the client does, if nothing is said.

        Examples
        --------
        >>> from thalweg.tasks import Client
        >>> with Client() as client:
        ...     futures = client.map(int, ["1", "two"])
        ...     client.gather({"all": futures}, errors="skip")
        {'all': [1]}
        """
        if errors not in ("raise", "skip"):
            raise ValueError(f"errors: 'raise' or 'skip', not {errors!r}")
        skip = errors == "skip"
        if isinstance(futures, Iterator):
            return self._gather_each(futures, errors, asynchronous)
        if asynchronous is None:
            asynchronous = self.asynchronous
        if asynchronous:
            return self._gather_later(futures, skip)
        return self._gather_now(futures, skip)

    def _gather_each(self, futures: Iterator[Any], errors: Any, asynchronous: bool | None) -> Iterator[Any]:
        for each in futures:
            try:
                gathered = self.gather(each, errors=errors, asynchronous=asynchronous)
            except (StopIteration, StopAsyncIteration, GeneratorExit) as error:
                raise raisable(error) from error
            yield gathered

    def _gather_now(self, futures: Any, skip: bool) -> Any:
        if not skip and tree.only_futures(futures):
            return self._engine.gather(futures)
        if not skip:
            flat = tree.to_replace(futures)
            results = iter(self._engine.gather(flat))
            return tree.replace(futures, lambda future: next(results))
        block(settled(tree.to_replace(futures), frozenset()), None)
        return tree.replace(futures, _result_or_nothing)

    async def _gather_later(self, futures: Any, skip: bool) -> Any:
        flat = tree.to_replace(futures)
        await later(settled(flat, frozenset() if skip else FAILED), None)
        if not skip:
            for future in flat:
                if future.status in FAILED:
                    return result_of(future)
        return self._gather_now(futures, skip)

    def scatter(
        self,
        data: Any,
        workers: Any = None,
        broadcast: bool | int = False,
        direct: bool | None = None,
        hash: bool = True,
        timeout: Interval | None = None,
        asynchronous: bool | None = None,
    ) -> Any:
        """Make futures of values: of each in a list, tuple, set or dictionary, or of one value.

        Each has a key of its own: in a dictionary its name there, or one like it if another future has that.

        A worker process that needs a value gets it once. Each task has a copy of its own, and may change it; threads
        share the value itself.

        Examples
        --------
        >>> from thalweg.tasks import Client
        >>> with Client() as client:
        ...     table = client.scatter([1, 2, 3])
        ...     client.gather(client.scatter({"a": 1})), client.submit(sum, table).result()
        ({'a': 1}, 6)
        """
        asynchronous = self.asynchronous if asynchronous is None else asynchronous
        return either(asynchronous, self._scatter, data)

    def _scatter(self, data: Any) -> Any:
        kind = type(data)
        if kind in (list, tuple, set, frozenset):
            return kind(self._scatter_one(value) for value in data)
        if kind is dict:
            return {name: self._engine.scatter(value, key=to_text(name)) for name, value in data.items()}
        if isinstance(data, (range, Iterator)):
            return [self._scatter_one(value) for value in data]
        return self._scatter_one(data)

    def _scatter_one(self, value: Any) -> Future[Any]:
        return self._engine.scatter(value, key=f"{type(value).__name__}-{uuid4().hex}")

    def cancel(
        self,
        futures: Any,
        asynchronous: bool | None = None,
        force: bool = False,
        reason: str | None = None,
        msg: str | None = None,
    ) -> Any:
        """Cancel tasks, and with them those that need their results.

        A task that runs is asked to stop by its token. With `force` the worker process that runs it is killed, and
        replaced; threads can't be.

        Examples
        --------
        >>> from thalweg.tasks import Client, Event
        >>> with Client() as client:
        ...     future = client.submit(Event("never").wait)
        ...     client.cancel(future)
        ...     future.cancelled()
        True
        """
        asynchronous = self.asynchronous if asynchronous is None else asynchronous
        return either(asynchronous, self._cancel, tree.flat(futures), force, msg or reason)

    def _cancel(self, futures: list[Future[Any]], force: bool, msg: str | None) -> None:
        for future in futures:
            future.cancel(force=force, msg=msg)

    def retry(self, futures: Any, asynchronous: bool | None = None) -> Any:
        """Run failed and cancelled tasks again; those that are to come or have a result are left as they are.

        Examples
        --------
        >>> from thalweg.tasks import Client
        >>> answers = [1, 0]
        >>> with Client() as client:
        ...     future = client.submit(lambda: 1 / answers.pop())
        ...     print(type(future.exception()).__name__)
        ...     client.retry(future)
        ...     future.result()
        ZeroDivisionError
        1.0
        """
        asynchronous = self.asynchronous if asynchronous is None else asynchronous
        return either(asynchronous, self._retry, tree.flat(futures))

    def _retry(self, futures: list[Future[Any]]) -> None:
        for future in futures:
            future.retry()

    def sync(
        self,
        func: Callable[..., Any],
        *args: Any,
        asynchronous: bool | None = None,
        callback_timeout: Interval | None = None,
        **kwargs: Any,
    ) -> Any:
        """Call an asynchronous function and wait for its result; on an asynchronous client, return what to await.

        Examples
        --------
        >>> from thalweg.tasks import Client
        >>> async def add(client, x):
        ...     return 1 + await client.submit(abs, x)
        >>> with Client() as client:
        ...     client.sync(add, client, -1)
        2
        """
        if asynchronous or (asynchronous is None and self.asynchronous):
            return func(*args, **kwargs)
        from thalweg.runtime import loops

        running = loops.start(loops.find(False), lambda: func(*args, **kwargs))
        return block(signal_of(running), None if callback_timeout is None else convert_interval(callback_timeout))

    def get_executor(self, **kwargs: Any) -> ClientExecutor:
        """Return an executor of ``concurrent.futures`` that runs on the client's workers.

        It takes `retries`, `resources`, `priority`, `time_limit` and `pure` for all its tasks.

        Examples
        --------
        >>> from thalweg.tasks import Client
        >>> with Client() as client, client.get_executor() as executor:
        ...     list(executor.map(abs, [-1, -2]))
        [1, 2]
        """
        from thalweg.tasks.client.executor import ClientExecutor

        return ClientExecutor(self, **kwargs)

    @contextmanager
    def as_current(self) -> Iterator[Self]:
        """Let this client be the one that is found in a ``with`` block.

        Examples
        --------
        >>> from thalweg.tasks import Client, default_client
        >>> with Client() as one, Client() as two, one.as_current():
        ...     default_client() is one
        True
        """
        before = registry.current.set(self)
        try:
            yield self
        finally:
            registry.current.reset(before)

    def close(self, timeout: Interval | None = None, *, asynchronous: bool | None = None) -> Any:
        """Cancel what waits, and take no more. What runs on threads is asked to stop; processes are ended.

        Before that, streams on the client deliver what is on its way, within `timeout`, or 60 s if nothing is said;
        after an interrupt, 10 s. What has not arrived by then fails, and is reported by the stream. A blocking call
        does not wait for what would need the event loop that it blocks.

        The workers of a `LocalCluster` go on. Closing twice is once.
        """
        asynchronous = self.asynchronous if asynchronous is None else asynchronous
        return self._close(self.cluster is None, patience(timeout), asynchronous)

    def shutdown(self) -> Any:
        """Close the client, and the cluster that it was given."""
        return self._close(True, patience(), self.asynchronous)

    def _close(self, workers_too: bool, seconds: float, asynchronous: bool) -> Any:
        if asynchronous:
            return self._close_later(workers_too, seconds)
        self._withdraw()
        if workers_too:
            closing.close(self._engine, seconds)
        return None

    async def _close_later(self, workers_too: bool, seconds: float) -> None:
        self._withdraw()
        if workers_too:
            await closing.close_later(self._engine, seconds)

    def _withdraw(self) -> None:
        registry.forget(self)
        if self._dashboard is not None:
            self._dashboard.close()
        if "thalweg.tasks.client.collections" in sys.modules:
            from thalweg.tasks.client.collections import withdraw

            withdraw()

    def restart(self, timeout: Interval | None = None, wait_for_workers: bool = True) -> Any:
        """Cancel all tasks, and begin anew with fresh workers.

        Examples
        --------
        >>> from thalweg.tasks import Client
        >>> with Client() as client:
        ...     client.restart()
        ...     client.submit(abs, -1).result()
        1
        """
        return either(self.asynchronous, self._restart)

    def _restart(self) -> None:
        if self.closed:
            raise ClosedClientError("restart: the client has been closed")
        if self._options is None:
            raise RuntimeError("restart: the workers belong to a cluster, and not to this client")
        registry.close(self._engine)
        self._begin_anew(self._options.start())

    def _begin_anew(self, engine: Engine) -> None:
        self._engine = engine
        engine.asynchronous = self._asynchronous
        registry.shared(engine).client = ref(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._close(self.cluster is None, patience(kind=kind), False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._close_later(self.cluster is None, patience(kind=kind))

    def __await__(self) -> Generator[Any, None, Self]:
        yield from ()
        return self

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            raise absent.missing(f"{type(self).__name__!r} object", name, absent.CLIENT, lambda: dir(type(self)))

    def __repr__(self) -> str:
        name = "" if self.name is None else f"{self.name}: "
        width = "closed" if self.closed else f"{self._engine.width} at a time"
        return f"<{type(self).__name__}: {name}{self._engine.kind}, {width}>"


def _result_or_nothing(future: Future[Any]) -> Any:
    return result_of(future) if future.status == "finished" else tree.skipped
