"""Futures in the order of completion."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Lock
from typing import TYPE_CHECKING, Any
from weakref import ref

from thalweg._thalweg.tasks import Interest, OutOfTheWay
from thalweg.runtime.intervals import convert_interval
from thalweg.tasks.client import tree
from thalweg.tasks.client.aside import LOOK, awaiting_others
from thalweg.tasks.client.waiting import error_of, raisable, result_of
from thalweg.tasks.process.pickling import traceback_of

if TYPE_CHECKING:
    from typing_extensions import Self

    from thalweg._thalweg.tasks import Future
    from thalweg._types import Interval

__all__ = ["as_completed"]


class as_completed:
    """Iterates over futures in the order of completion, with ``for`` or ``async for``. More can be added meanwhile.

    Parameters
    ----------
    futures
        The first futures.
    loop
        Accepted for compatibility with Dask.
    with_results
        Whether to return pairs of futures and their results.
    raise_errors
        With results, whether to raise the error of a failed future. Otherwise its result is a tuple as from
        `sys.exc_info`. The result of a cancelled future is a `CancelledError`, which is not raised.
    timeout
        Time limit for all, from now on: after that, iteration raises a `TimeoutError`.

    Examples
    --------
    >>> from thalweg.tasks import Client, as_completed
    >>> with Client() as client:
    ...     ended = as_completed(client.map(abs, [-1, -2]), with_results=True)
    ...     sorted(result for future, result in ended)
    [1, 2]
    """

    def __init__(
        self,
        futures: Iterable[Future[Any]] | None = None,
        loop: Any = None,
        with_results: bool = False,
        raise_errors: bool = True,
        *,
        timeout: Interval | None = None,
    ) -> None:
        self.with_results = with_results
        self.raise_errors = raise_errors
        self._end = None if timeout is None else time.monotonic() + convert_interval(timeout)
        # Locked by the thread that completes a future: it must be a lock that no interrupt leaves locked.
        self._lock = Lock()
        #: One item for each finished future, taken by one of the waiting threads.
        self._news: SimpleQueue[None] = SimpleQueue()
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = []
        self._pending: dict[Future[Any], int] = {}
        self._ended: deque[Future[Any]] = deque()
        self._interest = Interest()
        if futures is not None:
            self.update(futures)

    def add(self, future: Future[Any]) -> None:
        """Add a future.

        Examples
        --------
        >>> from thalweg.tasks import Client, as_completed
        >>> with Client() as client:
        ...     ended = as_completed([client.submit(int, "1")])
        ...     for future in ended:
        ...         if future.result() < 3:
        ...             ended.add(client.submit(lambda x: x + 1, future))
        >>> future.result()
        3
        """
        self.update([future])

    def update(self, futures: Iterable[Future[Any]]) -> None:
        """Add several futures."""
        futures = tree.checked(futures, "as_completed")
        with self._lock:
            for future in futures:
                self._pending[future] = self._pending.get(future, 0) + 1
        mine = ref(self)

        def note(future: Future[Any]) -> None:
            # Iteration may have ended; unfinished futures are not wanted for it.
            if (me := mine()) is not None:
                me._note(future)

        for future in futures:
            future._notify_holder(note, self._interest)

    def _note(self, future: Future[Any]) -> None:
        with self._lock:
            count = self._pending.get(future, 0)
            if not count:
                return
            if count == 1:
                del self._pending[future]
            else:
                self._pending[future] = count - 1
            self._ended.append(future)
            self._wake()

    def _wake(self) -> None:
        self._news.put(None)
        waiting, self._waiting = self._waiting, []
        for loop, waiter in waiting:
            # The loop may be closed, and nobody be waiting any more.
            if not loop.is_closed():
                loop.call_soon_threadsafe(_set, waiter)

    def count(self) -> int:
        """Return the number of futures not yet returned."""
        with self._lock:
            return sum(self._pending.values()) + len(self._ended)

    def is_empty(self) -> bool:
        """Whether all futures have been returned."""
        return not self.count()

    def has_ready(self) -> bool:
        """Whether there is a finished future that has not been returned."""
        return bool(self._ended)

    def clear(self) -> None:
        """Forget all futures."""
        with self._lock:
            self._pending.clear()
            self._ended.clear()
            self._wake()

    def __iter__(self) -> Self:
        return self

    def __aiter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        return self._show(self._take())

    def next(self) -> Any:
        """Return the next one."""
        return next(self)

    async def __anext__(self) -> Any:
        while True:
            waiter = self._waiter()
            if waiter is None:
                break
            await self._await(waiter)
        with self._lock:
            if not self._ended:
                raise StopAsyncIteration
            future = self._ended.popleft()
        return self._show(future)

    def _waiter(self) -> asyncio.Future[None] | None:
        """An event for the next change; None if there is no need to wait."""
        with self._lock:
            if self._ended or not self._pending:
                return None
            loop = asyncio.get_running_loop()
            waiter = loop.create_future()
            self._waiting.append((loop, waiter))
            return waiter

    async def _await(self, waiter: asyncio.Future[None]) -> None:
        try:
            with awaiting_others():
                await asyncio.wait_for(waiter, self._left())
        except (asyncio.TimeoutError, TimeoutError):
            raise self._too_late() from None

    def _take(self) -> Future[Any]:
        while True:
            with self._lock:
                if self._ended:
                    return self._ended.popleft()
                if not self._pending:
                    # Others may wait for the last one.
                    self._news.put(None)
                    raise StopIteration
            left = self._left()
            with suppress(Empty):
                self._news.get_nowait()
                continue
            # In a task, gives the task's place to another meanwhile.
            with suppress(Empty), OutOfTheWay():
                self._news.get(timeout=LOOK if left is None else min(LOOK, left))
                continue
            if left == 0 and not self._ended:
                raise self._too_late()

    def _left(self) -> float | None:
        return None if self._end is None else max(0.0, self._end - time.monotonic())

    def _too_late(self) -> TimeoutError:
        return TimeoutError(f"as_completed: {len(self._pending)} futures have not ended in time")

    def _show(self, future: Future[Any]) -> Any:
        if not self.with_results:
            return future
        error = error_of(future)
        if error is None:
            return future, result_of(future)
        if future.status == "cancelled":
            # Not a failure: it was cancelled on request.
            return future, error
        if self.raise_errors:
            raise raisable(error)
        return future, (type(error), error, traceback_of(error))

    def next_batch(self, block: bool = True) -> list[Any]:
        """Return all finished futures not yet returned.

        Parameters
        ----------
        block
            Whether to wait until there is one.

        Raises
        ------
        StopIteration
            All have been returned. With results, also the error of a failed future: the others are in the next batch.

        Examples
        --------
        >>> from thalweg.tasks import Client, as_completed, wait
        >>> with Client() as client:
        ...     futures = client.map(abs, [-1, -2])
        ...     both = wait(futures)
        ...     len(as_completed(futures).next_batch())
        2
        """
        ended = [self._take()] if block else []
        with self._lock:
            ended += self._ended
            self._ended.clear()
        batch: list[Any] = []
        try:
            for future in ended:
                batch.append(self._show(future))
        except BaseException:
            # The failed one has been reported; all others are in the next batch.
            with self._lock:
                self._ended.extendleft(reversed(ended[: len(batch)] + ended[len(batch) + 1 :]))
                self._wake()
            raise
        return batch

    def __repr__(self) -> str:
        with self._lock:
            waiting, done = sum(self._pending.values()), len(self._ended)
        return f"<as_completed: waiting={waiting} done={done}>"

    def batches(self) -> Iterator[list[Any]]:
        """Iterate over batches of finished futures, as lists."""
        while True:
            try:
                batch = self.next_batch()
            except StopIteration:
                return
            yield batch


def _set(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
