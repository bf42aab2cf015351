"""The asyncio loop behind :class:`thalweg.VirtualClock`."""

from __future__ import annotations

import asyncio
import selectors


class _Selector(selectors.DefaultSelector):  # type: ignore[valid-type,misc]
    """Lets time pass instead of sleeping."""

    loop: VirtualLoop

    def select(self, timeout=None):
        if timeout is None:
            # No timer is left: only another thread, or a socket, can go on with anything.
            return super().select(None)
        ready = super().select(0)
        if not ready and timeout > 0:
            self.loop._move_to(self.loop.time() + timeout)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An asyncio loop that does not sleep: it moves its time to that of the next timer."""

    def __init__(self):
        self._now = 0.0
        selector = _Selector()
        selector.loop = self
        super().__init__(selector)
        # Added to the time, it has to make a difference, after a century too.
        self._clock_resolution = 1e-6

    def time(self):
        return self._now

    def _move_to(self, time):
        self._now = max(self._now, time)

    def _next_timer(self):
        """The time of the first timer; None if there is none."""
        timers = (handle.when() for handle in self._scheduled if not handle.cancelled())
        return min(timers, default=None)

    def _round(self):
        """Run what is due."""
        self.call_soon(self.stop)
        self.run_forever()

    def step(self):
        """Run what is due; if nothing is, move on to the next timer.

        Raises
        ------
        RuntimeError
            Nothing is left to happen.
        """
        if not self._ready:
            timer = self._next_timer()
            if timer is None:
                raise RuntimeError("this waits for something that will never happen")
            self._move_to(timer)
        self._round()

    def advance(self, seconds):
        """Let time pass, and everything happen that is due."""
        end = self._now + seconds
        while True:
            timer = self._next_timer()
            if not self._ready and (timer is None or timer > end):
                break
            if not self._ready:
                self._move_to(timer)
            self._round()
        self._move_to(end)
