"""One-time signals, and those who wait for them.

A future of `concurrent.futures` would do, except that its lock is Python code: an exception of a signal handler just
after it is taken leaves it locked for ever, and with it whoever would complete the future. Here only the interpreter's
own code locks and waits, and it is not interrupted in between.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import CancelledError
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Lock
from typing import Any, Generic, Literal, TypeVar

__all__ = ["Signal"]

T = TypeVar("T")


class Signal(Generic[T]):
    """A future answer. It is completed once, with a value or an exception, or cancelled.

    Examples
    --------
    >>> from thalweg.tasks.sync.signals import Signal
    >>> signal = Signal()
    >>> signal.answer(1), signal.answer(2), signal.cancel()
    (True, False, False)
    >>> signal.result()
    1
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._state: Literal["pending", "answered", "failed", "cancelled"] = "pending"
        self._value: Any = None
        self._callbacks: list[Callable[[Signal[T]], object]] = []

    def answer(self, value: T) -> bool:
        """Complete it with a value; False if that is too late."""
        return self._end("answered", value)

    def fail(self, error: BaseException) -> bool:
        """Complete it with an exception; False if that is too late."""
        return self._end("failed", error)

    def cancel(self) -> bool:
        """Cancel it; False if it is completed."""
        return self._end("cancelled", None) or self.cancelled()

    def _end(self, state: Literal["answered", "failed", "cancelled"], value: Any) -> bool:
        with self._lock:
            if self._state != "pending":
                return False
            self._value = value
            self._state = state
        # No more callbacks are added.
        while self._callbacks:
            self._callbacks.pop(0)(self)
        return True

    def done(self) -> bool:
        """Whether it is completed or cancelled."""
        return self._state != "pending"

    def cancelled(self) -> bool:
        """Whether it was cancelled."""
        return self._state == "cancelled"

    def add_done_callback(self, callback: Callable[[Signal[T]], object]) -> None:
        """Call a function on completion, on the completing thread: it must not block. At once, if it is completed."""
        with self._lock:
            if self._state == "pending":
                self._callbacks.append(callback)
                return
        callback(self)

    def exception(self) -> BaseException | None:
        """Return the exception, if it was completed with one."""
        return self._value if self._state == "failed" else None

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for so many seconds at most; return whether it is completed."""
        if self._state == "pending":
            # A queue of the interpreter's own, which takes no lock of Python's.
            arrived: SimpleQueue[Signal[T]] = SimpleQueue()
            put = arrived.put
            self.add_done_callback(put)
            try:
                with suppress(Empty):
                    arrived.get(timeout=seconds)
            finally:
                # It may be removed by the completing thread.
                with suppress(ValueError):
                    self._callbacks.remove(put)
        return self._state != "pending"

    def result(self, timeout: float | None = None) -> T:
        """Wait for the value, for so many seconds at most.

        Raises
        ------
        TimeoutError
            It was not completed in time.
        CancelledError
            It was cancelled.
        """
        if not self.wait(timeout):
            raise TimeoutError(f"not within {timeout} s")
        if self._state == "cancelled":
            raise CancelledError
        if self._state == "failed":
            raise self._value
        value: T = self._value
        return value

    async def wait_on_loop(self, seconds: float | None = None) -> bool:
        """Wait without blocking the loop, for so many seconds at most; return whether it is completed."""
        if self._state == "pending":
            loop = asyncio.get_running_loop()
            waiter: asyncio.Future[None] = loop.create_future()

            def wake(_: Any) -> None:
                # The loop may have been closed, and the waiting task with it.
                with suppress(RuntimeError):
                    loop.call_soon_threadsafe(_set, waiter)

            self.add_done_callback(wake)
            try:
                await asyncio.wait_for(waiter, seconds)
            except (asyncio.TimeoutError, TimeoutError):
                pass
            finally:
                with suppress(ValueError):
                    self._callbacks.remove(wake)
        return self._state != "pending"


def _set(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
