"""The client: runs functions on workers, and returns their results."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterable, Iterator, KeysView, Mapping, ValuesView
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4
from weakref import ref

from thalweg._thalweg.tasks import Engine, Future
from thalweg.runtime.intervals import convert_interval
from thalweg.runtime.with_block import with_block
from thalweg.tasks.client import absent, closing, registry, tree
from thalweg.tasks.client.closing import patience
from thalweg.tasks.client.dask_scheduler import serve_dask, withdraw
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
    """Runs functions on threads or processes of this machine, or on a Dask cluster.

    Without an address it starts its own workers. They end when the client is closed, when it is dropped with all its
    futures, and when the program ends.

    Parameters
    ----------
    address
        The address of a Dask scheduler, such as ``"tcp://host:8786"``; or a cluster: a `LocalCluster`, or one of
        Dask's. A number is a number of workers to start.
    n_workers, threads_per_worker
        Number of workers, and of tasks that each runs at a time. Threads form one pool with the product of both; by
        default four more than there are cores, but at most 32, since most tasks on threads wait for something.
        Processes are by default as many as there are cores, with one thread each.
    processes
        Whether workers are processes: they use several cores for Python code, and can be killed; functions, arguments
        and results are pickled. Threads start at once and share everything.
    asynchronous
        Whether methods that would block return awaitables, where an event loop runs.
    memory_limit
        Memory limit of each worker process: bytes, text such as ``"2 GiB"``, or a fraction of the machine's memory, up
        to 1.0.
    resources
        The resources of each worker that `submit` can request, such as ``{"GPU": 1}``.
    preload
        Names of modules that each worker process imports before it takes tasks, so that the first tasks do not wait for
        that.
    initializer, initargs
        A function that each worker process, also a replacement, calls before it takes tasks. Threads are one worker: it
        is called once, at once.
    worker_ttl
        Time without an answer after which a worker process is killed and replaced, in seconds or as text such as ``"5
        min"``; None for no limit. A worker answers even while a task holds the GIL. It does not if it is stopped, by a
        debugger for example, or if a task has closed its descriptors.
    set_as_default
        Whether streams, locks and so on use this client by default.
    timeout
        How long to try to connect to an address.
    name
        A name, to distinguish clients.
    dashboard_address
        Address of a dashboard to serve until the client is closed, such as ``":8787"``; see :func:`thalweg.dashboard`.
    **kwargs
        Other arguments of Dask's client; ignored unless there is an address.

    Raises
    ------
    OSError
        The scheduler cannot be reached.
    ImportError
        Dask, which is needed for schedulers, is not installed.
    TypeError, ValueError
        The argument does not exist, or its value is invalid.

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

    #: The dashboard that it serves, if it started it.
    _dashboard: Dashboard | None = None

    def __new__(cls, address: object = None, *args: Any, **kwargs: Any) -> Self:
        """Connect by Dask's client if there is an address."""
        if address is None or isinstance(address, int) or hasattr(address, "_options"):
            return super().__new__(cls)
        from thalweg.tasks.dask.connect import connect

        # Not an instance of this class, so that `__init__` is not called.
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
            serve_dask()

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
        """Create a client for a running engine."""
        client = cls.__new__(cls)
        client._options = None
        client._begin(engine, False, None)
        return client

    @property
    def asynchronous(self) -> bool:
        """Whether methods return awaitables: in a loop, if the client was created so."""
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
        """The running event loop, or else the one on a thread, which `sync` uses."""
        from thalweg.runtime import loops

        running = asyncio._get_running_loop()
        return loops.to_user(loops.find(False) if running is None else running)

    @property
    def futures(self) -> dict[Any, Future[Any]]:
        """The live tasks with keys, by key; scattered values and chunks of persisted collections included.

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
        """URL of the dashboard: that of :func:`thalweg.dashboard`, or None if there is none. A client of a Dask cluster
        has the cluster's own.
        """
        module = sys.modules.get("thalweg.view.dashboard")
        served = module and module.running()
        return served.link if served else None

    def futures_of(self, futures: Any) -> list[Future[Any]]:
        """Return the futures in a value, as the function `futures_of` does."""
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
        """Wait for results, and return them in the shape of the argument: futures in lists, dictionaries and so on.

        Parameters
        ----------
        futures
            Futures, at any depth. An iterator of futures returns an iterator of results, the keys or the values of a
            dictionary a list.
        errors
            ``"raise"``, or ``"skip"`` to drop failed ones from lists, and return None elsewhere.
        asynchronous
            Whether to return an awaitable; by default as the client does.

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
        if isinstance(futures, (KeysView, ValuesView)):
            futures = list(futures)
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
        """Turn values into futures: each in a list, tuple, set or dictionary, or one value.

        Each has its own key: in a dictionary its name there, or a similar one if another future has that.

        A worker process that needs a value receives it once. Each task has its own copy, and may change it; threads
        share the value.

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
        """Cancel tasks, and the tasks that need their results.

        A running task is asked to stop by its token. With `force` the worker process that runs it is killed and
        replaced; threads cannot be killed.

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
        """Run failed and cancelled tasks again; pending and successful ones are left as they are.

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
        """Call an asynchronous function and wait for its result; on an asynchronous client, return an awaitable.

        Examples
        --------
        >>> from thalweg.tasks import Client
        >>> async def add(client, x):
        ...     return 1 + await client.submit(abs, x)
        >>> with Client() as client:
        ...     client.sync(add, client, -1)
        2
        """
        if not callable(func):
            raise TypeError(f"sync: an asynchronous function, and not {func!r}")
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

    @with_block
    def as_current(self) -> Iterator[Self]:
        """Make this client the current one in a ``with`` block.

        Examples
        --------
        >>> from thalweg.tasks import Client, default_client
        >>> with Client() as one, Client() as two, one.as_current():
        ...     default_client() is one
        True
        """
        before = registry.current.set(self)
        yield self
        registry.current.reset(before)

    def close(self, timeout: Interval | None = None, *, asynchronous: bool | None = None) -> Any:
        """Cancel pending tasks, and accept no more. Tasks on threads are asked to stop; processes are ended.

        Before that, streams on the client deliver their elements in flight, and tasks of `fire_and_forget` and of
        executors end, within `timeout`, 60 s by default; after an interrupt, 10 s. Elements not delivered by then fail,
        and the stream reports them; a `RuntimeWarning` names the tasks. A blocking call does not wait for work that
        needs the event loop it blocks.

        The workers of a `LocalCluster` continue. Closing twice has no further effect.
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
        withdraw()

    def restart(self, timeout: Interval | None = None, wait_for_workers: bool = True) -> Any:
        """Cancel all tasks, and replace the workers. Files, plugins, data sets, events, variables and the like remain.

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
        self._begin_anew(registry.replace(self._engine, self._options.start))
        self._set_up_plugins()

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
