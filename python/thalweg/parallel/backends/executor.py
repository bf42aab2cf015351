"""Executors of ``concurrent.futures``: thread pools, process pools, and those of others."""

from __future__ import annotations

import os
from concurrent.futures import Executor as AnyExecutor
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from threading import current_thread
from typing import Any
from weakref import ref

from thalweg._thalweg.parallel import Queue
from thalweg.parallel.backends.base import Backend
from thalweg.parallel.backends.closing import wait_until_delivered
from thalweg.parallel.remote import BatchCall, run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from thalweg._thalweg.parallel import Arrival

__all__ = ["Executor"]

#: Longest wait for elements in flight before an executor shuts down, in seconds.
_PATIENCE = 60.0


class Executor(Backend):
    """An executor; functions and elements that go to a pool of processes have to be such as pickle takes.

    Examples
    --------
    >>> from concurrent.futures import ThreadPoolExecutor
    >>> from thalweg import Stream
    >>> with ThreadPoolExecutor(2) as pool:
    ...     source = Stream()
    ...     L = source.scatter(pool).map(pow, 2).gather().sink_to_list()
    ...     source.emit(3)
    ...     source.drain()
    >>> L
    [9]
    """

    ends_with_executors = True

    def __init__(self, executor: AnyExecutor) -> None:
        super().__init__(executor)
        if isinstance(executor, ThreadPoolExecutor):
            self.queue: Any = Queue.of_executor(executor.submit, self.width)
        else:
            self.queue = Queue.of_transport(_Calls(executor, self.width))
        # Leaving its `with` comes before the end of a pipeline that was built inside.
        if isinstance(getattr(executor, "__dict__", {}).get("shutdown"), (_Shutdown, type(None))):
            with suppress(AttributeError):
                executor.shutdown = _Shutdown(executor, self)  # type: ignore[method-assign]

    @property
    def kind(self) -> str:
        """Display name, for messages."""
        return type(self.engine).__name__

    @property
    def width(self) -> int:
        """Number of calls it makes at a time."""
        return max(1, int(getattr(self.engine, "_max_workers", None) or os.cpu_count() or 1))

    @property
    def is_closed(self) -> bool:
        """Whether it takes no more."""
        return False


class _Shutdown:
    """The method `shutdown` of an executor, which waits for elements in flight first.

    Without strong references: an executor ends its threads when nobody refers to it.
    """

    def __init__(self, executor: AnyExecutor, backend: Executor) -> None:
        self._executor = ref(executor)
        self._backend = ref(backend)

    def __call__(self, wait: bool = True, **options: Any) -> Any:
        executor, backend = self._executor(), self._backend()
        if executor is None:
            return None
        # A call of the executor would wait for itself.
        is_inside = current_thread() in getattr(executor, "_threads", ())
        if backend is not None and wait and not options.get("cancel_futures") and not is_inside:
            wait_until_delivered(backend, _PATIENCE)
        return type(executor).shutdown(executor, wait, **options)


class _Calls:
    """The way to an executor."""

    def __init__(self, executor: AnyExecutor, width: int) -> None:
        self._executor = executor
        self.width = width

    def send(self, call: BatchCall, done: Arrival, limit: float | None) -> None:
        """Have a batch worked on."""
        self._executor.submit(run, call).add_done_callback(lambda future: _arrive(future, done))


def _arrive(future: Future[Any], done: Arrival) -> None:
    """Say what a future that is done has come to."""
    try:
        result = future.result(0)
    except BaseException as error:
        done(None, error)
    else:
        done(result, None)
