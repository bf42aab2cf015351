"""The client as an executor of the standard library."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from thalweg._thalweg.tasks import Engine, Future, Tally, current_token
from thalweg.tasks.client.aside import LOOK
from thalweg.tasks.client.futures import detach
from thalweg.tasks.client.waiting import error_of, raisable, result_of

if TYPE_CHECKING:
    from thalweg._types import Interval
    from thalweg.tasks.client.client import Client

__all__ = ["ClientExecutor"]

T = TypeVar("T")
P = ParamSpec("P")


class ExecutorFuture(concurrent.futures.Future[T]):
    """A standard-library future of a task on a client's worker.

    Examples
    --------
    >>> from thalweg.tasks import Client
    >>> with Client() as client, client.get_executor() as executor:
    ...     future = executor.submit(abs, -1)
    >>> future.result(), future.running(), future.cancel()
    (1, False, False)
    """

    def __init__(self) -> None:
        super().__init__()
        self._task: Future[T] | None = None

    def running(self) -> bool:
        """Whether the call is running."""
        task = self._task
        return task is not None and not self.done() and task.running()

    def cancel(self) -> bool:
        """Cancel the call if it has not started, and return whether it is cancelled.

        A running call continues; its token tells it that it is not wanted. Its result or exception counts.
        """
        task = self._task
        if task is not None and not self.done():
            if task._cancel_before_it_begins():
                self._end_cancelled()
            else:
                task._ask_to_stop()
        return self.cancelled()

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Return the exception of the call, once it has ended."""
        error = super().exception(timeout)
        # An event loop's futures refuse StopIteration: awaiting one would never end.
        if isinstance(error, StopIteration) and asyncio._get_running_loop() is not None:
            return raisable(error)
        return error

    def _end_cancelled(self) -> None:
        super().cancel()
        with self._condition:
            if self._state == "CANCELLED":
                # Notifies those who wait for several futures.
                self.set_running_or_notify_cancel()

    def _take_over(self, task: Future[T]) -> None:
        """Take the outcome of the task."""
        if task.cancelled():
            self._end_cancelled()
            return
        try:
            error = error_of(task)
            result = None if error is not None else result_of(task)
        except BaseException as unreadable:
            error = unreadable
        if not self.set_running_or_notify_cancel():
            return
        if error is None:
            self.set_result(result)  # type: ignore[arg-type]
        else:
            self.set_exception(error)


class ClientExecutor(concurrent.futures.Executor):
    """Runs functions on a client's workers for code that takes an executor, such as ``loop.run_in_executor``.

    It keeps the contract of ``concurrent.futures``: a submitted function runs, whether or not its future is referenced,
    and leaving a ``with`` block waits for it, as does the end of the program. A running call's future cannot be
    cancelled.

    Parameters
    ----------
    client
        The client. It stays open when the executor is shut down; closing it waits for the calls, see `Client.close`.
    retries, resources, priority, time_limit, pure
        Arguments of `Client.submit` for all tasks.
    workers, allow_other_workers
        Accepted for compatibility with Dask's executor.

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
        time_limit: Interval | None = None,
        pure: bool = False,
        workers: Any = None,
        allow_other_workers: bool = False,
    ) -> None:
        self._client = client
        self._options: dict[str, Any] = {
            "retries": retries,
            "resources": resources,
            "priority": priority,
            "time_limit": time_limit,
            "pure": pure,
            "workers": workers,
            "allow_other_workers": allow_other_workers,
        }
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._is_shut_down = False
        self._senders = 0
        #: Unfinished calls, callbacks of their futures included.
        self._submitted: dict[Future[Any], ExecutorFuture[Any]] = {}
        #: The tasks of `map`.
        engine = client.engine
        self._mapped = Tally() if isinstance(engine, Engine) else engine.tally()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> concurrent.futures.Future[T]:
        """Call a function on a worker.

        Raises
        ------
        RuntimeError
            The executor has been shut down.
        """
        mine: ExecutorFuture[T] = ExecutorFuture()
        # All keywords are the function's, also those that `Client.submit` knows.
        function = partial(fn, **kwargs) if kwargs else fn
        with self._sending("submit"):
            task = mine._task = self._client.submit(function, *args, **self._options)
            detach([task])
            with self._lock:
                self._submitted[task] = mine
        task._when_here(self._hand_over)
        return mine

    @contextmanager
    def _sending(self, method: str) -> Iterator[None]:
        """Refuse calls after a shutdown, and delay a concurrent one. The lock is not held, since sending may block."""
        with self._lock:
            if self._is_shut_down:
                raise RuntimeError(f"{method}: the executor has been shut down: it takes no more calls")
            self._senders += 1
        try:
            yield
        finally:
            with self._lock:
                self._senders -= 1
                self._changed.notify_all()

    def _hand_over(self, task: Future[Any]) -> None:
        mine = self._submitted[task]
        _here.executors.append(self)
        try:
            mine._take_over(task)
        finally:
            _here.executors.pop()
            with self._lock:
                del self._submitted[task]
                self._changed.notify_all()

    def map(
        self,
        fn: Callable[..., T],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
    ) -> Iterator[T]:
        """Call a function with each element of the iterables, and return an iterator of the results, in order.

        Parameters
        ----------
        timeout
            Time limit for all results, in seconds from now.
        chunksize
            Number of calls per task. On threads each call is a task.
        buffersize
            Maximum number of calls whose results have not been taken: the iterables are read no further. None: no
            limit, read at once.

        Raises
        ------
        TimeoutError
            By the iterator: a result did not arrive in time. Calls that have not started are cancelled.
        ValueError
            A size is less than 1.
        """
        if chunksize < 1:
            raise ValueError(f"chunksize: at least 1, not {chunksize}")
        if buffersize is not None:
            if not isinstance(buffersize, int):
                raise TypeError(f"buffersize: a number of calls, not {buffersize!r}")
            if buffersize < 1:
                raise ValueError(f"buffersize: at least 1, not {buffersize}")
        end = None if timeout is None else timeout + time.monotonic()
        if chunksize > 1 and self._client.engine.kind == "processes":
            chunks = _chunks(zip(*iterables, strict=False), chunksize)
            lists: Iterator[list[T]] = self._map(partial(_call_each, fn), (chunks,), buffersize, end)
            return (result for results in lists for result in results)
        return self._map(fn, iterables, buffersize, end)

    def _map(
        self, fn: Callable[..., T], iterables: tuple[Iterable[Any], ...], buffersize: int | None, end: float | None
    ) -> Iterator[T]:
        rows: Iterator[tuple[Any, ...]] | None = None
        if buffersize is not None:
            rows = zip(*iterables, strict=False)
            iterables = tuple(zip(*islice(rows, buffersize), strict=True))
        return _results(self, deque(self._send(fn, iterables)), fn, rows, end)

    def _send(self, fn: Callable[..., T], iterables: tuple[Iterable[Any], ...]) -> list[Future[T]]:
        with self._sending("map"):
            if not iterables:
                return []
            tasks = self._client.map(fn, *iterables, **self._options)
            self._mapped.add(tasks)
            detach(tasks)
        return tasks

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Accept no more functions.

        Parameters
        ----------
        wait
            Whether to wait until all have ended, callbacks of their futures included.
        cancel_futures
            Whether to cancel those that have not started.

        Raises
        ------
        RuntimeError
            A call of the executor's own, or a callback of one of its futures, would wait for itself.
        """
        with self._lock:
            self._is_shut_down = True
            while self._senders:
                self._changed.wait(LOOK)
            submitted = list(self._submitted.items())
        if cancel_futures:
            for _, future in submitted:
                if not future.running():
                    future.cancel()
            self._mapped.cancel_before_they_begin()
        if not wait:
            return
        runs_here = self._mapped.runs_here() or any(task._runs_here() for task in list(self._submitted))
        if runs_here or self in _here.executors:
            raise RuntimeError("shutdown: it would wait for the call that it is called in; use wait=False there")
        with self._lock:
            while self._submitted:
                # A signal that arrives just before the interpreter goes to sleep does not wake it.
                self._changed.wait(LOOK)
        self._mapped.wait()


class _Here(threading.local):
    def __init__(self) -> None:
        #: The executors whose futures' callbacks are running in this thread.
        self.executors: list[ClientExecutor] = []


_here = _Here()


def _chunks(rows: Iterable[tuple[Any, ...]], size: int) -> Iterator[list[tuple[Any, ...]]]:
    rows = iter(rows)
    while chunk := list(islice(rows, size)):
        yield chunk


def _call_each(fn: Callable[..., T], chunk: list[tuple[Any, ...]]) -> list[T]:
    return [fn(*row) for row in chunk]


def _results(
    executor: ClientExecutor,
    tasks: deque[Future[T]],
    fn: Callable[..., T],
    rows: Iterator[tuple[Any, ...]] | None,
    end: float | None,
) -> Iterator[T]:
    try:
        while tasks:
            if rows is not None and (row := next(rows, None)) is not None:
                tasks.extend(executor._send(fn, tuple((value,) for value in row)))
            # Releases each as soon as its result has been returned.
            yield _result(tasks.popleft(), end)
    finally:
        for task in tasks:
            _abandon(task)


def _result(task: Future[T], end: float | None) -> T:
    try:
        _await(task, end)
    except BaseException:
        _abandon(task)
        raise
    try:
        return task._result_here()
    except (StopIteration, StopAsyncIteration, GeneratorExit) as error:
        raise raisable(error) from error


def _await(task: Future[Any], end: float | None) -> None:
    if task.done():
        return
    token = current_token()
    while not task._wait(LOOK if end is None else min(LOOK, max(0.0, end - time.monotonic()))):
        if token is not None:
            token.check()
        if end is not None and time.monotonic() >= end:
            raise concurrent.futures.TimeoutError("map: a result did not come in time")


def _abandon(task: Future[Any]) -> None:
    """Cancel a call if it has not started; tell it that it is not wanted if it has."""
    if not task._cancel_before_it_begins():
        task._ask_to_stop()
