"""A callback-based library with its own thread: its results as elements, and one of them as a future."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from threading import Thread

from thalweg import Stream


def measure(count: int, on_value: Callable[[float], None], on_end: Callable[[], None]) -> None:
    """Replace the library: measure on a thread, and call back for each value and at the end."""

    def run() -> None:
        for number in range(count):
            on_value(20 + number / 2)
        on_end()

    Thread(target=run).start()


async def values(count: int) -> list[float]:
    """Return all values; a callback waits while the pipeline is full."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    source = Stream(asynchronous=True)
    list_ = source.buffer(4).map(lambda celsius: celsius * 9 / 5 + 32).sink_to_list()
    measure(count, source.emit, lambda: loop.call_soon_threadsafe(ended.set))
    await ended.wait()
    await source.drain()
    return list_


async def first() -> float:
    """Return one value, which needs only a future."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[float] = loop.create_future()
    measure(1, lambda value: loop.call_soon_threadsafe(future.set_result, value), lambda: None)
    return await future


if __name__ == "__main__":
    print(asyncio.run(values(6)))
    print(asyncio.run(first()))
