"""Small tasks: many at once, and one at a time."""

from __future__ import annotations

import atexit
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from functools import cache
from typing import Any

from cases.work import increment
from measure import Case, Contender, Limit

from task_cases import clusters


@cache
def _executor(*, processes: bool) -> Executor:
    executor = ProcessPoolExecutor(2) if processes else ThreadPoolExecutor(2)
    atexit.register(executor.shutdown)
    return executor


def _many(client: Any) -> Callable[[int], None]:
    def run(n: int) -> None:
        results = client.gather(client.map(increment, range(n)))
        assert results[-1] == n

    return run


def _many_of_executor(executor: Executor) -> Callable[[int], None]:
    def run(n: int) -> None:
        results = list(executor.map(increment, range(n)))
        assert results[-1] == n

    return run


def _one_by_one(submit: Callable[..., Any]) -> Callable[[int], None]:
    def run(n: int) -> None:
        for x in range(n):
            assert submit(increment, x).result() == x + 1

    return run


def many_on_threads() -> Case:
    return Case(
        "map and gather, two threads",
        [
            Contender("thalweg", _many(clusters.ours(processes=False)), 100_000),
            Contender("executor", _many_of_executor(_executor(processes=False)), 20_000),
            Contender("dask", _many(clusters.dask(processes=False)), 500),
        ],
        [Limit(3_000)],
    )


def many_on_processes() -> Case:
    return Case(
        "map and gather, two processes",
        [
            Contender("thalweg", _many(clusters.ours(processes=True)), 100_000),
            Contender("executor", _many_of_executor(_executor(processes=True)), 5_000),
            Contender("dask", _many(clusters.dask(processes=True)), 500),
        ],
        [Limit(8_000)],
    )


def one_on_threads() -> Case:
    return Case(
        "submit and result, one after the other, threads",
        [
            Contender("thalweg", _one_by_one(clusters.ours(processes=False).submit), 2_000),
            Contender("executor", _one_by_one(_executor(processes=False).submit), 2_000),
            Contender("dask", _one_by_one(clusters.dask(processes=False).submit), 50),
        ],
        [Limit(12_000)],
    )


def one_on_processes() -> Case:
    return Case(
        "submit and result, one after the other, processes",
        [
            Contender("thalweg", _one_by_one(clusters.ours(processes=True).submit), 2_000),
            Contender("executor", _one_by_one(_executor(processes=True).submit), 1_000),
            Contender("dask", _one_by_one(clusters.dask(processes=True).submit), 50),
        ],
        [Limit(100_000)],
    )
