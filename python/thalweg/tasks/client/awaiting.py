"""Futures of tasks, awaited on an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import suppress
from typing import Any

from thalweg._thalweg.tasks import Interest
from thalweg.tasks.client.aside import awaiting_others

__all__ = ["Done", "client", "exception", "named", "outcome", "result", "traceback", "type_of", "wait"]


class Done:
    """An available result, for programs that await it.

    Examples
    --------
    >>> import asyncio
    >>> from thalweg.tasks.client.awaiting import Done
    >>> async def main():
    ...     return await Done(True)
    >>> asyncio.run(main()), bool(Done(False))
    (True, False)
    """

    def __init__(self, value: Any) -> None:
        self._value = value

    def __await__(self) -> Generator[Any, None, Any]:
        yield from ()
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)


def named(key: Any, client: Any = None) -> Any:
    """Implement `Future` with a key: find the live task."""
    from thalweg.tasks.client import registry
    from thalweg.tasks.process import lending

    return lending.find(registry.default_client(client)._engine, key)


def client(future: Any) -> Any:
    """Return the client of a future."""
    from thalweg.tasks.client import registry

    return registry.client_of(future.engine)


def type_of(future: Any) -> type | None:
    """Return the type of a future's result; None if there is none. Fetches a result from a worker process."""
    return type(future._result_here()) if future.status == "finished" else None


async def wait(future: Any, timeout: float | None = None) -> None:
    """Wait until the future is done, without blocking the loop."""
    if future.done():
        return
    loop = asyncio.get_running_loop()
    waiter: asyncio.Future[None] = loop.create_future()

    def wake() -> None:
        if not waiter.done():
            waiter.set_result(None)

    def done(_: Any) -> None:
        # The loop may have been closed, and the waiting task with it.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(wake)

    interest = Interest()
    future._notify_holder(done, interest)
    try:
        with awaiting_others():
            await asyncio.wait_for(waiter, timeout)
    except asyncio.TimeoutError:
        raise TimeoutError(f"the result was not there within {timeout} s; the task goes on") from None


async def outcome(future: Any) -> Any:
    """Return the result once it is available."""
    if not future.done():
        await wait(future)
    return future._result_here()


async def result(future: Any, timeout: float | None) -> Any:
    """Implement `Future.result`."""
    await wait(future, timeout)
    return future._result_here()


async def exception(future: Any, timeout: float | None) -> Any:
    """Implement `Future.exception`."""
    await wait(future, timeout)
    return await asyncio.to_thread(future.exception)


async def traceback(future: Any, timeout: float | None) -> Any:
    """Implement `Future.traceback`."""
    await wait(future, timeout)
    return await asyncio.to_thread(future.traceback)
