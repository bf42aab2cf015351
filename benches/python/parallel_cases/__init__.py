"""Streams on engines, and the executors of the standard library at the same work."""

from __future__ import annotations

import asyncio
import atexit
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import cache
from typing import Any

from measure import Case, Contender, Limit, Target

from thalweg import Stream
from thalweg.tasks import Client

#: Elements per round.
_COUNT = 20_000


def increment(x: int) -> int:
    """Add one: minimal work."""
    return x + 1


@cache
def _client(processes: bool) -> Any:
    client = Client(n_workers=2, processes=processes, set_as_default=False)
    atexit.register(client.close)
    return client


@cache
def _pool(processes: bool) -> Any:
    pool = ProcessPoolExecutor(2) if processes else ThreadPoolExecutor(2)
    atexit.register(pool.shutdown)
    return pool


def _pool_map(processes: bool) -> Callable[[int], None]:
    def run(n: int) -> None:
        results = list(_pool(processes).map(increment, range(n)))
        assert results[-1] == n

    return run


def _built(source: Stream, client: Any, size: int | None) -> list[int]:
    mapped = source.scatter(client).map(increment)
    buffered = mapped if size is None else mapped.buffer(size)
    results: list[int] = buffered.gather().sink_to_list()
    return results


def _from_thread(processes: bool, size: int) -> Callable[[int], None]:
    def run(n: int) -> None:
        source = Stream()
        results = _built(source, _client(processes), size)
        for x in range(n):
            source.emit(x)
        source.drain()
        assert results == list(range(1, n + 1))

    return run


def _awaited(processes: bool, size: int) -> Callable[[int], None]:
    async def main(n: int) -> None:
        source = Stream(asynchronous=True)
        results = _built(source, _client(processes), size)
        for x in range(n):
            await source.emit(x)
        await source.drain()
        assert results == list(range(1, n + 1))

    return lambda n: asyncio.run(main(n))


def _many(size: int | None) -> Callable[[int], None]:
    def run(n: int) -> None:
        source = Stream()
        results = _built(source, _client(False), size)
        source.emit_many(range(n))
        source.drain()
        assert results == list(range(1, n + 1))

    return run


def _operator(name: str) -> Callable[[int], None]:
    def build(stream: Any) -> Any:
        if name == "zip_latest":
            return stream.zip_latest(stream.map(increment))
        if name == "partition":
            return stream.partition(2)
        if name == "accumulate":
            return stream.accumulate(max)
        if name == "unique":
            return stream.unique()
        return stream.map(increment)

    def run(n: int) -> None:
        source = Stream()
        results: list[Any] = []
        held = build(source.scatter(_client(False))).gather().sink(results.append)
        source.emit_many(range(n))
        source.drain()
        assert results
        del held

    return run


def _threads(way: str, through: Callable[[bool, int], Callable[[int], None]], size: int, most: float) -> Case:
    targets: list[Target | Limit] = [Limit(most)]
    if size >= 100:
        targets.append(Target("pool.map", 1.0))
    return Case(
        f"threads, {way}, buffer({size:,})",
        [Contender("thalweg", through(False, size), _COUNT), Contender("pool.map", _pool_map(False), _COUNT)],
        targets,
    )


def _processes(way: str, through: Callable[[bool, int], Callable[[int], None]], size: int, most: float) -> Case:
    return Case(
        f"two processes, {way}, buffer({size:,})",
        [Contender("thalweg", through(True, size), _COUNT // 10), Contender("pool.map", _pool_map(True), _COUNT // 10)],
        [Limit(most)],
    )


def _emit_many() -> Case:
    return Case(
        "threads, emit_many, without a buffer",
        [Contender("thalweg", _many(None), _COUNT), Contender("buffer(2)", _many(2), _COUNT)],
        [Target("buffer(2)", 1.5)],
    )


def _beside_map(name: str) -> Case:
    return Case(
        f"threads, {name}, emit_many",
        [Contender("thalweg", _operator(name), _COUNT), Contender("map", _operator("map"), _COUNT)],
        [Target("map", 3.0)],
    )


def compute(x: int) -> int:
    """Keep a processor busy for about a millisecond."""
    total = x
    for i in range(20_000):
        total += i & 3
    return total


@cache
def _workers(count: int) -> Any:
    client = Client(n_workers=count, threads_per_worker=1, processes=True, set_as_default=False)
    atexit.register(client.close)
    return client


def _stages(count: int) -> Callable[[int], None]:
    def run(n: int) -> None:
        source = Stream()
        results: list[int] = []
        stages = source.scatter(_workers(count)).map(compute).buffer(20).map(compute).buffer(20)
        held = stages.gather().sink(results.append)
        for x in range(n):
            source.emit(x)
        source.drain()
        assert len(results) == n
        del held

    return run


def _two_stages() -> Case:
    return Case(
        "two stages of 1 ms, two processes",
        [Contender("thalweg", _stages(2), 300), Contender("one process", _stages(1), 300)],
        [Target("one process", 1 / 1.9)],
    )


#: By buffer size: nanoseconds per element from a thread, awaited, and on processes.
_MOST = {5: (12_000, 10_000, 25_000), 100: (4_000, 4_000, 9_000), 1_000: (3_000, 3_000, 7_000)}

CASES: dict[str, Callable[[], Case]] = {}
for _size, (_thread, _loop, _process) in _MOST.items():
    CASES[f"threads-{_size}"] = lambda size=_size, most=_thread: _threads("emitted", _from_thread, size, most)
    CASES[f"awaited-{_size}"] = lambda size=_size, most=_loop: _threads("awaited", _awaited, size, most)
    CASES[f"processes-{_size}"] = lambda size=_size, most=_process: _processes("emitted", _from_thread, size, most)
    CASES[f"processes-awaited-{_size}"] = lambda size=_size, most=_process: _processes("awaited", _awaited, size, most)
CASES["emit-many"] = _emit_many
for _name in ("zip_latest", "partition", "accumulate", "unique"):
    CASES[_name] = lambda name=_name: _beside_map(name)
CASES["stages"] = _two_stages
