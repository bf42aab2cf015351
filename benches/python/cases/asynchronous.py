"""Pipelines on an event loop."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import Any

import streamz
from measure import Case, Contender, Limit, Target

import thalweg
from cases.work import ignore, increment


def _awaiting(package: Any, build: Callable[[Any], Any]) -> Callable[[int], None]:
    def run(n: int) -> None:
        async def main() -> None:
            source = package.Stream(asynchronous=True)
            held = build(source)
            for x in range(n):
                await source.emit(x)
            del held

        asyncio.run(main())

    return run


def awaited() -> Case:
    def build(source: Any) -> Any:
        return source.map(increment).sink(ignore)

    return Case(
        "await emit, where nothing waits",
        [
            Contender("thalweg", _awaiting(thalweg, build), 50_000),
            Contender("streamz", _awaiting(streamz, build), 2_000),
        ],
        [Target("streamz", 1 / 20), Limit(150)],
    )


def _through_buffer(package: Any) -> Callable[[int], None]:
    def run(n: int) -> None:
        async def main() -> None:
            source = package.Stream(asynchronous=True)
            all_have_arrived = asyncio.Event()
            arrived = 0

            def count(x: int) -> None:
                nonlocal arrived
                arrived += 1
                if arrived == n:
                    all_have_arrived.set()

            held = source.map(increment).buffer(100).sink(count)
            for x in range(n):
                await source.emit(x)
            await all_have_arrived.wait()
            del held

        asyncio.run(main())

    return run


def buffered() -> Case:
    return Case(
        "map, buffer(100), sink",
        [
            Contender("thalweg", _through_buffer(thalweg), 20_000),
            Contender("streamz", _through_buffer(streamz), 2_000),
        ],
        [Target("streamz", 1 / 15)],
    )


def _blocking(package: Any) -> Callable[[int], None]:
    source = package.Stream(asynchronous=False)
    held = source.map(increment).sink(ignore)

    def run(n: int) -> None:
        for x in range(n):
            source.emit(x)

    run.held = held  # type: ignore[attr-defined]
    return run


def blocking() -> Case:
    return Case(
        "blocking emit, loop on another thread",
        [
            Contender("thalweg", _blocking(thalweg), 5_000),
            Contender("streamz", _blocking(streamz), 500),
        ],
        [Target("streamz", 1 / 6)],
    )


def _left(package: Any, **keywords: Any) -> Callable[[int], None]:
    def run(n: int) -> None:
        source = package.Stream(**keywords)
        have_arrived = threading.Event()
        arrived = 0

        def count(x: int) -> None:
            nonlocal arrived
            arrived += 1
            if arrived == n:
                have_arrived.set()

        held = source.buffer(100).sink(count)
        for x in range(n):
            source.emit(x)
        have_arrived.wait()
        del held

    return run


def _by_hand(n: int) -> None:
    waiting: queue.Queue[int | None] = queue.Queue(100)

    def consume() -> None:
        while (x := waiting.get()) is not None:
            ignore(x)

    thread = threading.Thread(target=consume)
    thread.start()
    for x in range(n):
        waiting.put(x)
    waiting.put(None)
    thread.join()


def left() -> Case:
    return Case(
        "emit from the main thread, buffer(100), sink",
        [
            Contender("thalweg", _left(thalweg), 20_000),
            Contender("by hand", _by_hand, 20_000),
            Contender("streamz", _left(streamz, asynchronous=False), 1_000),
        ],
        [Target("by hand", 1.0), Target("streamz", 1 / 20)],
    )
