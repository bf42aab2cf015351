"""A Dask cluster, through Dask's own client."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import wraps
from typing import Any
from weakref import ref

from distributed import Client

from thalweg._thalweg.parallel import Queue
from thalweg.parallel.backends.base import Backend
from thalweg.parallel.backends.closing import until_delivered, wait_until_delivered
from thalweg.parallel.remote import BatchCall, run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from thalweg._thalweg.parallel import Arrival

__all__ = ["Dask"]

#: Longest wait for elements in flight before a client closes, in seconds.
_PATIENCE = 60.0


class Dask(Backend):
    """A cluster.

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

    ends_with_executors = True

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self._client = client
        self.queue: Any = Queue.of_transport(_Tasks(client))
        # A client that is closed takes with it what is on its way, and says so to nobody: leaving its `with` comes
        # before the end of a pipeline that was built inside.
        close, close_later = client.close, client._close
        me = ref(self)

        def pending() -> Dask | None:
            backend = me()
            return None if backend is None or backend.is_closed else backend

        @wraps(close)
        def close_when_delivered(*args: Any, **kwargs: Any) -> Any:
            backend = pending()
            if backend is None:
                return close(*args, **kwargs)
            if not client.asynchronous:
                wait_until_delivered(backend, _PATIENCE)
                return close(*args, **kwargs)

            async def later() -> None:
                await until_delivered(backend, _PATIENCE)
                await close(*args, **kwargs)

            return later()

        @wraps(close_later)
        async def close_later_when_delivered(*args: Any, **kwargs: Any) -> Any:
            backend = pending()
            if backend is not None:
                await until_delivered(backend, _PATIENCE)
            return await close_later(*args, **kwargs)

        # Leaving an `async with` is not the same as `close`.
        client.close, client._close = close_when_delivered, close_later_when_delivered

    @property
    def width(self) -> int:
        """Number of calls it makes at a time."""
        return _width(self._client)

    @property
    def is_closed(self) -> bool:
        """Whether it takes no more."""
        return self._client.status in ("closing", "closed")


def _width(client: Client) -> int:
    # What the client knows: it hears from its scheduler every other second.
    info = getattr(client, "_scheduler_identity", None) or {}
    threads = info.get("total_threads")
    if threads is None:
        threads = sum(worker["nthreads"] for worker in info.get("workers", {}).values())
    return max(1, int(threads))


class _Tasks:
    """The way to a cluster: a task for each batch."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @property
    def width(self) -> int:
        """Number of tasks that run at a time."""
        return _width(self._client)

    def send(self, call: BatchCall, done: Arrival, limit: float | None) -> None:
        """Have a batch worked on."""
        client = self._client
        # Functions in a pipeline read clocks and count: equal calls are different ones.
        future = client.submit(run, call, pure=False)

        async def fetch() -> None:
            try:
                result = await client.gather(future, asynchronous=True)
            except BaseException as error:
                done(None, _plain(error))
                if isinstance(error, (KeyboardInterrupt, SystemExit, GeneratorExit)):
                    raise
            else:
                done(result, None)

        loop: Any = client.loop.asyncio_loop

        def start() -> None:
            _keep(loop.create_task(fetch()))

        if asyncio._get_running_loop() is loop:
            start()
        else:
            loop.call_soon_threadsafe(start)


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
