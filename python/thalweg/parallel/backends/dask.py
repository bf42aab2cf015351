"""A Dask cluster, through Dask's own client."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError
from contextlib import suppress
from functools import wraps
from time import monotonic
from typing import Any

from distributed import Client, wait

from thalweg.parallel.backends.base import Arrival, Backend

__all__ = ["Dask"]

#: How long the closing of a client waits for what is on its way, in seconds.
_PATIENCE = 60.0

#: How often, and how many seconds apart, nothing may be on its way for it to be over.
_TURNS, _TURN = 3, 0.002


class Dask(Backend):
    """A cluster. Values stay on its workers until they are gathered.

    Elements travel inside of the tasks: what a worker that dies had of them, the scheduler still has.

    Examples
    --------
    >>> from distributed import Client
    >>> from thalweg import Stream
    >>> with Client(n_workers=1, processes=False, dashboard_address=None) as client:
    ...     source = Stream()
    ...     L = source.scatter(client).map(pow, 2).gather().sink_to_list()
    ...     source.emit(3)
    ...     source.drain()
    >>> L
    [9]
    """

    is_remote = True

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self._client = client
        # A client that is closed takes with it what is on its way, and says so to nobody: leaving its `with` comes
        # before the end of a pipeline that was built inside.
        close = client.close

        @wraps(close)
        def close_when_idle(*args: Any, **kwargs: Any) -> Any:
            self._wait_until_idle()
            client.close = close
            return close(*args, **kwargs)

        client.close = close_when_idle

    @property
    def width(self) -> int:
        """How many calls it makes at a time."""
        # What the client knows: it hears from its scheduler every other second.
        info = getattr(self._client, "_scheduler_identity", None) or {}
        threads = info.get("total_threads")
        if threads is None:
            threads = sum(worker["nthreads"] for worker in info.get("workers", {}).values())
        return max(1, int(threads))

    @property
    def is_closed(self) -> bool:
        """Whether it takes no more."""
        return self._client.status in ("closing", "closed")

    def submit(self, function: Callable[..., Any], *args: Any) -> Any:
        """Have a function called, once the futures among the arguments are done."""
        # Functions in a pipeline read clocks and count: equal calls are different ones.
        return self._client.submit(function, *args, pure=False)

    def when_done(self, future: Any, arrival: Arrival) -> None:
        """Call `arrival` when the call has been made."""

        async def done() -> None:
            with self._client.as_current():
                await wait([future])
            if future.status != "finished":
                raise await future.exception() if future.status == "error" else CancelledError(future.key)

        self._run(done, arrival)

    def fetch(self, future: Any, arrival: Arrival) -> None:
        """Call `arrival` with what a call returned."""

        async def value() -> Any:
            return await self._client.gather(future, asynchronous=True)

        self._run(value, arrival)

    def _wait_until_idle(self) -> None:
        """Wait until everything that was scattered has come back, unless it is this thread that would have to help."""
        loop: Any = self._client.loop.asyncio_loop
        if asyncio._get_running_loop() is not None or not loop.is_running():
            return
        deadline = monotonic() + _PATIENCE
        quiet = 0
        # What comes back may go again, as part of something else: not before the loop has had its turns.
        while quiet < _TURNS and monotonic() < deadline:
            quiet = quiet + 1 if self.is_idle() else 0
            asyncio.run_coroutine_threadsafe(asyncio.sleep(_TURN), loop).result(_PATIENCE)

    def _run(self, work: Callable[[], Coroutine[Any, Any, Any]], arrival: Arrival) -> None:
        async def run() -> None:
            try:
                result = await work()
            except BaseException as error:
                arrival(None, _plain(error))
                if isinstance(error, (KeyboardInterrupt, SystemExit, GeneratorExit)):
                    raise
            else:
                arrival(result, None)

        loop: Any = self._client.loop.asyncio_loop

        def start() -> None:
            _keep(loop.create_task(run()))

        if asyncio._get_running_loop() is loop:
            start()
            return
        try:
            loop.call_soon_threadsafe(start)
        except RuntimeError as error:
            arrival(None, error)


_running: set[Any] = set()


def _keep(task: Any) -> None:
    """A loop holds its tasks weakly."""
    _running.add(task)
    task.add_done_callback(_running.discard)


def _plain(error: BaseException) -> BaseException:
    """An exception that says what happened to whoever does not await anything."""
    if isinstance(error, asyncio.CancelledError):
        plain = RuntimeError(f"the task was cancelled: {error}")
        with suppress(AttributeError):
            plain.__cause__ = error
        return plain
    return error
