"""Pipelines on an event loop."""

from __future__ import annotations

import asyncio
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
