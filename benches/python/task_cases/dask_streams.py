"""Streams on a Dask cluster of two processes, with the scheduler in this one."""

from __future__ import annotations

import asyncio
import atexit
from collections.abc import Callable
from functools import cache
from typing import Any

import streamz
import streamz.dask
from cases.work import increment
from distributed import Client, LocalCluster
from measure import Case, Contender, Target

import thalweg


@cache
def _cluster() -> asyncio.AbstractEventLoop:
    """The event loop of the active client; the cluster is closed at exit."""
    loop = asyncio.new_event_loop()

    async def start() -> tuple[Any, Any]:
        cluster = await LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0", asynchronous=True
        )
        return cluster, await Client(cluster, asynchronous=True)

    cluster, client = loop.run_until_complete(start())

    async def end() -> None:
        await client.close()
        await cluster.close()

    def close() -> None:
        loop.run_until_complete(end())
        loop.close()

    atexit.register(close)
    return loop


def _through(package: Any, size: int) -> Callable[[int], None]:
    async def main(n: int) -> None:
        source = package.Stream(asynchronous=True)
        all_have_arrived = asyncio.Event()
        results: list[int] = []

        def collect(x: int) -> None:
            results.append(x)
            if len(results) == n:
                all_have_arrived.set()

        held = source.scatter().map(increment).buffer(size).gather().sink(collect)
        for x in range(n):
            await source.emit(x)
        await all_have_arrived.wait()
        assert results == list(range(1, n + 1))
        del held

    def run(n: int) -> None:
        _cluster().run_until_complete(main(n))

    return run


def _through_buffer(size: int, faster: int) -> Case:
    return Case(
        f"scatter, map, buffer({size:,}), gather on Dask, two processes",
        [
            Contender("thalweg", _through(thalweg, size), 10 * size),
            Contender("streamz", _through(streamz, size), 300),
        ],
        [Target("streamz", 1 / faster)],
    )


def through_buffer_of_100() -> Case:
    return _through_buffer(100, 30)


def through_buffer_of_1000() -> Case:
    return _through_buffer(1_000, 80)
