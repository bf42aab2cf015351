"""Executors of ``concurrent.futures``: thread pools, process pools, and those of others."""

from __future__ import annotations

import os
from concurrent.futures import Executor as AnyExecutor
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from thalweg._thalweg.parallel import Queue
from thalweg.parallel.backends.base import Backend
from thalweg.parallel.remote import BatchCall, run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from thalweg._thalweg.parallel import Arrival

__all__ = ["Executor"]


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
