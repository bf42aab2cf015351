"""Futures of tasks, awaited on an event loop."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

__all__ = ["exception", "outcome", "result", "traceback", "wait"]


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
        # The loop may have been closed, and with it whoever waited.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(wake)

    future._notify(done)
    try:
        await asyncio.wait_for(waiter, timeout)
    except asyncio.TimeoutError:
        raise TimeoutError(f"the result was not there within {timeout} s; the task goes on") from None


async def outcome(future: Any) -> Any:
    """Return the result once it is there."""
    if not future.done():
        await wait(future)
    return future.engine.gather([future])[0]


async def result(future: Any, timeout: float | None) -> Any:
    """Do what `Future.result` does."""
    await wait(future, timeout)
    return future.engine.gather([future])[0]


async def exception(future: Any, timeout: float | None) -> Any:
    """Do what `Future.exception` does."""
    await wait(future, timeout)
    return await asyncio.to_thread(future.exception)


async def traceback(future: Any, timeout: float | None) -> Any:
    """Do what `Future.traceback` does."""
    await wait(future, timeout)
    return await asyncio.to_thread(future.traceback)
