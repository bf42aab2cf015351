"""The part of the client that inspects workers, and calls functions on all of them."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from functools import cached_property, partial
from inspect import signature
from sys import getsizeof
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

from thalweg.tasks.client import registry, tree
from thalweg.tasks.client.base import Base
from thalweg.tasks.client.coroutines import runnable
from thalweg.tasks.client.waiting import block, either, error_of, later, result_of, settled

if TYPE_CHECKING:
    from thalweg._thalweg.tasks import Future
    from thalweg._types import Interval


class _SchedulerInfo(dict[str, Any]):
    """A dictionary that an asynchronous client's program may await or use at once."""

    def __await__(self) -> Generator[Any, None, _SchedulerInfo]:
        yield from ()
        return self


class Inspection(Base):
    """Inspects the workers."""

    if TYPE_CHECKING:

        @property
        def dashboard_link(self) -> str | None:
            """URL of the dashboard; None if there is none."""

    @cached_property
    def id(self) -> str:
        """A name that no other client has."""
        return f"Client-{uuid4()}"

    def _repr_html_(self) -> str:
        from html import escape

        link = escape(self.dashboard_link or "")
        shown = (
            f'<a href="{link}" target="_blank">{link}</a>'
            if link
            else "none; <code>thalweg.dashboard()</code> serves one"
        )
        return f"<code>{escape(repr(self))}</code><br>Dashboard: {shown}"

    def scheduler_info(self, n_workers: int | None = -1, *, asynchronous: bool | None = None) -> Any:
        """Return information about the workers, as Dask's client does. It can also be awaited.

        Examples
        --------
        >>> from thalweg.tasks import Client
        >>> with Client(threads_per_worker=3) as client:
        ...     [worker["nthreads"] for worker in client.scheduler_info()["workers"].values()]
        [3]
        """
        return _SchedulerInfo(self._scheduler_info(n_workers))

    def _scheduler_info(self, n_workers: int | None) -> dict[str, Any]:
        workers = self._workers()
        shown = workers if n_workers is None or n_workers < 0 else workers[:n_workers]
        return {
            "type": "Scheduler",
            "id": f"thalweg-{id(self._engine):x}",
            "address": f"inproc://{self._engine.kind}",
            "n_workers": len(workers),
            "total_threads": sum(worker["threads"] for worker in workers),
            "workers": {
                worker["id"]: {
                    "type": "Worker",
                    "id": worker["id"],
                    "pid": worker["pid"],
                    "nthreads": worker["threads"],
                    "status": "running",
                }
                for worker in shown
            },
        }

    def nthreads(self, workers: Any = None, *, asynchronous: bool | None = None) -> Any:
        """Return the number of tasks that each worker runs at a time.

        Examples
        --------
        >>> from thalweg.tasks import Client
        >>> with Client(threads_per_worker=3) as client:
        ...     list(client.nthreads().values())
        [3]
        """
        return self._tell(asynchronous, self._of_each, "threads", workers)

    ncores = nthreads

    def processing(self, workers: Any = None, *, asynchronous: bool | None = None) -> Any:
        """Return the keys of the tasks that each worker runs.

        Examples
        --------
        >>> from thalweg.tasks import Client
        >>> with Client() as client:
        ...     list(client.processing().values())
        [()]
        """
        return self._tell(asynchronous, self._processing, workers)

    def _processing(self, workers: Any) -> dict[Any, Any]:
        return {worker: tuple(keys) for worker, keys in self._of_each("running", workers).items()}

    def who_has(self, futures: Any, *, asynchronous: bool | None = None) -> Any:
        """Return which workers have the results of futures.

        For worker processes it is not known which one has a result: all are returned.

        Examples
        --------
        >>> from thalweg.tasks import Client, wait
        >>> with Client() as client:
        ...     future = client.submit(abs, -1, key="one")
        ...     done = wait(future)
        ...     {key: len(workers) for key, workers in client.who_has(future).items()}
        {'one': 1}
        """
        return self._tell(asynchronous, self._who_has, futures)

    def _who_has(self, futures: Any) -> dict[str, tuple[Any, ...]]:
        everyone = tuple(worker["id"] for worker in self._workers())
        return {future.key: everyone if future.status == "finished" else () for future in tree.flat(futures)}

    def nbytes(self, futures: Any, *, asynchronous: bool | None = None) -> Any:
        """Return the size of futures' results in bytes, as Python counts them.

        Fetches the results of worker processes.

        Examples
        --------
        >>> from thalweg.tasks import Client, wait
        >>> with Client() as client:
        ...     future = client.submit(bytes, 1000, key="zeros")
        ...     done = wait(future)
        ...     client.nbytes(future)["zeros"] > 1000
        True
        """
        return self._tell(asynchronous, self._nbytes, futures)

    def _nbytes(self, futures: Any) -> dict[str, int]:
        finished = [future for future in tree.flat(futures) if future.status == "finished"]
        return {future.key: _size(result_of(future)) for future in finished}

    def wait_for_workers(self, n_workers: int = 1, timeout: Interval | None = None) -> Any:
        """Return at once, since all workers exist. Threads are as many as were asked for.

        Raises
        ------
        TimeoutError
            There are fewer workers, and no more will start.
        ValueError
            It is not a number of workers.
        """
        if isinstance(n_workers, bool) or not isinstance(n_workers, int) or n_workers < 1:
            raise ValueError(f"wait_for_workers: a number of workers, at least 1, and not {n_workers!r}")
        return self._tell(None, self._wait_for_workers, n_workers)

    def _wait_for_workers(self, n_workers: int) -> None:
        count = max(len(self._workers()), registry.shared(self._engine).asked_workers)
        if n_workers > count:
            raise TimeoutError(f"wait_for_workers: there are {count} workers, and won't be {n_workers}")

    def get_versions(self, check: bool = False, packages: Iterable[str] | None = None) -> Any:
        """Return the versions of Python and packages in this process and the workers.

        Parameters
        ----------
        check
            Whether to raise an error if they differ.
        packages
            Names of additional packages.

        Raises
        ------
        ValueError
            They differ.

        Examples
        --------
        >>> from thalweg.tasks import Client
        >>> with Client() as client:
        ...     versions = client.get_versions(check=True)
        >>> sorted(versions), "thalweg" in versions["client"]["packages"]
        (['client', 'scheduler', 'workers'], True)
        """
        from thalweg.tasks.client import versions

        names = [*versions.PACKAGES, *(packages or ())]
        if self.asynchronous:
            return versions.gather_later(self.run(versions.here, names, asynchronous=True), names, check)
        return versions.gathered(self.run(versions.here, names, asynchronous=False), names, check)

    def get_task_stream(
        self,
        start: Interval | None = None,
        stop: Interval | None = None,
        count: int | None = None,
        plot: bool | str = False,
        filename: str = "task-stream.html",
        **kwargs: Any,
    ) -> Any:
        """Return a record of each finished task, among those submitted after the first call of this.

        So call it before the work, and again after it. Tasks recorded by ``with
        thalweg.distributed.get_task_stream():`` are included, and the records have the same form.

        Parameters
        ----------
        start, stop
            Start of the period: how long ago as text, or seconds since 1970.
        count
            Maximum number of records, the latest.
        plot, filename
            Whether to write a page of them to a file, and which.

        Examples
        --------
        >>> from thalweg.tasks import Client
        >>> with Client() as client:
        ...     client.get_task_stream()
        ...     client.submit(abs, -1).result()
        ...     [record["name"] for record in client.get_task_stream()]
        []
        1
        ['abs']
        """
        from thalweg.tasks.client import records

        return self._tell(None, records.between, self, start, stop, count, filename if plot else None)

    def profile(
        self,
        key: str | None = None,
        start: Interval | None = None,
        stop: Interval | None = None,
        workers: Any = None,
        merge_workers: bool = True,
        plot: bool | str = False,
        filename: str | None = None,
        server: bool = False,
        scheduler: bool = False,
    ) -> Any:
        """Return where tasks have spent their time, among those submitted after the first call of this.

        So call it before the work, and again after it. Stacks of threads that run tasks are sampled a hundred times a
        second, here or in the worker processes. The last 1,000 seconds with samples are kept. A worker process answers
        when one of its threads is free.

        Parameters
        ----------
        key
            The name of a function: only its samples, or those of keys that begin with it and a dash.
        start, stop
            Start of the period: how long ago as text, or seconds since 1970.
        workers
            Only these.
        merge_workers
            Whether to add up all workers; otherwise the result is a dictionary by worker.
        plot, filename, server, scheduler
            Accepted for compatibility with Dask: there are no plots, and no threads of a server or a scheduler.

        Returns
        -------
        dict
            As from Dask's client: ``count``, the number of samples; ``identifier`` and ``description`` of a function;
            and in ``children``, by identifier, the same for the functions that it called.

        Raises
        ------
        ValueError
            A plot, or the profile of a server or a scheduler, is requested.

        Examples
        --------
        >>> import time
        >>> from thalweg.tasks import Client
        >>> with Client() as client:
        ...     before = client.profile()
        ...     client.submit(time.sleep, 0.1).result()
        ...     before["count"], client.profile()["count"] > 0
        (0, True)
        """
        for name, value in {"plot": plot, "filename": filename, "server": server, "scheduler": scheduler}.items():
            if value:
                raise ValueError(f"profile: {name}={value!r}: the samples of tasks are returned, and nothing is drawn")
        from thalweg.tasks.client import profiling

        return profiling.profile(self, key, start, stop, workers, merge_workers)  # type: ignore[arg-type]

    def run(
        self,
        function: Callable[..., Any],
        *args: Any,
        workers: Any = None,
        wait: bool = True,
        nanny: bool = False,
        on_error: Literal["raise", "return", "ignore"] = "raise",
        asynchronous: bool | None = None,
        **kwargs: Any,
    ) -> Any:
        """Call a function on every worker, ahead of all tasks, and return the results by worker.

        The result of an asynchronous function is awaited there.
        Threads are one worker. An argument named ``dask_worker`` receives the result of `get_worker` there.

        Parameters
        ----------
        wait
            Whether to wait for the results.
        on_error
            ``"raise"``; ``"return"`` to return errors among the results; ``"ignore"`` to drop failed ones.

        Examples
        --------
        >>> import os
        >>> from thalweg.tasks import Client
        >>> with Client() as client:
        ...     list(client.run(os.getpid).values()) == [os.getpid()]
        True
        """
        if on_error not in ("raise", "return", "ignore"):
            raise ValueError(f"on_error: 'raise', 'return' or 'ignore', not {on_error!r}")
        if not callable(function):
            raise TypeError(f"run: a function to call, and not {function!r}")
        asynchronous = self.asynchronous if asynchronous is None else asynchronous
        chosen = self._chosen(workers)
        call = runnable(function)
        if takes_worker(function) and "dask_worker" not in kwargs:
            call = partial(_with_worker, call)
        futures = self._engine.run(call, args, kwargs or None)
        if not wait:
            for future in futures:
                future.keep()
            return None
        names = [worker["id"] for worker in self._workers()]
        by_worker = {name: future for name, future in zip(names, futures, strict=False) if chosen(name)}
        if asynchronous:
            return _ended_later(by_worker, on_error)
        return _ended(by_worker, on_error)

    def _tell(self, asynchronous: bool | None, what: Callable[..., Any], *args: Any) -> Any:
        return either(self.asynchronous if asynchronous is None else asynchronous, what, *args)

    def _workers(self) -> list[dict[str, Any]]:
        workers: list[dict[str, Any]] = self._engine.info()["workers"]
        return workers

    def _of_each(self, what: str, workers: Any) -> dict[Any, Any]:
        chosen = self._chosen(workers)
        return {worker["id"]: worker[what] for worker in self._workers() if chosen(worker["id"])}

    def _chosen(self, workers: Any) -> Callable[[Any], bool]:
        if workers is None:
            return lambda name: True
        names = set(workers) if isinstance(workers, Iterable) and not isinstance(workers, str) else {workers}
        unknown = names - {worker["id"] for worker in self._workers()}
        if unknown:
            raise ValueError(f"workers: there is no worker {unknown.pop()!r}")
        return names.__contains__


def takes_worker(function: Callable[..., Any]) -> bool:
    """Whether a function takes its worker as an argument.

    Examples
    --------
    >>> from thalweg.tasks.client.inspection import takes_worker
    >>> takes_worker(lambda dask_worker: dask_worker), takes_worker(abs)
    (True, False)
    """
    try:
        return "dask_worker" in signature(function).parameters
    except (TypeError, ValueError):
        # It has no signature.
        return False


def _with_worker(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    from thalweg.tasks.process.context import get_worker

    return function(*args, dask_worker=get_worker(), **kwargs)


def _size(value: Any) -> int:
    size = getattr(value, "nbytes", None)
    return size if isinstance(size, int) else getsizeof(value)


def _ended(futures: dict[Any, Future[Any]], on_error: str) -> dict[Any, Any]:
    block(settled(futures.values(), frozenset()), None)
    results = {}
    for name, future in futures.items():
        error = error_of(future)
        if error is None:
            results[name] = result_of(future)
        elif on_error == "raise":
            raise error
        elif on_error == "return":
            results[name] = error
    return results


async def _ended_later(futures: dict[Any, Future[Any]], on_error: str) -> dict[Any, Any]:
    await later(settled(futures.values(), frozenset()), None)
    return _ended(futures, on_error)
