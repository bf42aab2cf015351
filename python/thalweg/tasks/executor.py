"""The client as an executor of the standard library."""

from __future__ import annotations

import concurrent.futures
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar
from weakref import WeakSet

from thalweg._thalweg.tasks import Future
from thalweg.tasks.waiting import error_of, result_of

if TYPE_CHECKING:
    from thalweg._types import Interval
    from thalweg.tasks.client import Client

__all__ = ["ClientExecutor"]

T = TypeVar("T")
P = ParamSpec("P")


class ClientExecutor(concurrent.futures.Executor):
    """Runs functions on a client's workers for whatever takes an executor, such as ``loop.run_in_executor``.

    Its futures are those of ``concurrent.futures``. One that is cancelled cancels its task.

    Parameters
    ----------
    client
        The client. It stays open when the executor is shut down.
    retries, resources, priority, timeout, pure
        What `Client.submit` takes, for all tasks.
    workers, allow_other_workers
        Are there because Dask's executor takes them.

    Examples
    --------
    >>> import asyncio
    >>> from thalweg.tasks import Client
    >>> async def main(executor):
    ...     return await asyncio.get_running_loop().run_in_executor(executor, abs, -1)
    >>> with Client() as client, client.get_executor() as executor:
    ...     asyncio.run(main(executor))
    1
    """

    def __init__(
        self,
        client: Client,
        *,
        retries: int = 0,
        resources: Mapping[str, float] | None = None,
        priority: float = 0,
        timeout: Interval | None = None,
        pure: bool = False,
        workers: Any = None,
        allow_other_workers: bool = False,
    ) -> None:
        self._client = client
        self._options: dict[str, Any] = {
            "retries": retries,
            "resources": resources,
            "priority": priority,
            "timeout": timeout,
            "pure": pure,
            "workers": workers,
            "allow_other_workers": allow_other_workers,
        }
        self._lock = threading.Lock()
        self._is_shut_down = False
        self._submitted: WeakSet[concurrent.futures.Future[Any]] = WeakSet()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> concurrent.futures.Future[T]:
        """Call a function on a worker.

        Raises
        ------
        RuntimeError
            The executor has been shut down.
        """
        with self._lock:
            if self._is_shut_down:
                raise RuntimeError("submit: the executor has been shut down")
            # All keywords are the function's, also those that `Client.submit` knows.
            function = partial(fn, **kwargs) if kwargs else fn
            task = self._client.submit(function, *args, **self._options)
            mine: concurrent.futures.Future[T] = concurrent.futures.Future()
            self._submitted.add(mine)
        # Each of them keeps the other: the task goes when nobody wants it any more.
        mine.add_done_callback(lambda mine: task.cancel() if mine.cancelled() else None)
        task._when_here(lambda task: _hand_over(task, mine))
        return mine

    def map(
        self,
        fn: Callable[..., T],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
    ) -> Iterator[T]:
        """Call a function on each element of the iterables, and return an iterator of the results, in order.

        Parameters
        ----------
        timeout
            How many seconds from now all results may take.
        chunksize, buffersize
            Are there because executors take them.

        Raises
        ------
        TimeoutError
            By the iterator: a result did not come in time. What is left is cancelled.
        """
        with self._lock:
            if self._is_shut_down:
                raise RuntimeError("map: the executor has been shut down")
            end = None if timeout is None else timeout + time.monotonic()
            futures = self._client.map(fn, *iterables, **self._options)
        return _results(futures, end)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more functions.

        Parameters
        ----------
        wait
            Whether to wait until all have ended.
        cancel_futures
            Whether to cancel those that have not begun.
        """
        with self._lock:
            self._is_shut_down = True
            submitted = list(self._submitted)
        if cancel_futures:
            for future in submitted:
                future.cancel()
        if wait:
            concurrent.futures.wait(submitted)


def _hand_over(task: Future[T], mine: concurrent.futures.Future[T]) -> None:
    if task.cancelled():
        mine.cancel()
        mine.set_running_or_notify_cancel()
    elif mine.set_running_or_notify_cancel():
        error = error_of(task)
        if error is None:
            mine.set_result(result_of(task))
        else:
            mine.set_exception(error)


def _results(futures: list[Future[T]], end: float | None) -> Iterator[T]:
    futures.reverse()
    try:
        while futures:
            left = None if end is None else max(0.0, end - time.monotonic())
            # Let go of each as soon as its result has been handed on.
            yield futures.pop().result(left)
    finally:
        for future in futures:
            future.cancel()
