"""One run of a source."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio


class Run:
    """One run of a source on its event loop: waits, and ways to wake them."""

    def __init__(self) -> None:
        import threading

        self._over = threading.Event()
        self._pausing: asyncio.Future[None] | None = None
        self._waiting: list[asyncio.Future[None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    def begin(self) -> None:
        """Record the loop it runs on."""
        import asyncio

        self._loop = asyncio.get_running_loop()

    def end(self) -> None:
        """Wake all that wait for the end."""
        self._over.set()
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    async def wait(self) -> None:
        """Wait for the end, on the loop."""
        import asyncio

        if not self._over.is_set():
            future = asyncio.get_running_loop().create_future()
            self._waiting.append(future)
            await future

    def is_over(self) -> bool:
        """Whether it has ended."""
        return self._over.is_set()

    def goes_on_here(self) -> bool:
        """Whether it has not ended, and runs on the running loop."""
        import asyncio

        return not self._over.is_set() and self._loop is asyncio.get_running_loop()

    def wait_in_thread(self, seconds: float) -> bool:
        """Wait for the end, on another thread."""
        return self._over.wait(seconds)

    async def pause(self, seconds: float | None) -> None:
        """Wait until woken, or for at most so many seconds; None waits for ever."""
        import asyncio

        loop = asyncio.get_running_loop()
        self._pausing = future = loop.create_future()
        timer = None if seconds is None else loop.call_later(seconds, self._resume)
        try:
            await future
        finally:
            if timer is not None:
                timer.cancel()
            self._pausing = None

    def wake(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """End a pause, from any thread."""
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._resume)

    def _resume(self) -> None:
        if self._pausing is not None and not self._pausing.done():
            self._pausing.set_result(None)
