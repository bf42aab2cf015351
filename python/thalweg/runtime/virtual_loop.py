"""The asyncio loop behind :class:`thalweg.VirtualClock`."""

from __future__ import annotations

import asyncio
import contextlib
import selectors
from collections.abc import Awaitable, Generator, Sized
from typing import Any, TypeVar

T = TypeVar("T")

_PER_SECOND = 1_000_000_000


def _nanoseconds(seconds: float) -> int:
    return round(seconds * _PER_SECOND)


class _NoOtherLoop:
    """Sets the event loop that runs on this thread aside, if there is one, until the block ends.

    Not a function of `contextlib`: that assigns to exceptions, which frozen data classes refuse.
    """

    def __enter__(self) -> None:
        self._running = asyncio._get_running_loop()
        asyncio._set_running_loop(None)

    def __exit__(self, *_: object) -> None:
        asyncio._set_running_loop(self._running)


class _Selector(selectors.DefaultSelector):
    """Advances the time instead of sleeping."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            # No timer is left: only another thread, or a socket, can cause further events.
            return super().select(None)
        ready = super().select(0)
        if not ready and timeout > 0:
            self.loop._move_to(self.loop.time() + timeout)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An asyncio loop that does not sleep: it advances its time to the next timer.

    Examples
    --------
    >>> import asyncio
    >>> from thalweg.runtime.virtual_loop import VirtualLoop
    >>> loop = VirtualLoop()
    >>> loop.run_until_complete(asyncio.sleep(3600))
    >>> loop.time()
    3600.0
    >>> loop.close()
    """

    # Attributes of asyncio's own loops.
    _scheduled: list[asyncio.TimerHandle]
    _ready: Sized

    def __init__(self) -> None:
        #: The time in whole nanoseconds: a sum of seconds such as 0.1 falls short of the timer it should reach.
        self._now = 0
        selector = _Selector()
        selector.loop = self
        super().__init__(selector)
        # Must make a difference when added to the time, even after a century.
        self._clock_resolution = 1e-6

    def time(self) -> float:
        """Return the seconds that have passed.

        Examples
        --------
        >>> from thalweg.runtime.virtual_loop import VirtualLoop
        >>> loop = VirtualLoop()
        >>> loop.time()
        0.0
        >>> loop.close()
        """
        return self._now / _PER_SECOND

    def _move_to(self, time: float) -> None:
        self._now = max(self._now, _nanoseconds(time))

    def _next_timer(self) -> float | None:
        """The time of the first timer; None if there is none."""
        timers = (handle.when() for handle in self._scheduled if not handle.cancelled())
        return min(timers, default=None)

    def run_forever(self) -> None:
        """Run until it is stopped; also inside another loop, such as a notebook's, whose time stands still meanwhile.

        Examples
        --------
        >>> import asyncio
        >>> from thalweg.runtime.virtual_loop import VirtualLoop
        >>> async def cell():
        ...     loop = VirtualLoop()
        ...     loop.call_later(60, print, "a minute later")
        ...     loop.step()
        ...     loop.close()
        ...     await asyncio.sleep(0)
        >>> asyncio.run(cell())
        a minute later
        """
        with _NoOtherLoop():
            super().run_forever()

    def run_until_complete(self, future: Generator[Any, None, T] | Awaitable[T]) -> T:
        """Run until a future is done, and return its result; also inside another loop."""
        with _NoOtherLoop():
            return super().run_until_complete(future)

    def _round(self) -> None:
        """Run callbacks that are due."""
        self.call_soon(self.stop)
        self.run_forever()

    def step(self) -> None:
        """Run callbacks that are due; if there are none, advance to the next timer.

        Raises
        ------
        RuntimeError
            There is nothing left to run.

        Examples
        --------
        >>> from thalweg.runtime.virtual_loop import VirtualLoop
        >>> loop = VirtualLoop()
        >>> timer = loop.call_later(60, print, "a minute later")
        >>> loop.step()
        a minute later
        >>> loop.close()
        """
        if not self._ready:
            timer = self._next_timer()
            if timer is None:
                raise RuntimeError("this waits for something that will never happen")
            self._move_to(timer)
        self._round()

    def advance(self, seconds: float) -> None:
        """Advance the time, and run everything that becomes due.

        Examples
        --------
        >>> from thalweg.runtime.virtual_loop import VirtualLoop
        >>> loop = VirtualLoop()
        >>> loop.advance(60)
        >>> loop.time()
        60.0
        >>> loop.close()
        """
        end = self._now + _nanoseconds(seconds)
        while True:
            timer = self._next_timer()
            if not self._ready:
                if timer is None or _nanoseconds(timer) > end:
                    break
                self._move_to(timer)
            self._round()
        self._now = max(self._now, end)

    def __del__(self, _warn: Any = None) -> None:
        # A clock without references has been dropped on purpose. Its sockets may have been collected first.
        if not self.is_closed() and not self.is_running():
            with contextlib.suppress(OSError, ValueError):
                self.close()
