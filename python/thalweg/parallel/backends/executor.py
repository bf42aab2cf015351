"""Executors of ``concurrent.futures``: thread pools, process pools, and those of others."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Executor as AnyExecutor
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from thalweg._thalweg.parallel import Queue
from thalweg.parallel.backends.base import Arrival, Backend
from thalweg.runtime import program_end

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
            self.queue = Queue.of_executor(executor.submit, self.width)
        # Pools take no more at the end of a program: drain before.
        program_end.drain_before_executors_end()

    @property
    def kind(self) -> str:
        """What it is called where there is a message about it."""
        return type(self.engine).__name__

    @property
    def width(self) -> int:
        """How many calls it makes at a time."""
        return max(1, int(getattr(self.engine, "_max_workers", None) or os.cpu_count() or 1))

    @property
    def is_closed(self) -> bool:
        """Whether it takes no more."""
        return False

    def submit(self, function: Callable[..., Any], *args: Any, timeout: float | None = None) -> Any:
        """Have a function called, once the futures among the arguments are done."""
        inputs = [arg for arg in args if isinstance(arg, Future)]
        if not inputs:
            return self.engine.submit(function, *args)
        promise: Future[Any] = Future()
        # An executor has no notion of inputs that are still to come.
        missing = [None] * len(inputs)

        def begin(_: Any) -> None:
            missing.pop()
            if missing:
                return
            try:
                values = [arg.result(0) if isinstance(arg, Future) else arg for arg in args]
                self.engine.submit(function, *values).add_done_callback(lambda done: _settle(promise, done))
            except BaseException as error:
                promise.set_exception(error)

        for each in inputs:
            each.add_done_callback(begin)
        return promise

    def when_done(self, future: Any, arrival: Arrival) -> None:
        """Call `arrival` when the call has been made."""
        future.add_done_callback(lambda done: _arrive(done, arrival))


def _arrive(future: Future[Any], arrival: Arrival) -> None:
    """Say what a future that is done has come to."""
    try:
        result = future.result(0)
    except BaseException as error:
        arrival(None, error)
    else:
        arrival(result, None)


def _settle(promise: Future[Any], done: Future[Any]) -> None:
    try:
        promise.set_result(done.result(0))
    except BaseException as error:
        promise.set_exception(error)
